"""Runs out of a real Prometheus: windows on both sides, shares above bucket bounds, and margins as such shares."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.cli import main
from atlas_ops.detect.gate import Verdict
from atlas_ops.errors import DataError, UsageError
from atlas_ops.gate.histograms import Found, Windows, read
from atlas_ops.gate.judge import Judgement, judge
from atlas_ops.gate.metrics import Tolerances
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series, Table

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STEP, WINDOW, COUNT = 30, 300, 8
SCRAPES = (COUNT + 1) * WINDOW // STEP + 8
MODEL = 'llama "3"'
WINDOWS = Windows(count=COUNT, seconds=WINDOW)
RELEASES = {"old": (1.0, 0.0), "same": (1.0, 0.0), "slow": (1.3, 0.0), "faulty": (1.0, 0.05)}
"""How much slower each is than the old one, and what share of its requests fails."""


def columns(server: str, seed: int) -> dict[Series, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return the counters of a server that answers about 20 requests a second, lognormally with a median of 0.3 s."""
    slower, failing = RELEASES[server]
    chance = np.random.default_rng(seed)
    arrived = chance.poisson(20 * STEP, SCRAPES)
    level = np.repeat(chance.normal(0, 0.02, SCRAPES // 10 + 1), 10)[:SCRAPES]
    upto = np.array(
        [
            [0.5 * math.erfc(-math.log(le / 0.3 / slower / math.exp(one)) / 0.7 / math.sqrt(2)) for le in BOUNDS]
            for one in level
        ]
    )
    parts = np.diff(np.concatenate([upto, np.ones((SCRAPES, 1))], axis=1), axis=1, prepend=0.0)
    within = np.cumsum(np.cumsum(chance.multinomial(arrived, parts), axis=1), axis=0).astype(np.float64)
    labels = (("model", MODEL), ("server", server))
    texts = [*(f"{le:g}" for le in BOUNDS), "+Inf"]
    name = s.REQUEST_DURATION.series[0]
    found = {Series(name, (*labels, ("le", text))): within[:, place] for place, text in enumerate(texts)}
    failed = np.cumsum(chance.binomial(arrived, failing)).astype(np.float64)
    for outcome, counted in (("ok", within[:, -1] - failed), ("error", failed), ("cancelled", within[:, -1])):
        found[Series(s.REQUESTS.name, (*labels, ("outcome", outcome)))] = counted
    return found


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    last = int(time.time())
    times = np.array([1000 * (last - STEP * (SCRAPES - 1 - place)) for place in range(SCRAPES)], dtype=np.int64)
    values = {
        series: column for seed, server in enumerate(RELEASES) for series, column in columns(server, seed).items()
    }
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        for body in bodies(Table(times, values).written()):
            replay.prometheus.write(body)
        yield replay.prometheus


def found(prometheus: Prometheus, canary: str) -> Found:
    return read(prometheus, MODEL, ('server="old"', f'server="{canary}"'), WINDOWS, Tolerances())


def judged(prometheus: Prometheus, canary: str) -> Judgement:
    both = found(prometheus, canary)
    return judge(both.baseline, both.canary, both.metrics, Tolerances())


def test_every_window_is_a_run_and_the_bounds_are_near_the_quantiles_of_the_baseline(prometheus: Prometheus) -> None:
    both = found(prometheus, "same")
    assert (len(both.baseline), len(both.canary)) == (COUNT, COUNT)
    assert [run.began for run in both.baseline] == [run.began for run in both.canary]
    # Above 0.5, 1 and 2.5 s are 23 %, 4.3 % and 0.12 % of a lognormal distribution with a median of 0.3 s.
    assert [metric.title for metric in both.metrics] == [
        "requests slower than 0.5 s", "requests slower than 1 s", "requests slower than 2.5 s", "share of errors",
    ]  # fmt: skip
    shares = [run.readings[both.metrics[0].key].value for run in both.baseline]
    assert np.mean(shares) == pytest.approx(0.5 * math.erfc(math.log(0.5 / 0.3) / 0.7 / math.sqrt(2)), abs=0.02)
    assert both.baseline[0].readings[both.metrics[0].key].of == pytest.approx(20 * WINDOW, rel=0.1)


def test_the_margin_is_the_rise_that_so_much_slower_requests_would_make(prometheus: Prometheus) -> None:
    median, bound = 0.3, 0.5
    above, risen = (0.5 * math.erfc(math.log(bound / factor / median) / 0.7 / math.sqrt(2)) for factor in (1.0, 1.05))
    limits = found(prometheus, "same").metrics[0].limits
    # A straight line between two bounds is no lognormal distribution.
    assert math.expm1(limits.margin) == pytest.approx(risen / above - 1, rel=0.35)
    assert limits.detect > 3 * limits.margin


def test_the_same_release_passes_a_slower_one_and_a_faulty_one_fail(prometheus: Prometheus) -> None:
    assert judged(prometheus, "same").verdict is not Verdict.FAIL
    slow = judged(prometheus, "slow")
    assert slow.findings[0].verdict is Verdict.FAIL
    assert slow.findings[-1].verdict is Verdict.PASS
    faulty = judged(prometheus, "faulty")
    assert [one.verdict for one in faulty.findings if one.verdict is Verdict.FAIL] == [faulty.findings[-1].verdict]


def test_windows_before_a_canary_began_are_no_runs(prometheus: Prometheus) -> None:
    both = read(
        prometheus, MODEL, ('server="old"', 'server="same"'), Windows(count=3 * COUNT, seconds=WINDOW), Tolerances()
    )
    assert COUNT <= len(both.canary) <= COUNT + 2


def test_a_selector_that_finds_nothing_or_is_no_promql_is_said(prometheus: Prometheus) -> None:
    with pytest.raises(DataError, match="no request of 'server=\"none\"'"):
        found(prometheus, "none")
    with pytest.raises(UsageError, match="Prometheus does not take 'server=oops'"):
        read(prometheus, MODEL, ("server=oops", 'server="old"'), WINDOWS, Tolerances())


def test_the_command_asks_prometheus(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["gate", "--prometheus", prometheus.url, "--model", MODEL, "--baseline-selector", 'server="old"', "--canary-selector",
         'server="slow"', "--runs", str(COUNT), "--run-minutes", str(WINDOW / 60)],
    )  # fmt: skip
    assert code == 1
    assert "fail: requests slower than 0.5 s is worse by at least" in " ".join(capsys.readouterr().out.split())
