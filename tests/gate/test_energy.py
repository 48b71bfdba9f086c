"""Energy per token out of a real Prometheus: whose GPUs they are, and when it is fair to compare."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from atlas_ops.catalog import signals as s
from atlas_ops.cli import main
from atlas_ops.detect.gate import Verdict
from atlas_ops.gate.histograms import read
from atlas_ops.gate.judge import Judgement, judge
from atlas_ops.gate.metrics import Tolerances
from atlas_ops.gate.runs import ENERGY
from atlas_ops.gate.windows import Windows
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series, Table

STEP, WINDOW, COUNT = 30, 300, 8
SCRAPES = (COUNT + 1) * WINDOW // STEP + 8
MODEL = "llama"
JOULES, TOKENS = 350.0, 1_000.0
"""What a GPU uses and produces in a second."""
RELEASES: dict[str, dict[str, float]] = {
    "old": {},
    "same": {},
    "hungry": {"joules": 1.3},
    "busy": {"tokens": 2.0},
    "twins": {"gpus": 2, "joules": 2.0, "tokens": 2.0},
    "unknown": {"gpus": 0},
    "sidecar": {"gpus": 0},
}
"""Each but the sidecar of the old one is a pod of its own: how many times the joules and tokens of the old one it has, and how many GPUs."""
Columns = dict[Series, NDArray[np.float64]]


def columns(name: str, seed: int) -> Columns:
    of = RELEASES[name]
    chance = np.random.default_rng(seed)
    pod = (
        ("host_name", "node"),
        ("k8s_namespace_name", "chat"),
        ("k8s_pod_name", "old" if name == "sidecar" else name),
    )
    known = (*pod, ("model", MODEL), ("server", name))
    noise = 1 + chance.normal(0, 0.01, SCRAPES)
    requests = np.cumsum(np.round(20 * STEP * noise))
    found: Columns = {
        Series(s.REQUESTS.name, (*known, ("outcome", "ok"))): requests,
        Series(s.GENERATION_TOKENS.name, known): np.cumsum(TOKENS * STEP * of.get("tokens", 1.0) * noise),
        Series(s.REQUEST_DURATION.series[0], (*known, ("le", "1"))): np.round(requests * 0.6),
        Series(s.REQUEST_DURATION.series[0], (*known, ("le", "2"))): np.round(requests * 0.95),
        Series(s.REQUEST_DURATION.series[0], (*known, ("le", "+Inf"))): requests,
    }
    gpus = int(of.get("gpus", 1))
    for place in range(gpus):
        gpu = (("gpu", str(place)), ("host_name", "node"), ("mig", ""), ("uuid", f"GPU-{name}-{place}"))
        spent = JOULES * STEP * of.get("joules", 1.0) / gpus * (1 + chance.normal(0, 0.01, SCRAPES))
        found[Series(s.GPU_ENERGY.name, gpu)] = np.cumsum(spent)
        found[Series(s.GPU_UP.name, gpu)] = np.ones(SCRAPES)
        holder = (("k8s_container_name", "vllm"), ("sharing", "exclusive"), *pod[1:])
        found[Series(s.GPU_WORKLOAD_INFO.name, tuple(sorted((*gpu, *holder))))] = np.ones(SCRAPES)
    return {Series(series.name, tuple(sorted(series.labels))): column for series, column in found.items()}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    last = int(time.time())
    times = np.array([1000 * (last - STEP * (SCRAPES - 1 - place)) for place in range(SCRAPES)], dtype=np.int64)
    values = {series: column for seed, name in enumerate(RELEASES) for series, column in columns(name, seed).items()}
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        for body in bodies(Table(times, values).written()):
            replay.prometheus.write(body)
        yield replay.prometheus


def judged(prometheus: Prometheus, canary: str) -> Judgement:
    windows = Windows(count=COUNT, seconds=WINDOW)
    found = read(prometheus, MODEL, ('server="old"', f'server=~"{canary}"'), windows, Tolerances())
    return judge(found.baseline, found.canary, found.metrics, Tolerances())


def energy(of: Judgement) -> list[float]:
    """Return the joules per token of the canary's windows; nothing where energy is not compared."""
    return [reading.value for one in of.findings if one.metric.key == ENERGY for reading in one.canary]


def test_a_release_that_needs_as_much_energy_passes_and_a_hungrier_one_fails(prometheus: Prometheus) -> None:
    same, hungry = judged(prometheus, "same"), judged(prometheus, "hungry")
    assert energy(same) == pytest.approx([JOULES / TOKENS] * COUNT, rel=0.05)
    assert energy(hungry) == pytest.approx([1.3 * JOULES / TOKENS] * COUNT, rel=0.05)
    assert [one.verdict for one in same.findings if one.metric.key == ENERGY] == [Verdict.PASS]
    assert [one.metric.key for one in hungry.findings if one.verdict is Verdict.FAIL] == [ENERGY]


def test_two_gpus_of_a_pod_are_added_up_and_two_pods_as_well(prometheus: Prometheus) -> None:
    for canary in ("twins", "same|twins"):
        assert energy(judged(prometheus, canary)) == pytest.approx([JOULES / TOKENS] * COUNT, rel=0.05)


@pytest.mark.parametrize(
    ("canary", "said"),
    [
        ("unknown", "no GPU is known to be the canary's"),
        ("busy", "times the tokens of one of the baseline"),
        ("same|sidecar", "on the same host, or in the same pod"),
    ],
)
def test_where_it_would_not_be_fair_it_is_not_compared_and_that_is_told(
    prometheus: Prometheus, canary: str, said: str
) -> None:
    found = judged(prometheus, canary)
    assert energy(found) == []
    assert any(said in note for note in found.notes)


def test_a_price_makes_no_sense_where_traffic_decides(
    prometheus: Prometheus, capsys: pytest.CaptureFixture[str]
) -> None:
    selectors = ["--baseline-selector", 'server="old"', "--canary-selector", 'server="hungry"']
    arguments = ["gate", "--prometheus", prometheus.url, "--model", MODEL, *selectors, "--run-minutes", "5"]
    assert main([*arguments, "--gpu-cost", "3"]) == 2
    assert "traffic decides" in capsys.readouterr().err
    assert main(arguments) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "energy per token 0.3" in printed
    assert "fail: energy per token is worse by at least" in printed
