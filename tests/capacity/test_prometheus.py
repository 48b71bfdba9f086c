"""Capacity and cost out of a real Prometheus."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from atlas_ops.cli import main
from atlas_ops.prometheus import Prometheus
from tests.capacity.conftest import HOURS, MOST, PLACES, SERVICE, WATTS
from tests.capacity.series import ANSWER

DAYS = str(HOURS / 24)


def capacity(prometheus: Prometheus, model: str, *words: object) -> int:
    return main(["capacity", "--prometheus", prometheus.url, "--model", model, "--days", DAYS, *map(str, words)])


def told(prometheus: Prometheus, tmp_path: Path, model: str, *words: object) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and what the JSON says of the only model."""
    file = tmp_path / "capacity.json"
    code = capacity(prometheus, model, "--json", file, *words)
    (only,) = json.loads(file.read_text())["models"]
    return code, only


def late(rate: float, seconds: float) -> float:
    """Return the share of requests that wait longer than so many seconds (Erlang's C formula)."""
    offered = rate * SERVICE
    busy = offered**PLACES / math.factorial(PLACES) * PLACES / (PLACES - offered)
    waits = busy / (sum(offered**n / math.factorial(n) for n in range(PLACES)) + busy)
    return waits * math.exp(-(PLACES - offered) / SERVICE * seconds)


