"""Drift by recording rules alone, in a real Prometheus: the numbers are numpy's, through restarts, missed scrapes and joining pods."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import promql_parser
import pytest
import yaml

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.faults.drift import in_promql
from atlas_ops.catalog.faults.drift.in_promql import Window
from atlas_ops.check.rules import wrong
from atlas_ops.detect.distances import distances
from atlas_ops.detect.features import Category, Counts, Feature, Numeric
from atlas_ops.detect.statistics import statistics
from atlas_ops.expressions.judge import judge
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.alerting import Firing
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Evaluations, Replay
from atlas_ops.rehearsal.samples import Series, Written
from atlas_ops.render import rules as rendered
from atlas_ops.stage.processes import program
from tests.drift import data, pods
from tests.drift.pods import Pod, Truth

AMOUNT = Numeric(name="amount", edges=(0.0, 1.0, 2.5, 10.0))
TENANT = Category(name="prediction", names=("00", "bolt"))
FEATURES: tuple[Feature, ...] = (AMOUNT, TENANT)
SHARES = {"amount": [0.3, 0.4, 0.25, 0.02, 0.02, 0.01], "prediction": [0.5, 0.4, 0.05, 0.03, 0.02]}
MOVED = {"amount": [0.1, 0.2, 0.58, 0.02, 0.06, 0.04], "prediction": [0.15, 0.75, 0.05, 0.03, 0.02]}
EVERY, STEP = 60, 120.0
HOURS = 60
SCRAPES = HOURS * 3_600 // EVERY
START = data.MONDAY + 7  # scrapes are at odd moments, rules at their own
SHIFT = 30 * 60
"""The scrape at which the traffic changes, after thirty hours."""
RESTART, JOIN = 33 * 60 + 5, 37 * 60 + 3
EACH = 200
"""Requests between two scrapes of a pod, always of the same mix: what the rules add to the truth is seen, and no chance."""
FLEET = (Pod(name="a", restarts=(RESTART,)), Pod(name="b", missed=0.15), Pod(name="c", first=JOIN))
HOVERS = (("detector", "psi"), ("feature", "x"), ("model", "hover"))
HOVERING = [0.8, 1.0, 0.8, 0.7, 0.69, 0.8, 1.2, 0.0]
SETTINGS = settings.parse("drift: {promql: true}")
CATALOG = build_catalog(SETTINGS.parameters)
RECORDED = {recording.name for recording in in_promql.recordings(SETTINGS.parameters)}
RULES = [rule for rule in rules.of_catalog(CATALOG, SETTINGS) if rule.name in RECORDED]
ALERTS = [rule for rule in rules.of_catalog(CATALOG, SETTINGS) if rule.name in ("InputDrift", "PredictionDrift")]
LOOKED = Evaluations(start=data.MONDAY, end=data.MONDAY + HOURS * 3_600, step=STEP)


def mixed(moved: bool, *, each: int = EACH) -> Truth:
    """What is counted before each scrape."""
    later = MOVED if moved else SHARES
    mixes = {f.name: (np.array(SHARES[f.name]) * each, np.array(later[f.name]) * each) for f in FEATURES}
    return {
        name: np.rint(np.vstack([[one] * SHIFT, [two] * (SCRAPES - SHIFT)])).astype(np.int64)
        for name, (one, two) in mixes.items()
    }


MIXED = mixed(moved=True)


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    """Sixty hours of models whose rules have all been recorded."""
    few = {"amount": np.eye(6, dtype=np.int64)[[2] * SCRAPES] * (np.arange(SCRAPES) % 5 == 0)[:, None]}
    other = Numeric(name="amount", edges=(0.0, 1.0, 3.0, 10.0))
    before, after = {"amount": MIXED["amount"][-SHIFT:]}, {"amount": mixed(moved=False)["amount"]}
    everything = [
        *(one for pod in FLEET for one in pods.written("fraud", FEATURES, SHARES, pod, MIXED, START, every=EVERY)),
        Written(Series("atlas_drift_score", HOVERS), np.int64(data.MONDAY * 1_000) + np.arange(len(HOVERING)) * 120_000, np.array(HOVERING)),
        *pods.written("rare", (AMOUNT,), SHARES, Pod(name="a"), few, START, every=EVERY),
        *pods.written("renewed", (other,), MOVED, Pod(name="old"), before, START, every=EVERY),
        *pods.written("renewed", (AMOUNT,), SHARES, Pod(name="new", first=SHIFT), after, START, every=EVERY),
    ]  # fmt: skip
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as started:
        for body in bodies(everything):
            started.prometheus.write(body)
        started.record(RULES, LOOKED)
        yield started


def test_every_rule_can_give_a_result_and_its_sides_match() -> None:
    judged = judge(CATALOG)
    assert [
        (rule.name, *found) for rule in (*RULES, *ALERTS) for found in wrong(promql_parser.parse(rule.expr), judged)
    ] == []


def asked(prometheus: Prometheus, expr: str, hour: float) -> dict[str, float]:
    """The value for each feature of the fleet, at an hour."""
    found = prometheus.query(f'{expr}{{model="fraud"}}', at=data.MONDAY + hour * 3_600)
    return {point.labels["feature"]: point.value for point in found}


def counted(feature: Feature, hour: float, window: Window) -> Counts:
    """What all pods counted within the looks that the window holds."""
    look = data.MONDAY + hour * 3_600 // 600 * 600
    last = int((look - START) // EVERY) + 1
    first = max(0, last - round(window.seconds / EVERY))
    parts = [MIXED[feature.name][max(first, pod.first) : last] for pod in FLEET]
    return sum((part.sum(axis=0) for part in parts), np.zeros(len(feature.bins), dtype=np.int64))


@pytest.mark.parametrize(
    ("hour", "what"),
    [(28.0, "calm"), (32.0, "moved"), (33.5, "a pod restarts"), (37.5, "a pod joins"), (45.03, "off the beat")],
)
def test_an_hour_says_what_numpy_says_to_4_decimals(replay: Replay, hour: float, what: str) -> None:
    psi, ks, location = (
        asked(replay.prometheus, name, hour)
        for name in (in_promql.HOUR.psi, in_promql.HOUR.ks, in_promql.HOUR.location)
    )
    for feature in FEATURES:
        true = counted(feature, hour, in_promql.HOUR)
        expected = distances(true, np.array(SHARES[feature.name]))
        assert psi[feature.name] == pytest.approx(expected.psi, abs=5e-5), what
        if feature is AMOUNT:
            weights = statistics(feature, np.array(SHARES[feature.name]))[0].weights
            assert ks[feature.name] == pytest.approx(expected.ks, abs=5e-5), what
            assert location[feature.name] == pytest.approx(float(true @ np.array(weights)) / true.sum(), abs=5e-5), what
    assert set(ks) == set(location) == {"amount"}, "categories have no order"


def test_a_day_that_is_half_moved_says_what_numpy_says(replay: Replay) -> None:
    psi, ks = (asked(replay.prometheus, name, 44.0) for name in (in_promql.DAY.psi, in_promql.DAY.ks))
    for feature in FEATURES:
        expected = distances(counted(feature, 44.0, in_promql.DAY), np.array(SHARES[feature.name]))
        assert 0.1 < expected.psi < 1
        assert psi[feature.name] == pytest.approx(expected.psi, abs=1e-3)
    assert ks["amount"] == pytest.approx(
        distances(counted(AMOUNT, 44.0, in_promql.DAY), np.array(SHARES["amount"])).ks, abs=1e-3
    )


def scores(replay: Replay, model: str) -> dict[float, float]:
    """The score of `amount` by the hour."""
    expr = f'atlas_drift_score{{detector="psi", feature="amount", model="{model}"}}'
    courses = replay.prometheus.query_range(expr, data.MONDAY, data.MONDAY + HOURS * 3_600, 3_600)
    return {
        (at - data.MONDAY) / 3_600: value for one in courses for at, value in zip(one.times, one.values, strict=True)
    }


def test_there_is_a_score_once_a_day_is_known_and_only_of_enough_values_in_the_same_bins(replay: Replay) -> None:
    fraud = scores(replay, "fraud")
    assert sorted(fraud) == list(range(25, 61))
    assert [fraud[hour] for hour in range(25, 31)] == pytest.approx([0.0] * 6, abs=1e-3)
    assert max(fraud.values()) > 1
    assert scores(replay, "rare") == {}
    renewed = scores(replay, "renewed")
    assert [hour for hour in renewed if 30 < hour <= 54] == []
    assert [value for hour, value in renewed.items() if hour >= 55] == pytest.approx([0.0] * 6, abs=1e-3)


def fired(found: list[Firing]) -> dict[tuple[str, str, str], float]:
    """{(alert, model, feature): the hour at which it fired}."""
    return {(one.name, one.labels["model"], one.labels["feature"]): (one.start - data.MONDAY) / 3_600 for one in found}


def test_a_day_beyond_the_limit_is_a_ticket_without_any_watcher(replay: Replay) -> None:
    found = replay.evaluate(ALERTS, LOOKED)
    assert {one.severity for one in found} == {"ticket"}
    began = fired(found)
    assert set(began) == {("InputDrift", "fraud", "amount"), ("PredictionDrift", "fraud", "prediction")}
    passed = min(hour for hour, value in scores(replay, "fraud").items() if value >= 1)
    assert passed - 1 < began["InputDrift", "fraud", "amount"] - 0.5 < passed + 0.1
    assert [one.end for one in found] == [None, None]


def test_drift_is_found_at_the_limit_and_lasts_until_it_is_well_below(replay: Replay) -> None:
    expr = 'atlas_drift_detected{model="hover"}'
    (course,) = replay.prometheus.query_range(expr, data.MONDAY, data.MONDAY + STEP * (len(HOVERING) - 1), STEP)
    assert course.labels == {"__name__": "atlas_drift_detected", **dict(HOVERS)}
    assert course.values == (0, 1, 1, 1, 0, 0, 1, 0)


def test_the_rule_manager_of_promtool_comes_to_the_same_ticket(tmp_path: Path) -> None:
    """A category gains 35 points after 30 hours, of 6 minutes each. The printed file is loaded, its groups are evaluated in their order."""
    quick = settings.parse("{drift: {promql: true}, timing: {scrape_seconds: 60, evaluation_seconds: 60, scale: 0.1}}")
    calm, moved = (100, 80, 10, 6, 4), (30, 150, 10, 6, 4)
    labels = 'model="m", feature="prediction", bin="%s"'
    bins = ("a", "b", "other", "unseen", "missing")
    series = [
        entry
        for name, before, after in zip(bins, calm, moved, strict=True)
        for entry in (
            {
                "series": f"atlas_feature_values_total{{{labels % name}}}",
                "values": f"0+{before}x180 {180 * before + after}+{after}x120",
            },
            {"series": f"atlas_feature_reference_share{{{labels % name}}}", "values": f"{before / 200}+0x300"},
        )
    ]
    firing = 'count by (alertname, model, feature, severity) (ALERTS{alertstate="firing"})'
    ticket = '{alertname="PredictionDrift", model="m", feature="prediction", severity="ticket"}'
    expected = [
        ("count(atlas_drift_score)", "138m", []),
        ("round(atlas_drift_score, 0.01)", "174m", [('{model="m", feature="prediction", detector="psi"}', 0)]),
        (firing, "264m", []),
        (firing, "288m", [(ticket, 1)]),
    ]
    case = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {"expr": expr, "eval_time": when, "exp_samples": [{"labels": of, "value": value} for of, value in samples]}
            for expr, when, samples in expected
        ],
    }
    document = {
        "rule_files": ["drift.yaml"],
        "evaluation_interval": "1m",
        "group_eval_order": ["atlas-drift", "atlas-drift-unhurried"],
        "tests": [case],
    }
    (tmp_path / "drift.yaml").write_text(rendered.render(build_catalog(quick.parameters), quick)["alerts/drift.yaml"])
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(document))
    command = [program("promtool", "prometheus"), "test", "rules", "cases.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
