"""Every dashboard is one that Grafana 11 imports, that explains itself, and that moves with the settings."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog, conventions
from atlas_ops.check import dashboards as lint
from atlas_ops.check.tree import Tree
from atlas_ops.pager.metrics import RESULTS
from atlas_ops.render import links, render
from atlas_ops.render.dashboards import grid, variables
from atlas_ops.render.dashboards.colours import OF_LABEL
from atlas_ops.render.dashboards.panels import Note, Row, of_fault, panel_id

from .built import BOARDS, CATALOG, DEFAULT, NAMES, Json, dashboard, expressions, files, objects, panels, queried

ODD = r"""
servers: [{url: "http://10.20.30.40:8000/metrics", bearer_token_file: /etc/secret/token}]
links: {grafana: "https://g.example.org/x", pager: "https://p.example.org"}
objectives: [{model: 'a*b[!x]*', time_to_first_token_seconds: 1}, {model: 'we"ird'}, {model: "*"}]
"""
"""Settings with everything in them that could get where it does not belong."""


def test_there_is_a_dashboard_for_each_question() -> None:
    names = {"fleet", "model", "server", "gpu-node", "latency", "capacity-cost", "slo", "drift", "incident", "atlas"}
    assert set(NAMES) == names
    assert all(board.question.endswith("?") for board in BOARDS)


@pytest.mark.parametrize("name", NAMES)
def test_it_declares_a_schema_that_grafana_11_does_not_have_to_guess(name: str) -> None:
    found = dashboard(name)
    assert found["schemaVersion"] >= 39
    assert found["uid"] == f"atlas-{name}"
    assert found["graphTooltip"] == 1, "one crosshair for all charts"
    assert found["tags"] == ["atlas-ops"], "by which the dashboards find each other"


def test_no_panel_is_of_a_kind_that_grafana_has_removed() -> None:
    kinds = {panel["type"] for name in NAMES for panel in dashboard(name)["panels"]}
    assert kinds <= {"row", "text", "stat", "timeseries", "gauge", "bargauge", "heatmap", "state-timeline", "table"}


@pytest.mark.parametrize("name", NAMES)
def test_no_two_panels_lie_on_each_other_and_every_line_is_full(name: str) -> None:
    cells = Counter[tuple[int, int]]()
    for place in (panel["gridPos"] for panel in dashboard(name)["panels"]):
        x, y, width, height = (place[key] for key in "xywh")
        cells.update(itertools.product(range(x, x + width), range(y, y + height)))
    assert set(cells.values()) == {1}
    deep = 1 + max(y for _, y in cells)
    assert set(cells) == set(itertools.product(range(24), range(deep))), "no gap, and nothing beside the grid"


def test_panels_that_do_not_fit_on_a_line_go_to_the_next() -> None:
    notes = tuple(Note(key=str(i), title="", text="", width=10, height=2 + i) for i in range(3))
    places = [place for _, place in grid.placed((Row(key="row", title="", panels=notes),) * 2)]
    assert [(place.x, place.y) for place in places[:4]] == [(0, 0), (0, 1), (10, 1), (0, 4)]
    assert places[4].y == 8, "the next row begins below the tallest panel of the last line"


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_an_id_of_its_own(name: str) -> None:
    ids = [panel["id"] for panel in dashboard(name)["panels"]]
    assert len(ids) == len(set(ids))


def test_an_id_comes_from_the_key_alone_and_never_changes() -> None:
    assert panel_id("fault-QueueBacklog") == 807913804
    assert panel_id(of_fault(next(fault for fault in CATALOG.faults if fault.name == "QueueBacklog"))) == 807913804


def test_each_fault_has_its_panel_on_the_dashboard_of_its_family() -> None:
    for fault in CATALOG.faults:
        found = {panel["id"]: panel for panel in dashboard(links.BOARD_OF_FAMILY[fault.family])["panels"]}
        panel = found[panel_id(of_fault(fault))]
        assert panel["title"] == fault.panel.title
        assert f"[{fault.name}]({links.runbook(fault, DEFAULT)}) ({fault.severity.value})" in panel["description"]


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        ("GpuThermalThrottling", ["cluster", "node", "gpu"]),
        ("GpuXidApplication", ["cluster", "node", "gpu"]),
        ("EngineStalled", ["model", "cluster", "namespace", "server"]),
        ("ModelServerDown", ["cluster", "namespace", "server"]),
        ("AvailabilitySloBurn", ["model", "cluster", "namespace"]),
        ("PreemptionStorm", ["cluster", "namespace", "model"]),
        ("WorkloadMixShift", ["model", "cluster"]),
        ("InputDrift", ["model", "cluster", "feature"]),
        ("ExporterDown", ["cluster", "instance"]),
        ("PagerDeliveryFailing", ["cluster"]),
    ],
)
def test_the_chart_of_a_fault_shows_what_is_chosen_above_it_as_far_as_it_is_told_by_that(
    fault: str, asked: list[str]
) -> None:
    found = CATALOG.fault(fault)
    assert found is not None
    board = dashboard(links.BOARD_OF_FAMILY[found.family])
    (panel,) = (panel for panel in panels(board) if panel["id"] == panel_id(of_fault(found)))
    for target in panel["targets"]:
        selectors = re.findall(r"[\w:]+{([^}]*)}", target["expr"])
        assert selectors
        assert all(set(re.findall(r"\$(\w+)", selector)) == set(asked) for selector in selectors)


def test_every_chart_annotation_and_variable_reads_from_the_data_source_that_the_user_picks() -> None:
    for name in NAMES:
        found = dashboard(name)
        given = [one["datasource"] for one in objects(found) if "datasource" in one]
        asking = [*queried(found), *(target for panel in queried(found) for target in panel["targets"])]
        assert len(given) >= len(asking) + len(found["annotations"]["list"]) + len(found["templating"]["list"]) - 1
        assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in given)
        assert found["templating"]["list"][0]["name"] == "datasource"


def test_variables_choose_among_what_those_before_them_leave_and_all_is_everything() -> None:
    for board in BOARDS:
        before: set[str] = set()
        found = {one["name"]: one for one in dashboard(board.name)["templating"]["list"]}
        for variable in board.variables:
            asked = set(re.findall(r"\$(\w+)", variable.metric))
            assert asked <= before, "one that comes later would be chosen too late"
            before.add(variable.name)
            shown = found[variable.name]
            assert (shown["includeAll"], shown.get("allValue")) == (
                (True, ".*") if variable.opens_on_all else (False, None)
            )
            assert shown["multi"] == variable.several
            assert shown["query"]["query"] == f"label_values({variable.metric}, {variable.label})"


def test_a_dashboard_of_one_thing_opens_on_one_and_all_can_be_chosen_one_by_one() -> None:
    alone = {
        (board.name, variable["name"]): variable
        for board in BOARDS
        for variable in dashboard(board.name)["templating"]["list"][1:]
        if not variable["includeAll"]
    }
    assert set(alone) == {("model", "model"), ("server", "server"), ("gpu-node", "node")}
    assert all(one["multi"] and one["current"]["value"] == [] for one in alone.values())


def test_a_model_is_chosen_among_those_of_the_namespace_and_a_namespace_among_those_of_the_cluster() -> None:
    chain = variables.of_servers()
    assert [variable.name for variable in chain] == ["cluster", "namespace", "model", "server"]
    assert 'k8s_namespace_name=~"$namespace"' in chain[2].metric
    assert 'cluster=~"$cluster"' in chain[1].metric


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_shows_and_when_to_worry(name: str) -> None:
    for panel in queried(dashboard(name)):
        shows, worry, *_ = panel["description"].split("\n\n")
        assert re.fullmatch(r".{10,}[.!]", shows, re.DOTALL), panel["title"]
        assert re.fullmatch(r"When to worry: .{5,}[.!?]", worry, re.DOTALL), panel["title"]


def test_every_fault_that_a_panel_names_exists_and_is_linked_to_its_runbook() -> None:
    known = {fault.name: fault for fault in CATALOG.faults}
    for board in BOARDS:
        described = {panel["id"]: panel.get("description", "") for panel in dashboard(board.name)["panels"]}
        for panel in (panel for row in board.rows for panel in row.panels if not isinstance(panel, Note)):
            for name in panel.faults:
                assert links.runbook(known[name], DEFAULT) in described[panel_id(panel.key)]


def test_a_limit_is_told_in_words_beside_the_line() -> None:
    (panel,) = (one for one in queried(dashboard("capacity-cost")) if one["id"] == panel_id("fault-KvCachePressure"))
    assert limit(panel) == CATALOG.fault("KvCachePressure").panel.limit  # type: ignore[union-attr]
    assert "The red line: bad from 0.9." in panel["description"]


def test_no_percentile_is_read_from_buckets() -> None:
    assert not [expr for name in NAMES for expr in expressions(dashboard(name)) if "histogram_quantile" in expr]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_null_but_the_lower_end_of_the_first_threshold(name: str) -> None:
    nulls = {key for found in objects(dashboard(name)) for key, value in found.items() if value is None}
    assert nulls <= {"value"}
    firsts = [found["steps"][0]["value"] for found in objects(dashboard(name)) if found.get("mode") == "absolute"]
    assert set(firsts) == {None}


@pytest.mark.parametrize("name", NAMES)
def test_charts_have_the_resolution_of_the_screen(name: str) -> None:
    assert not re.search(r'"(maxDataPoints|intervalFactor)"', json.dumps(dashboard(name)))


@pytest.mark.parametrize("name", NAMES)
def test_no_requests_is_told_from_no_data(name: str) -> None:
    for panel in queried(dashboard(name)):
        if panel["type"] in ("timeseries", "stat", "gauge", "bargauge"):
            found = panel["fieldConfig"]["defaults"]
            assert found["noValue"] == "No data"
            special = [one["options"] for one in found["mappings"] if one["type"] == "special"]
            assert {one["match"]: one["result"]["text"] for one in special} == {"nan": "No requests", "null": "No data"}
            assert {one["result"]["color"] for one in special} == {"#6e7077"}, "green says that all is well"
            assert panel["options"].get("reduceOptions", {}).get("calcs", ["last"]) == ["last"], "others pass over NaN"


def test_a_panel_of_alerts_says_that_nothing_fires_and_a_cell_without_a_value_is_a_dash() -> None:
    found = {panel["title"]: panel for name in ("fleet", "incident") for panel in queried(dashboard(name))}
    for title in ("What fires, and since when", "Alerts that fire", "Alerts on the same nodes and models"):
        assert found[title]["fieldConfig"]["defaults"]["noValue"] == "Nothing fires"
    assert found["Models"]["fieldConfig"]["defaults"]["noValue"] == "No data"
    null = found["Models"]["fieldConfig"]["defaults"]["mappings"][1]["options"]
    assert (null["match"], null["result"]["text"]) == ("null", "-")


def colours(panel: Json) -> dict[str, str]:
    """The colours that are given to series or to values of a column, by what they are given to."""
    found = {}
    for override in panel["fieldConfig"]["overrides"]:
        for given in override["properties"]:
            if given["id"] == "color":
                assert given["value"]["mode"] == "shades", "several series may mean the same"
                found[override["matcher"]["options"]] = given["value"]["fixedColor"]
            if given["id"] == "mappings":
                found |= {word: one["color"] for word, one in given["value"][0]["options"].items()}
    return found


def test_what_a_word_stands_for_has_its_colour_wherever_it_is_drawn() -> None:
    for name in NAMES:
        for panel in queried(dashboard(name)):
            for target in panel["targets"]:
                for label, words in OF_LABEL.items():
                    if panel["type"] == "timeseries" and f"{{{{{label}}}}}" in target["legendFormat"]:
                        given = colours(panel)
                        for word, colour in words.items():
                            series = re.sub(r"{{\w+}}", "x.y", target["legendFormat"].replace(f"{{{{{label}}}}}", word))
                            fits = [one for pattern, one in given.items() if re.fullmatch(pattern[2:-2], series)]
                            assert fits == [colour.value], (panel["title"], series)


@pytest.mark.parametrize(
    ("name", "title", "word", "colour"),
    [
        ("server", "Requests per second, by how they ended", "/^ok$/", "green"),
        ("server", "Requests per second, by how they ended", "/^error$/", "red"),
        ("server", "Black-box requests, by how they ended", "/^timeout .* .* .*$/", "purple"),
        ("server", "Requests running and waiting", "B", "orange"),
        ("atlas", "Model servers, by how their last scrape ended", "/^ok$/", "green"),
        ("gpu-node", "Time held down, by reason", "/^hw_thermal$/", "red"),
        ("fleet", "Alerts that fire", "page", "red"),
    ],
)
def test_ok_is_green_and_what_is_wrong_is_not(name: str, title: str, word: str, colour: str) -> None:
    (panel,) = (panel for panel in queried(dashboard(name)) if panel["title"] == title)
    assert colours(panel)[word] == colour


def test_every_word_of_the_contract_has_a_colour_of_its_own() -> None:
    assert OF_LABEL["outcome"].keys() == {*conventions.OUTCOMES}
    assert len(set(OF_LABEL["outcome"].values())) == len(conventions.OUTCOMES)
    assert {*conventions.SCRAPE_STATES} <= OF_LABEL["state"].keys()
    assert {*conventions.PROBE_RESULTS, *RESULTS} <= OF_LABEL["result"].keys()
    assert {*conventions.THROTTLE_REASONS, *conventions.REFUSALS} <= OF_LABEL["reason"].keys()


def test_the_same_settings_print_the_same_text() -> None:
    assert files() == files.__wrapped__()


def test_no_secret_and_no_address_but_that_of_the_pager_gets_into_a_dashboard() -> None:
    text = "".join(files(ODD).values())
    assert not re.search(r"secret|token_file|10\.20\.30\.40|127\.0\.0\.1|localhost", text)
    assert set(re.findall(r"https?://[^/\s\"')]+", text)) == {"https://p.example.org"}


def test_odd_settings_leave_the_dashboards_as_sound_as_they_were(tmp_path: Path) -> None:
    config = settings.parse(ODD)
    catalog = build_catalog(config.parameters)
    printed = render(catalog, config)
    for path, text in printed.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    tree = Tree(
        root=tmp_path, catalog=catalog, settings=config, config="", generated=printed, facts={}, which=lambda _: None
    )
    assert list(lint.check(tree)) == []


@pytest.mark.parametrize(
    ("config", "fault", "expected"),
    [
        ("limits: {kv_cache_usage_ratio: 0.8}", "KvCachePressure", 0.8),
        ("limits: {throttled_time_ratio: 0.25}", "GpuThermalThrottling", 0.25),
        ('objectives: [{model: "*", queue_wait_seconds: 3}]', "QueueBacklog", 3),
    ],
)
def test_a_changed_limit_moves_the_red_line_and_the_rule_together(config: str, fault: str, expected: float) -> None:
    found = CATALOG.fault(fault)
    assert found is not None
    name, number = links.BOARD_OF_FAMILY[found.family], panel_id(of_fault(found))
    before, after = (
        next(panel for panel in dashboard(name, used)["panels"] if panel["id"] == number) for used in ("", config)
    )
    assert limit(before) != expected
    assert limit(after) == expected
    changed = build_catalog(settings.parse(config).parameters).fault(fault)
    assert changed is not None
    assert any(f"{expected:g}" in rule.expr for rule in changed.rules)


def test_a_chart_without_a_limit_draws_no_line() -> None:
    styles = {
        (limit(panel) is None, panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"])
        for name in NAMES
        for panel in panels(dashboard(name))
        if panel["type"] == "timeseries"
    }
    assert styles == {(True, "off"), (False, "line")}


def limit(panel: Json) -> float | None:
    """From where on a panel is red, or up to where."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return steps[1]["value"] if len(steps) > 1 else None
