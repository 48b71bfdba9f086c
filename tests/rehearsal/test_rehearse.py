"""Scenarios from end to end: the simulated fleet, a real Prometheus, and the command that prints the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atlas_ops import settings
from atlas_ops.cli import main
from atlas_ops.cli import rehearse as command
from atlas_ops.rehearsal.foreign import ALL, STOCK
from atlas_ops.rehearsal.history import with_history
from atlas_ops.rehearsal.play import Course, begins_like
from atlas_ops.rehearsal.rehearse import Plan, Run, rehearse
from atlas_ops.rehearsal.rules import parse
from atlas_ops.rehearsal.samples import Series, Table
from atlas_ops.rehearsal.verdict import Verdict
from atlas_ops.simulator import Scenario, scenario_by_name

PLAN = Plan(settings=settings.parse(""))


def short(name: str) -> Scenario:
    """Return a scenario with just enough minutes for its alert."""
    return replace(scenario_by_name(name), calm_minutes=5.0, active_minutes=4.0, after_minutes=0.5)


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    runs = [Run(scenario=short(name), seed=1) for name in ("thermal_throttling", "power_capped")]
    assert begins_like(runs[0].scenario, replace(runs[0].scenario, active_minutes=1.0))
    found = list(rehearse(runs, PLAN, jobs=2))
    return {one.scenario: one for one in found if isinstance(one, Verdict)}


def test_a_fault_is_named_and_what_looks_like_it_is_not(verdicts: dict[str, Verdict]) -> None:
    fault, look_alike = verdicts["thermal_throttling"], verdicts["power_capped"]
    assert fault.expected == "GpuThermalThrottling"
    assert fault.severity == "page"
    assert fault.told_after is not None
    assert 60 <= fault.told_after <= 240
    assert fault.passed
    assert (look_alike.pages, look_alike.passed) == ((), True)


def test_a_run_gives_the_same_again_and_a_shared_calm_changes_nothing(verdicts: dict[str, Verdict]) -> None:
    (again,) = rehearse([Run(scenario=short("thermal_throttling"), seed=1)], PLAN, jobs=1)
    assert again == verdicts["thermal_throttling"]


RULES = """
groups:
  - name: g
    rules:
      - {alert: Hot, expr: DCGM_FI_DEV_GPU_TEMP > 88, for: 30s, labels: {severity: critical}}
      - {alert: Throttled, expr: "rate(DCGM_FI_DEV_THERMAL_VIOLATION[1m]) > 0", labels: {severity: critical}}
      - {alert: Ours, expr: 'atlas_gpu_throttle_active{reason="hw_thermal"} == 1', labels: {severity: warning}}
      - {alert: Renamed, expr: vllm:gpu_cache_usage_perc > 0.9}
      - {alert: Down, expr: 'up{job="vllm"} == 0'}
"""


def test_rules_of_others_are_scored_with_a_stock_installation_and_with_all_signals() -> None:
    plan = replace(PLAN, against=parse(RULES, "r.yml"))
    (result,) = rehearse([Run(scenario=short("thermal_throttling"), seed=1)], plan, jobs=1)
    assert isinstance(result, tuple)
    stock, every = result
    assert (stock.installation, every.installation) == (STOCK, ALL)
    assert (stock.noticed, stock.others) == (("Hot",), ())
    assert (set(every.noticed), every.others) == ({"Hot", "Throttled"}, ("Ours",))
    assert not stock.false
    assert "vllm:gpu_cache_usage_perc" not in every.present


def test_servers_that_are_gone_or_load_are_told_as_such_and_counters_go_on() -> None:
    scenario = replace(short("clean_restart"), calm_minutes=3.0)
    table = Course(scenario, seed=1, timing=PLAN.settings.parameters.timing).finish(scenario).table
    states = {
        s for s in table.values if s.name == "atlas_server_scrape_state" and ("server", "llama-0:8000") in s.labels
    }
    told = np.nansum([table.values[state] for state in states], axis=0)
    assert np.unique(told).tolist() == [1.0]
    restarts = _one(table, "atlas_server_restarts_total")
    assert (restarts[0], restarts[-1]) == (0, 1)
    tokens = _one(table, "atlas_generation_tokens_total")
    assert np.isnan(tokens).any()
    assert (np.diff(tokens[~np.isnan(tokens)]) >= 0).all()


def _one(table: Table, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    (found,) = (c for s, c in table.values.items() if s.name == name and ("server", "llama-0:8000") in s.labels)
    return found


def test_history_is_like_the_calm_and_its_counters_go_on() -> None:
    times = np.arange(100, dtype=np.int64) * 15_000 + 1_767_225_600_000
    chance = np.random.default_rng(0)
    count, gauge = np.cumsum(chance.integers(10, 20, 100)).astype(float), chance.uniform(3, 5, 100)
    table = Table(times, {Series("a_total", ()): count, Series("b", ()): gauge})
    long = with_history(table, calm=90, days=0.5, seed=1)
    assert (len(long.times), set(np.diff(long.times))) == (2880 + 100, {15_000})
    counted = long.values[Series("a_total", ())]
    assert np.diff(counted).min() >= 10
    assert np.diff(counted)[:2800].mean() == pytest.approx(np.diff(count)[40:90].mean(), abs=0.5)
    assert (np.diff(counted[-100:]) == np.diff(count)).all()
    assert set(long.values[Series("b", ())]) <= set(gauge)
    with pytest.raises(ValueError, match="too few"):
        with_history(table, calm=50, days=0.5, seed=1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SCENARIOS", (short("thermal_throttling"), replace(short("calm"), active_minutes=1.0)))


@pytest.mark.usefixtures("quick")
def test_the_command_prints_and_writes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "REHEARSAL.md"
    assert main(["rehearse", "--output", str(page)]) == 0
    told = capsys.readouterr()
    assert "GpuThermalThrottling  thermal_throttling  page" in told.out
    assert "2/2  ok" in told.err
    text = page.read_text()
    assert text.startswith("# Rehearsal\n\nMade by `atlas-ops rehearse --seeds 1`: 2 runs in ")
    assert "| calm | 1 | - | - |" in text


@pytest.mark.usefixtures("quick")
def test_a_missed_fault_is_an_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    missed = replace(short("calm"), name="missed", expected_fault="GpuLost", calm_minutes=1.0, active_minutes=1.0)
    monkeypatch.setattr(command, "SCENARIOS", (missed,))
    assert main(["rehearse"]) == 1
    assert "0 of 1 runs detected" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--scenario", "nosuch_*"], 2, "no scenario is called nosuch_*"),
        (["--seeds", "0"], 2, "--seeds and --jobs have to be 1 or more"),
        (["--against", "nosuch.yml"], 3, "cannot be read"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_at_once(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rehearse", *words]) == code
    assert told in capsys.readouterr().err


def test_a_rule_that_prometheus_refuses_is_told_before_anything_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.yml"
    file.write_text("groups: [{name: g, rules: [{alert: A, expr: 'sum(up'}]}]")
    assert main(["rehearse", "--against", str(file)]) == 3
    assert "bad.yml: groups[0].rules[0] (A): " in capsys.readouterr().err
