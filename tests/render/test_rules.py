"""Whatever the settings, Prometheus loads the rules, and a limit is the same in rule, panel and runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from atlas_ops import render, settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.parameters import Drift, Objective, Parameters, Timing
from atlas_ops.render import alertmanager, prometheus, rules
from atlas_ops.render.dashboards.panels import panel_id
from atlas_ops.settings import Settings

GLOBS = st.text(st.sampled_from('ab*?[]!-"\\$^{}() é/'), min_size=1, max_size=12)
OBJECTIVES = st.builds(
    Objective,
    model=GLOBS,
    time_to_first_token_seconds=st.floats(0.001, 2560),
    time_to_first_token_target=st.floats(0.932, 0.99999),
    queue_wait_seconds=st.floats(1e-3, 1e5),
)
TIMINGS = st.builds(
    Timing,
    scrape_seconds=st.floats(0.02, 299),
    evaluation_seconds=st.floats(0.02, 299),
    scale=st.floats(1e-6, 1.33),
)
ODD_SETTINGS = st.builds(
    Settings,
    parameters=st.builds(
        Parameters,
        objectives=st.lists(OBJECTIVES, min_size=1, max_size=3, unique_by=lambda objective: objective.model).map(tuple),
        timing=TIMINGS,
        drift=st.builds(Drift, page=st.booleans(), promql=st.booleans()),
    ),
)


def accepted(program: str, *arguments: str, files: dict[str, str]) -> None:
    path = shutil.which(program)
    assert path, f"{program} has to be installed"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        done = subprocess.run([path, *arguments, *files], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def by_name(files: dict[str, str]) -> dict[str, str]:
    return {Path(path).name: text for path, text in files.items()}


@given(config=ODD_SETTINGS)
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_prometheus_and_alertmanager_load_what_odd_settings_print(config: Settings) -> None:
    catalog = build_catalog(config.parameters)
    accepted("promtool", "check", "rules", files=by_name(rules.render(catalog, config)))
    accepted("promtool", "check", "config", "--syntax-only", files=by_name(prometheus.render(catalog, config)))
    accepted("amtool", "check-config", files=by_name(alertmanager.render(catalog, config)))


@given(config=ODD_SETTINGS)
@example(Settings(parameters=Parameters(timing=Timing(scale=1e-6, evaluation_seconds=2), drift=Drift(promql=True))))
@hypothesis_settings(max_examples=25)
def test_every_expression_of_the_catalog_parses(config: Settings) -> None:
    for fault in build_catalog(config.parameters).faults:
        for expr in (*(rule.expr for rule in fault.rules), *(recording.expr for recording in fault.recordings)):
            promql_parser.parse(expr)
        for expr, _ in fault.panel.queries:
            promql_parser.parse(expr.replace("$__rate_interval", "1m"))


@pytest.mark.parametrize(
    ("config", "path", "expression"),
    [
        ("limits: {kv_cache_usage_ratio: 0.8}", "capacity/KvCachePressure", "> 0.8)"),
        ("limits: {clock_loss_ratio: 0.3}", "hardware/GpuThermalThrottling", "gpu:atlas_gpu_clock_loss:ratio > 0.3"),
        ("limits: {stall_seconds: 333}", "availability/EngineStalled", "[333s]"),
        ('objectives: [{model: "*", queue_wait_seconds: 3}]', "capacity/QueueBacklog", "predicted_seconds > 3\n"),
    ],
)
def test_a_changed_limit_moves_the_rule_and_what_the_runbook_says_of_it(
    config: str, path: str, expression: str
) -> None:
    family, fault = path.split("/")
    default, changed = Settings(), settings.parse(config)
    texts = []
    for used in (default, changed):
        catalog = build_catalog(used.parameters)
        facts = render.facts(catalog)[f"runbooks/{path}.md"]
        texts.append((rules.render(catalog, used)[f"alerts/{family}.yaml"].replace(" |-", ""), facts))
    (rule_before, facts_before), (rule_after, facts_after) = texts
    assert expression not in rule_before
    assert expression in rule_after
    if fault != "EngineStalled":  # whose limit is the window of a recording, which facts do not print
        assert expression not in facts_before
        assert expression in facts_after


def test_every_alert_says_what_happens_who_feels_it_and_where_to_look() -> None:
    for text in rules.render(build_catalog(), Settings()).values():
        for rule in (rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]):
            if "alert" in rule:
                about, where = {"summary", "description", "impact"}, {"runbook_url", "dashboard_url", "panel_url"}
                assert set(rule["annotations"]) == about | where
                assert {"severity", "family"} <= set(rule["labels"])


def annotation(name: str, key: str) -> str:
    """What the alerts of a fault are annotated with, as a template: the same for all its rules."""
    (found,) = {rule["annotations"][key] for group in groups() for rule in group["rules"] if rule.get("alert") == name}
    return str(found)


def test_an_alert_leads_to_the_incident_dashboard_with_all_chosen_that_it_is_about() -> None:
    incident = f"{Settings().links.grafana}/d/atlas-incident/atlas-incident?var-alertname="
    chosen = "{{{{ with $labels.{} }}}}&var-{}={{{{ . | urlquery }}}}{{{{ end }}}}"
    for name, labels in (
        ("TimeToFirstTokenSloBurn", {"k8s_namespace_name": "namespace", "model": "model"}),
        (
            "GpuXidHardware",
            {"k8s_namespace_name": "namespace", "k8s_pod_name": "pod", "host_name": "node", "gpu": "gpu"},
        ),
    ):
        expected = incident + name + "".join(chosen.format(*pair) for pair in labels.items())
        assert annotation(name, "dashboard_url") == expected


def test_an_alert_leads_to_the_chart_of_its_fault_and_chooses_what_that_dashboard_can_choose() -> None:
    url = annotation("GpuXidHardware", "panel_url")
    board = f"{Settings().links.grafana}/d/atlas-gpu-node/atlas-gpu-node?viewPanel="
    panel, _, rest = url.removeprefix(board).partition("{{")
    assert int(panel) == panel_id("fault-GpuXidHardware")
    assert re.findall(r"var-(\w+)=", rest) == ["node", "gpu"]


def groups() -> list[dict[str, Any]]:
    files = rules.render(build_catalog(), Settings()).values()
    return [group for text in files for group in yaml.safe_load(text)["groups"]]


def test_tickets_and_alerts_with_long_windows_are_evaluated_every_other_minute_and_others_always() -> None:
    for group in groups():
        unhurried = group["name"].endswith("-unhurried")
        assert group["interval"] == ("2m" if unhurried else "15s")
        for rule in (rule for rule in group["rules"] if "alert" in rule):
            long = rule["alert"] in {"P99Regression", "CanaryRegression", "WorkloadMixShift", "GpuMemoryErrors"}
            assert unhurried == (long or rule["labels"]["severity"] == "ticket")


def test_what_is_evaluated_at_every_interval_reads_nothing_that_is_not_and_nothing_else_is_recorded_as_often() -> None:
    quick, seldom = (
        [rule for group in groups() if group["name"].endswith("-unhurried") == unhurried for rule in group["rules"]]
        for unhurried in (False, True)
    )
    read = " ".join(rule["expr"] for rule in quick)
    seldom_changed = {"gpu:atlas_gpu_owner:info"}
    assert {rule["record"] for rule in seldom if "record" in rule and rule["record"] in read} == seldom_changed
    assert not [rule["record"] for rule in quick if "record" in rule and rule["record"] not in read]


def test_recordings_come_before_the_alerts_that_read_them() -> None:
    for group in groups():
        names = [(rule.get("record"), rule["expr"]) for rule in group["rules"]]
        recorded = [name for name, _ in names if name]
        for position, (_, expr) in enumerate(names):
            # One that goes on from its own last value is meant to.
            later = {name for name, _ in names[position + 1 :] if name} - {name for name, _ in names[:position] if name}
            assert not [name for name in recorded if name in later and name in expr]
