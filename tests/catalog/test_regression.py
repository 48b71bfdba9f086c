"""What P99Regression learns from earlier weeks: too long for the cases beside the rules, so played hour by hour."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from atlas_ops.catalog.faults.latency import usual
from atlas_ops.catalog.parameters import Parameters

MODEL = 'le="+Inf", runtime="vllm", model="llama", k8s_namespace_name="chat", signal="time_to_first_token"'
WEEK = 168


def known(folder: Path, values: str, hours: int, *, expected: dict[str, float]) -> None:
    """Play a count of requests, one for each hour, and compare what is known of them by history, after so many hours and a half.

    Not on the hour: there Prometheus 2 has both ends of a window, and 3 only one.
    """
    rules = [
        {"record": rule.name, "expr": rule.expr} for rule in usual.recordings(Parameters()) if rule.name == usual.BEFORE
    ]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    samples = [
        {"labels": f'{usual.BEFORE}{{history="{history}", {MODEL}}}', "value": value}
        for history, value in expected.items()
    ]
    test = {
        "interval": "1h",
        "input_series": [{"series": f"{usual.UNDISTURBED}{{{MODEL}}}", "values": values}],
        "promql_expr_test": [{"expr": usual.BEFORE, "eval_time": f"{hours}h30m", "exp_samples": samples}],
    }
    cases = {"rule_files": ["rules.yaml"], "evaluation_interval": "30m", "tests": [test]}
    (folder / "cases.yaml").write_text(yaml.safe_dump(cases))
    run = subprocess.run(
        ["promtool", "test", "rules", "cases.yaml"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


def at(hours: dict[int, int]) -> str:
    """Return the values of a series that has samples at these hours alone."""
    return " ".join(str(hours.get(hour, "_")) for hour in range(max(hours) + 1))


def test_the_hour_of_now_and_those_around_it_are_taken_from_each_of_the_last_four_weeks(tmp_path: Path) -> None:
    now = 5 * WEEK
    # The hour that ends now is the middle one of three; each week has digits of its own.
    around = {now - week * WEEK + hour: 10**week for week in range(1, 5) for hour in (-1, 0, 1)}
    beside = {now - week * WEEK + hour: 10**7 for week in range(1, 5) for hour in (-2, 2)}
    fifth = {now - 5 * WEEK: 10**7}
    known(tmp_path, at(around | beside | fifth), now, expected={"weeks": 3 * 11110})


def test_a_week_that_is_missing_costs_nothing_but_its_requests(tmp_path: Path) -> None:
    known(tmp_path, at({WEEK: 100}), 3 * WEEK, expected={"weeks": 100})


def test_yesterday_is_three_hours_and_the_last_days_are_all_but_the_last_hour(tmp_path: Path) -> None:
    hours = dict.fromkeys(range(20), 1) | {25: 10, 26: 10, 27: 10, 50: 10**7}
    known(tmp_path, at(hours), 50, expected={"yesterday": 30, "days": 18 + 30})


def test_fewer_than_eighteen_hours_of_the_last_two_days_are_no_days(tmp_path: Path) -> None:
    known(tmp_path, at(dict.fromkeys(range(10, 27), 1)), 40, expected={"yesterday": 3})
