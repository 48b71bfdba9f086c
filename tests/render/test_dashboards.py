"""The overview dashboard is one that Grafana 11 imports, that explains itself, and that moves with the settings."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import promql_parser
import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.render import dashboards, links, panels
from atlas_ops.settings import Settings

Object: TypeAlias = dict[str, Any]

DEFAULT = Settings()
CATALOG = build_catalog(DEFAULT.parameters)


def overview(config: Settings = DEFAULT) -> Object:
    files = dashboards.render(build_catalog(config.parameters), config)
    assert list(files) == ["dashboards/overview.json"]
    dashboard: Object = json.loads(files["dashboards/overview.json"])
    return dashboard


def objects(value: object) -> Iterator[Object]:
    """Every JSON object, from the outermost inwards."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def panels_of(dashboard: Object) -> list[Object]:
    found: list[Object] = dashboard["panels"]
    return found


def charts(dashboard: Object) -> list[Object]:
    return [panel for panel in panels_of(dashboard) if panel["type"] in ("timeseries", "stat")]


def defaults(panel: Object) -> Object:
    found: Object = panel["fieldConfig"]["defaults"]
    return found


def limit(panel: Object) -> float | None:
    steps = defaults(panel)["thresholds"]["steps"]
    assert steps[0] == {"color": "green", "value": None}
    return steps[1]["value"] if len(steps) > 1 else None


def expressions(dashboard: Object) -> list[str]:
    return [str(found["expr"]) for found in objects(dashboard) if "expr" in found]


@dataclass(frozen=True)
class Box:
    x: int
    y: int
    w: int
    h: int

    def overlaps(self, other: Box) -> bool:
        beside = self.x + self.w <= other.x or other.x + other.w <= self.x
        above = self.y + self.h <= other.y or other.y + other.h <= self.y
        return not (beside or above)


def test_it_declares_a_schema_that_grafana_11_does_not_have_to_guess() -> None:
    dashboard = overview()
    assert dashboard["schemaVersion"] >= 39
    assert dashboard["uid"] == links.OVERVIEW
    assert dashboard["graphTooltip"] == 1, "one crosshair for all charts"


def test_no_panel_is_of_a_kind_that_grafana_has_removed() -> None:
    assert {panel["type"] for panel in panels_of(overview())} == {"row", "text", "stat", "timeseries"}


def test_no_two_panels_lie_on_each_other_and_none_leaves_the_grid() -> None:
    boxes = [Box(**panel["gridPos"]) for panel in panels_of(overview())]
    assert all(box.x >= 0 and box.w > 0 and box.x + box.w <= 24 for box in boxes)
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_panels_that_do_not_fit_on_a_line_go_to_the_next() -> None:
    notes = tuple(panels.Note(id=i, title="", description="", text="", width=10, height=2 + i) for i in range(3))
    places = [place for _, place in panels.placed((panels.Row(id=9, title="", panels=notes),) * 2)]
    assert [(place.x, place.y) for place in places[:4]] == [(0, 0), (0, 1), (10, 1), (0, 4)]
    assert places[4].y == 8, "the next row begins below the tallest panel of the last line"


def test_every_panel_has_an_id_of_its_own_and_each_fault_the_one_that_alerts_link_to() -> None:
    titles = {panel["id"]: panel["title"] for panel in panels_of(overview())}
    assert len(titles) == len(panels_of(overview()))
    assert {links.panel_id(fault, CATALOG): fault.panel.title for fault in CATALOG.faults}.items() <= titles.items()


def test_every_chart_reads_from_the_data_source_that_the_user_picks() -> None:
    picked = {"type": "prometheus", "uid": "${datasource}"}
    for chart in charts(overview()):
        assert chart["datasource"] == picked
        assert all(target["datasource"] == picked for target in chart["targets"])


def test_every_variable_in_use_is_defined() -> None:
    dashboard = overview()
    variables = dashboard["templating"]["list"]
    assert [variable["name"] for variable in variables] == ["datasource", "model"]
    model = variables[1]
    assert (model["includeAll"], model["multi"], model["allValue"]) == (True, True, ".*")
    text = json.dumps(dashboard)
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__all"}
    assert used == {"datasource", "model"}


