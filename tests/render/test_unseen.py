"""A dying exporter resolves no page: asked of every rule of every page, in Prometheus's own rule engine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import yaml

from atlas_ops import promql
from atlas_ops.catalog import build_catalog, conventions
from atlas_ops.catalog.faults.blindness.unseen import BLIND, PAGES_UNSEEN, UNSEEN, WATCHED
from atlas_ops.catalog.model import Fault, Rule, Severity
from atlas_ops.render import rules, unseen
from atlas_ops.settings import Settings

CATALOG = build_catalog()
HELD = [(fault, rule) for fault in CATALOG.faults for rule in fault.rules if unseen.is_held(rule)]
PLACE = {conventions.HOST_NAME: "node-1", conventions.MODEL: "llama"}
EXPORTER = 'job="atlas-exporter", instance="node-1:9464"'
FIRING = 'count by (alertname, variant) (ALERTS{alertstate="firing", severity="page", family!="blindness"})'


def fired(fault: Fault, rule: Rule) -> str:
    """Return the series that an alert of the rule leaves while it fires."""
    labels = {label: PLACE.get(label, "x") for label in rule.labels}
    words = {word: labels[label] for word, label in conventions.ALERT_LABELS.items() if label in labels}
    given = {
        "alertname": fault.name,
        "alertstate": "firing",
        "severity": rule.severity.value,
        "family": fault.family.value,
        "variant": rule.variant,
        **labels,
        **words,
    }
    return promql.select("ALERTS", *(f"{name}={promql.quote(value)}" for name, value in given.items() if value))


def expected(minute: float, samples: Iterable[tuple[Fault, Rule]]) -> dict[str, object]:
    names = [
        f'{{alertname="{fault.name}"' + (f', variant="{rule.variant}"' if rule.variant else "") + "}"
        for fault, rule in samples
    ]
    return {"expr": FIRING, "eval_time": f"{minute}m", "exp_samples": [{"labels": name, "value": 1} for name in names]}


def run(
    folder: Path, up: str, *expectations: dict[str, object], others: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Let every page fire for five minutes, and the exporter die in the second; `up` says what becomes of it then.

    `others` are further series: of what another exporter sees.
    """
    printed = [
        rule
        for text in rules.render(CATALOG, Settings()).values()
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    ]
    recordings = [rule for rule in printed if rule.get("record") in {BLIND, PAGES_UNSEEN, UNSEEN, WATCHED}]
    alerts = [rule for rule in printed if PAGES_UNSEEN in rule["expr"]]
    assert len(alerts) == len(HELD)
    groups = [{"name": "recordings", "rules": recordings}, {"name": "alerts", "rules": alerts}]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    series = {f"up{{{EXPORTER}}}": up, f'atlas_server_up{{{EXPORTER}, host_name="node-1"}}': "1 1 stale"}
    series[f'atlas_requests_running{{{EXPORTER}, host_name="node-1", model="llama"}}'] = "0 0 stale"
    series |= {fired(fault, rule): "1+0x5" for fault, rule in HELD}
    series |= others
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": list(expectations),
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(document))
    promtool = shutil.which("promtool")
    assert promtool
    done = subprocess.run(
        [promtool, "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_page_about_a_host_or_a_model_is_held() -> None:
    pages = [rule for fault in CATALOG.faults for rule in fault.rules if rule.severity is Severity.PAGE]
    assert len(HELD) >= 6
    assert all({"host_name", "model"} & set(rule.labels) for _, rule in HELD)
    assert {rule.expr for rule in pages} - {rule.expr for _, rule in HELD}, "the exporter's own page has neither"


def test_every_page_goes_on_while_its_exporter_is_away_and_ends_when_sight_is_back(tmp_path: Path) -> None:
    run(tmp_path, "1 1 0+0x38 1+0x30", expected(39, HELD), expected(58, ()))


def test_a_page_about_a_model_that_another_exporter_sees_ends_when_that_one_sees_its_end(tmp_path: Path) -> None:
    other = 'job="atlas-exporter", instance="node-2:9464"'
    others = {
        f"up{{{other}}}": "1+0x39",
        f'atlas_requests_running{{{other}, host_name="node-2", model="llama"}}': "0+0x39",
    }
    held = [(fault, rule) for fault, rule in HELD if conventions.HOST_NAME in rule.labels]
    assert len(held) < len(HELD)
    run(tmp_path, "1 1 0+0x38", expected(39, held), others=others)


def test_a_page_about_a_model_goes_on_while_neither_of_its_exporters_answers(tmp_path: Path) -> None:
    other = 'job="atlas-exporter", instance="node-2:9464"'
    others = {
        f"up{{{other}}}": "1 1 0+0x38",
        f'atlas_requests_running{{{other}, host_name="node-2", model="llama"}}': "0 0 stale",
    }
    run(tmp_path, "1 1 0+0x38", expected(39, HELD), others=others)


def test_every_page_ends_when_its_target_is_taken_away_for_good(tmp_path: Path) -> None:
    run(tmp_path, "1 1 0+0x18 stale", expected(24, HELD), expected(45, ()))


def test_nothing_is_held_while_the_exporter_answers(tmp_path: Path) -> None:
    run(tmp_path, "1+0x30", expected(25, ()))


def test_the_summary_of_a_held_page_tells_no_number_and_says_why() -> None:
    for _, rule in HELD:
        assert unseen.summary(rule).startswith("{{ if lt $value -1e300 }}It fired when the exporter")
        assert rule.summary in unseen.summary(rule)