def test_saturation_is_that_of_the_queue_and_the_objective_is_kept_up_to_erlangs_rate(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    code, model = told(prometheus, tmp_path, "full")
    assert (code, model["verdict"]) == (1, "too few")
    replica = model["replica"]
    assert replica["most"]["value"] == pytest.approx(MOST, rel=0.03)
    assert replica["most"]["low"] < replica["most"]["value"] < replica["most"]["high"]
    assert replica["concurrency_when_full"] == pytest.approx(PLACES, rel=0.1)
    first, whole = replica["objectives"]
    # First tokens come 0.2 s after the wait, and 2.5 s are promised to 99 %. Levels of load are a tenth apart.
    assert late(first["rate"]["low"] / 1.15, 2.3) < 0.01 < late(first["rate"]["high"] * 1.15, 2.3)
    assert whole["rate"]["value"] > first["rate"]["value"]
    assert replica["limited_by"] == "first tokens"
    assert replica["usable"]["value"] == first["rate"]["value"]


def test_demand_on_full_servers_is_what_comes_and_not_what_they_manage(prometheus: Prometheus, tmp_path: Path) -> None:
    _, model = told(prometheus, tmp_path, "full")
    assert model["traffic"]["peak"] > 1.08 * 2 * MOST
    needed = math.ceil(model["forecast"]["rate"] / model["replica"]["usable"]["value"])
    assert model["forecast"]["replicas"] == needed > model["forecast"]["there"] == 2


def test_littles_law_holds_between_counters_and_gauges(prometheus: Prometheus, tmp_path: Path) -> None:
    law = told(prometheus, tmp_path, "quiet")[1]["littles_law"]
    assert law["agree"]
    assert law["counted"] == pytest.approx(law["gauged"], rel=0.03)


def test_servers_that_were_never_full_carry_at_least_what_was_seen(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, model = told(prometheus, tmp_path, "quiet", "--forecast", "0.6")
    assert (code, model["verdict"]) == (0, "enough")
    assert model["replica"]["most"]["at_least"]
    assert 0.7 < model["replica"]["most"]["value"] < MOST
    assert "was never full: it carries at least" in " ".join(capsys.readouterr().out.split())
    code, model = told(prometheus, tmp_path, "quiet", "--forecast", "+100%")
    assert (code, model["verdict"]) == (3, "cannot tell")
    assert model["forecast"]["at_most"]
    needed = model["forecast"]["replicas"]
    assert needed >= 2
    assert f"at most {needed} replicas would do, fewer may" in " ".join(capsys.readouterr().out.split())


def test_restarts_lost_scrapes_and_values_below_0_do_not_move_it(prometheus: Prometheus, tmp_path: Path) -> None:
    _, model = told(prometheus, tmp_path, "wild")
    assert model["replica"]["most"]["value"] == pytest.approx(MOST, rel=0.04)
    assert model["traffic"]["peak"] < 1.35 * MOST


def test_without_gauges_littles_law_alone_tells_and_says_so(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, model = told(prometheus, tmp_path, "ungauged")
    assert (code, model["traffic"]["replicas"], model["forecast"]["there"]) == (0, 1, 4)  # an autoscaler may add three
    assert model["replica"]["most"]["value"] == pytest.approx(MOST, rel=0.05)
    assert model["littles_law"] is None
    assert "no gauge tells what is in the servers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("blind", "neither a gauge of concurrency"),
        ("short", "there are 3 h with traffic only; it takes 8 h"),
        ("idle", "no request finished in this time"),
        ("once", "no requests are counted"),
    ],
)
def test_what_the_data_cannot_tell_is_said(
    prometheus: Prometheus, model: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert capacity(prometheus, model) == 3
    assert f"CANNOT TELL: {why}" in " ".join(capsys.readouterr().out.split())


def test_cost_is_hours_and_energy_of_the_gpus_that_the_pods_hold(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("currency: EUR\ngpus:\n  - {name: NVIDIA H100*, per_hour: 3}\n", encoding="utf-8")
    cost = told(prometheus, tmp_path, "full", "--prices", prices)[1]["cost"]
    assert cost["gpu_hours"] == {"NVIDIA H100 80GB HBM3": pytest.approx(2 * HOURS, rel=0.01)}
    assert cost["kilowatt_hours"] == pytest.approx(2 * HOURS * WATTS / 1000, rel=0.01)
    assert cost["generation_tokens"] == pytest.approx(cost["requests"] * ANSWER, rel=0.001)
    money = cost["money"]
    assert money["amount"] == pytest.approx(3 * cost["gpu_hours"]["NVIDIA H100 80GB HBM3"])
    assert money["per_million_generation_tokens"] == pytest.approx(money["amount"] / cost["generation_tokens"] * 1e6)
    unpriced = told(prometheus, tmp_path, "quiet", "--prices", prices)[1]["cost"]
    assert (unpriced["money"]["amount"], unpriced["money"]["unpriced"]) == (0, ["NVIDIA L4"])
    assert unpriced["money"]["per_million_generation_tokens"] is unpriced["money"]["per_request"] is None
    assert "NVIDIA L4, for which the table has no price: nothing is said of tokens" in " ".join(
        capsys.readouterr().out.split()
    )
    assert unpriced["kilowatt_hours"] == pytest.approx(HOURS * 0.1, rel=0.01)


def test_what_was_made_while_nobody_told_of_gpus_does_not_make_tokens_cheap(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = told(prometheus, tmp_path, "blind")[1]["cost"]
    assert cost["gpu_hours"] == {"NVIDIA H100 80GB HBM3": pytest.approx(HOURS / 2, rel=0.02)}
    assert cost["kilowatt_hours"] == pytest.approx(HOURS / 2 * WATTS / 1000, rel=0.02)
    assert 0.4 < cost["known_share"] < 0.6
    assert "of the time alone in which all GPUs were known, with" in " ".join(capsys.readouterr().out.split())


def test_no_price_is_invented(prometheus: Prometheus, capsys: pytest.CaptureFixture[str]) -> None:
    capacity(prometheus, "full")
    told = " ".join(capsys.readouterr().out.split())
    assert "GPU-hours for a million tokens produced" in told
    assert "give --prices FILE to be told the money; no price is assumed" in told
    capacity(prometheus, "wild")
    assert "no GPU of these servers is known" in capsys.readouterr().out


def test_all_models_are_told_together_and_the_worst_decides(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "capacity.html"
    assert capacity(prometheus, "[bfqs]*", "--html", page) == 1
    out = capsys.readouterr().out
    assert [line.split(" ")[0] for line in out.splitlines() if "(vllm, namespace chat)" in line] == [
        "blind", "full", "quiet", "short",
    ]  # fmt: skip
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 4 + 2  # a course of demand for each, and a curve where there is one
    assert "<script" not in html
    assert " src=" not in html
    assert "kept up to" in html


def test_objectives_and_limits_are_those_of_the_settings(prometheus: Prometheus, tmp_path: Path) -> None:
    config = tmp_path / "atlas-ops.yaml"
    config.write_text(
        "limits: {capacity_used_ratio: 0.5}\n"
        "objectives:\n  - {model: fu*, time_to_first_token_seconds: 10, time_to_first_token_target: 0.95}\n",
        encoding="utf-8",
    )
    _, model = told(prometheus, tmp_path, "full", "--config", config)
    first = model["replica"]["objectives"][0]
    assert (first["seconds"], first["target"]) == (10, 0.95)
    assert model["replica"]["limited_by"] == "saturation"
    assert model["replica"]["usable"]["value"] == pytest.approx(0.5 * model["replica"]["most"]["value"])
    config.write_text("limits: {capacity_used_ratio: 2}\n", encoding="utf-8")
    assert capacity(prometheus, "full", "--config", config) == 2


def test_a_model_that_nobody_knows_is_a_data_error(prometheus: Prometheus, capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity(prometheus, "nobody") == 2
    assert "no requests of a model that fits 'nobody'" in capsys.readouterr().err