def test_every_panel_says_what_it_shows_when_to_worry_and_in_which_unit() -> None:
    for chart in charts(overview()):
        description = str(chart["description"])
        assert re.search(r"\b[Ww]orry\b", description), chart["title"]
        assert defaults(chart)["unit"], chart["title"]


def test_the_panel_of_a_fault_names_the_fault_and_leads_to_its_runbook() -> None:
    by_id = {panel["id"]: str(panel.get("description")) for panel in panels_of(overview())}
    for fault in CATALOG.faults:
        description = by_id[links.panel_id(fault, CATALOG)]
        assert f"`{fault.name}` ({fault.severity.value})" in description
        assert links.runbook(fault, DEFAULT) in description


def test_every_fault_that_a_general_panel_names_exists() -> None:
    named = {
        name
        for panel in panels_of(overview())
        for name in re.findall(r"`([A-Z][A-Za-z0-9]+)`", str(panel.get("description")))
    }
    assert named <= {fault.name for fault in CATALOG.faults}


def test_counters_are_rated_over_the_interval_that_grafana_finds_fitting() -> None:
    rated = [expr for expr in expressions(overview()) if re.search(r"\b(rate|increase)\(", expr)]
    assert rated
    assert all("[$__rate_interval]" in expr for expr in rated)


def test_no_percentile_is_read_from_buckets() -> None:
    assert not [expr for expr in expressions(overview()) if "histogram_quantile" in expr]


def test_every_expression_parses() -> None:
    config = settings.parse('objectives: [{model: "a*b[!x]*"}, {model: "we\\"ird"}]')
    for expr in expressions(overview(config)):
        promql_parser.parse(expr.replace("$__rate_interval", "1m"))


def test_nothing_is_null_but_the_lower_end_of_the_first_threshold() -> None:
    nulls = {key for found in objects(overview()) for key, value in found.items() if value is None}
    assert nulls == {"value"}


def test_charts_have_the_resolution_of_the_screen() -> None:
    text = json.dumps(overview())
    assert not re.search(r'"(maxDataPoints|intervalFactor|step)"', text)


def test_the_same_catalog_prints_the_same_text() -> None:
    assert dashboards.render(CATALOG, DEFAULT) == dashboards.render(build_catalog(DEFAULT.parameters), Settings())


@pytest.mark.parametrize(
    ("config", "fault", "expected"),
    [
        ("limits: {kv_cache_usage_ratio: 0.8}", "KvCachePressure", 0.8),
        ("limits: {throttled_time_ratio: 0.25}", "GpuThermalThrottling", 0.25),
        ('objectives: [{model: "*", queue_wait_seconds: 3}]', "QueueBacklog", 3),
    ],
)
def test_a_changed_limit_moves_the_red_line(config: str, fault: str, expected: float) -> None:
    changed = settings.parse(config)
    found = CATALOG.fault(fault)
    assert found is not None
    panel_id = links.panel_id(found, CATALOG)
    before, after = (
        next(panel for panel in panels_of(overview(used)) if panel["id"] == panel_id) for used in (DEFAULT, changed)
    )
    assert limit(before) != expected
    assert limit(after) == expected
    assert str(expected) in str(after["description"])


def test_a_chart_without_a_limit_draws_no_line() -> None:
    styles = {
        (limit(chart) is None, str(defaults(chart)["custom"]["thresholdsStyle"]["mode"]))
        for chart in charts(overview())
        if chart["type"] == "timeseries"
    }
    assert styles == {(True, "off"), (False, "line")}


def test_each_objective_has_its_own_curve_of_first_tokens_in_time() -> None:
    config = settings.parse('objectives: [{model: "llama*", time_to_first_token_seconds: 1}]')
    chart = next(panel for panel in panels_of(overview(config)) if panel["title"] == "First token within the objective")
    targets = chart["targets"]
    assert [target["legendFormat"] for target in targets] == ["{{model}} within 1 s", "{{model}} within 2.5 s"]
    assert 'model=~"llama.*"' in str(targets[0]["expr"])
    assert 'model!~"llama.*"' in str(targets[1]["expr"])
    assert [target["refId"] for target in targets] == ["A", "B"]
