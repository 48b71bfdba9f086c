"""The state machine of alerts does what Prometheus's own rule manager does."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from atlas_ops.prometheus import Course
from atlas_ops.rehearsal.alerting import firings
from atlas_ops.rehearsal.rules import Rule

STEP = 15.0
COUNT = 120
VARIANTS = [(hold, keep) for hold in (0.0, 15.0, 50.0, 60.0, 120.0) for keep in (0.0, 15.0, 40.0, 60.0)]


def _values(seed: int) -> list[int]:
    """Return a signal that is on and off for stretches of many lengths."""
    chance = random.Random(seed)
    values: list[int] = []
    while len(values) < COUNT:
        values += [chance.choice((0, 1))] * chance.randint(1, 9)
    return values[:COUNT]


def _rule(hold: float, keep: float) -> Rule:
    return Rule(name=f"A{hold:.0f}K{keep:.0f}", alert=True, expr="x == 1", for_seconds=hold, keep_firing_seconds=keep)


def _course(values: Sequence[int]) -> Course:
    times = tuple(STEP * place for place, value in enumerate(values) if value)
    return Course(labels={"__name__": "x", "host": "a"}, times=times, values=(1.0,) * len(times))


@pytest.mark.parametrize("seed", [1, 2])
def test_alerts_fire_when_they_fire_in_prometheus(tmp_path: Path, seed: int) -> None:
    values, evaluations = _values(seed), [STEP * place for place in range(COUNT)]
    rules = [_rule(hold, keep) for hold, keep in VARIANTS]
    found = {rule.name: firings(rule, [_course(values)], evaluations) for rule in rules}
    cases = [
        {
            "eval_time": f"{time:.0f}s",
            "alertname": rule.name,
            "exp_alerts": [{"exp_labels": {"host": "a"}}]
            if any(one.fires_at(time) for one in found[rule.name])
            else [],
        }
        for rule in rules
        for time in evaluations
    ]
    _promtool(tmp_path, rules, values, cases)
    assert all(len(one) > 1 for one in found.values())


def _promtool(folder: Path, rules: Sequence[Rule], values: Sequence[int], cases: Sequence[object]) -> None:
    """Let promtool hold the cases against its rule manager."""
    printed = [
        {
            "alert": r.name,
            "expr": r.expr,
            "for": f"{r.for_seconds:.0f}s",
            "keep_firing_for": f"{r.keep_firing_seconds:.0f}s",
        }
        for r in rules
    ]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "15s", "rules": printed}]}))
    series = [{"series": 'x{host="a"}', "values": " ".join(map(str, values))}]
    test = {"interval": "15s", "input_series": series, "alert_rule_test": cases}
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [test]}
    (folder / "test.yml").write_text(yaml.safe_dump(document))
    path = shutil.which("promtool")
    assert path, "promtool comes with the Debian package prometheus"
    done = subprocess.run([path, "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_labels_of_an_alert_are_filled_in_and_empty_ones_are_none() -> None:
    labels = (("pod", "{{ $labels.k8s_pod_name }}"), ("severity", "page"), ("gpu", "{{$labels.gpu}}"))
    rule = Rule(name="Full", alert=True, expr="x", labels=labels)
    course = Course(labels={"__name__": "x", "k8s_pod_name": "llama-0"}, times=(0.0,), values=(1.0,))
    (found,) = firings(rule, [course], [0.0])
    assert found.labels == {"alertname": "Full", "k8s_pod_name": "llama-0", "pod": "llama-0", "severity": "page"}


@pytest.mark.parametrize(
    ("back_at", "ends"),
    [(120.0, None), (300.0, 45.0 + 240.0)],
    ids=["soon: Alertmanager never hears that it was over", "late: Alertmanager resolves it"],
)
def test_an_alert_outlasts_a_restart_of_prometheus(back_at: float, ends: float | None) -> None:
    evaluations = [0.0, 15.0, 30.0, 45.0, *(back_at + STEP * place for place in range(12))]
    rule = _rule(30.0, 0.0)
    course = Course(labels={}, times=tuple(evaluations), values=(1.0,) * len(evaluations))
    found = firings(rule, [course], evaluations, restarts=[back_at])
    assert (found[0].start, found[0].end) == (30.0, ends)
    assert [one.start for one in found[1:]] == ([] if ends is None else [back_at + 30.0])
