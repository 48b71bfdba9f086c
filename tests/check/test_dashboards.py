"""A dashboard that Grafana would not show, or that could never show anything, is found offline, with the panel and the place."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from atlas_ops import check, render, settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Catalog
from atlas_ops.check import dashboards as lint
from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree
from atlas_ops.render.dashboards import grafana, variables
from atlas_ops.render.dashboards.descriptions import describer
from atlas_ops.render.dashboards.panels import Board, Chart, Column, Heatmap, Link, Number, Query, Row, Table

Json: TypeAlias = dict[str, Any]
Edit: TypeAlias = Callable[[Json], object]

SAMPLE = "dashboards/sample.json"
CATALOG = build_catalog()
WAITING = (
    'sum by (model) (atlas_requests_waiting{cluster=~"$cluster", model=~"$model", k8s_namespace_name=~"$namespace"})'
)
BUCKETS = "sum by (le) (rate(atlas_queue_time_seconds_bucket[$__rate_interval]))"
HEADING, CHART, NUMBER, HEAT, TABLE = range(5)
"""Where each panel of the sample is."""


@functools.cache
def _text() -> str:
    """A sound dashboard of ours with a panel of most kinds."""
    waiting = Query(expr=WAITING, legend="{{model}}")
    link = Link(title="x", board="model", variables={"model": "model"})
    columns = (Column(source="model", title="Model", links=(link,)), Column(source="Value #A", title="Waiting"))
    about = {"shows": "Shown.", "worry": "it is seen."}
    panels = (
        Chart(key="chart", title="Chart", queries=(waiting,), unit="short", links=(link,), **about),  # type: ignore[arg-type]
        Number(key="number", title="Number", query=waiting, unit="short", width=8, height=8, **about),  # type: ignore[arg-type]
        Heatmap(key="heat", title="Heat", query=Query(expr=BUCKETS, legend="{{le}}"), unit="s", **about),  # type: ignore[arg-type]
        Table(key="table", title="Table", queries=(waiting,), columns=columns, **about),  # type: ignore[arg-type]
    )
    rows = (Row(key="row", title="Row", panels=panels),)
    board = Board(name="sample", title="Sample", question="?", variables=variables.of_models(), rows=rows)
    return grafana.text(board, describer(CATALOG, settings.Settings()), settings.Settings())


def sample() -> Json:
    found: Json = json.loads(_text())
    return found


def written(root: Path, files: Mapping[str, str], catalog: Catalog = CATALOG, config: str = "{}") -> Tree:
    """A tree of these files."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Tree(
        root=root,
        catalog=catalog,
        settings=settings.parse(config),
        config="",
        generated={},
        facts={},
        which=lambda _: None,
    )


def found_in(root: Path, board: Json, catalog: Catalog = CATALOG) -> list[Finding]:
    return list(lint.check(written(root, {SAMPLE: json.dumps(board, indent=2)}, catalog)))


def at(board: Json, *keys: str | int) -> Any:
    """What lies under these keys of a dashboard."""
    found: Any = board
    for key in keys:
        found = found[key]
    return found


def put(value: object, *keys: str | int) -> Edit:
    """An edit that puts a value somewhere."""
    return lambda board: at(board, *keys[:-1]).__setitem__(keys[-1], value)


def gone(*keys: str | int) -> Edit:
    """An edit that takes something out."""
    return lambda board: at(board, *keys[:-1]).__delitem__(keys[-1])


def asking(expr: str, panel: int = CHART) -> Edit:
    """An edit that lets a panel ask for something else."""
    return put(expr, "panels", panel, "targets", 0, "expr")


def asking_for(metric: str, label: str = "model") -> Edit:
    """An edit that fills the variable `model` with something else."""
    query = f"label_values({metric}, {label})"
    return put({"qryType": 1, "query": query, "refId": "x"}, "templating", "list", 3, "query")


PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LONELY = {
    "name": "lonely", "type": "query", "datasource": PROMETHEUS, "query": {"query": 'label_values(up{job=~"$lonely"}, job)'},
}  # fmt: skip
"""A variable that nothing but its own query names."""
FIXED = {"type": "prometheus", "uid": "P1809F7CD0C75ACF3"}


def test_a_sound_dashboard_has_no_findings_in_whatever_order_its_panels_are_told(tmp_path: Path) -> None:
    board = sample()
    assert found_in(tmp_path, board) == []
    board["panels"].reverse()
    assert found_in(tmp_path, board) == []


def test_a_variable_of_several_metrics_may_ask_for_a_label_that_one_of_them_has(tmp_path: Path) -> None:
    one, none = (
        f'{{__name__=~"{names}", model=~".*"}}' for names in ("atlas_requests_total|atlas_server_up", "atlas_gpu_up|up")
    )
    board = sample()
    asking_for(one, "server")(board)
    assert found_in(tmp_path, board) == []
    asking_for(none, "instance")(board)
    found = [finding.message for finding in found_in(tmp_path, board)]
    assert found == ["variable 'model': atlas_gpu_up has no label model", "variable 'model': up has no label model"]


@pytest.mark.parametrize("runtime", ["", "vllm", "triton", "llamacpp", "grpc", "no GPUs"])
def test_no_dashboard_that_is_generated_has_a_finding(tmp_path: Path, runtime: str) -> None:
    config = {"": "{}", "no GPUs": "exporter: {gpus: false}"}.get(
        runtime, f"servers: [{{url: 'http://h:1', runtime: {runtime}}}]"
    )
    found = settings.parse(config)
    catalog = build_catalog(found.parameters)
    printed = {
        path: text
        for path, text in render.render(catalog, found).items()
        if path.startswith(("alerts/", "dashboards/")) and path.endswith(("yaml", "json"))
    }
    tree = written(tmp_path, printed, catalog, config)
    assert len(lint.reading.dashboards(tree)) == 10
    assert list(lint.check(tree)) == []


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put({"x": 4, "y": 1, "w": 8, "h": 8}, "panels", NUMBER, "gridPos"), "panel 'Number' lies on panel 'Chart'"),
        (put({"x": 20, "y": 20, "w": 8, "h": 8}, "panels", NUMBER, "gridPos"), "'Number' has no place on the grid"),
        (put({"x": "0", "y": 20, "w": 8, "h": 8}, "panels", NUMBER, "gridPos"), "'Number' has no place on the grid"),
        (gone("panels", NUMBER, "gridPos"), "'Number' has no place on the grid: found {}"),
        (lambda board: put(at(board, "panels", CHART, "id"), "panels", TABLE, "id")(board), "'Table' has the id of panel 'Chart'"),
        (gone("panels", CHART, "id"), "panel 'Chart' has no id: found None"),
        (put(f"atlas-{'x' * 41}", "uid"), "uid: found 'atlas-xxx"),
        (gone("title"), "the dashboard has no title"),
        (put("", "description"), "the dashboard has no description"),
        (put([], "tags"), "the dashboard has no tags"),
        (put(22, "schemaVersion"), "schemaVersion: found 22, expected 39 or more"),
        (put("graph", "panels", CHART, "type"), "panel 'Chart' is of kind 'graph'"),
        (put("", "panels", HEADING, "title"), "has no title"),
        (gone("panels", NUMBER, "description"), "panel 'Number' has no description"),
        (put([], "panels", NUMBER, "targets"), "panel 'Number' asks for nothing"),
        (gone("panels", NUMBER, "fieldConfig", "defaults", "unit"), "panel 'Number' has no unit"),
        (gone("panels", HEAT, "options", "yAxis", "unit"), "panel 'Heat' has no unit"),
        (put(FIXED, "panels", CHART, "datasource"), "panel 'Chart' reads from {'type': 'prometheus', 'uid': 'P1809"),
        (put("Prometheus", "panels", CHART, "targets", 0, "datasource"), "query A of panel 'Chart' reads from 'Prometheus'"),
        (put(FIXED, "templating", "list", 1, "datasource"), "variable 'cluster' reads from"),
        (gone("annotations", "list", 0, "datasource"), "annotation 'Alerts' reads from None"),
        (put("loki", "templating", "list", 0, "query"), "no variable `datasource` lets the user pick a Prometheus"),
    ],
)  # fmt: skip
def test_a_mistake_of_form_is_found(tmp_path: Path, edit: Edit, message: str) -> None:
    board = sample()
    edit(board)
    findings = found_in(tmp_path, board)
    assert [found for found in findings if message in found.message], findings


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            put("Waiting for $modle", "panels", CHART, "title"),
            "$modle is no variable of this dashboard; did you mean model?",
        ),
        (put("/d/x?${datasorce:queryparam}", "links", 1, "url"), "$datasorce is no variable"),
        (put("unused", "templating", "list", 1, "name"), "nothing uses the variable 'unused'"),
        (lambda board: at(board, "templating", "list").append(LONELY), "nothing uses the variable 'lonely'"),
        (asking(WAITING.replace("model=~", "model=")), "$model is compared with =, which finds nothing"),
    ],
)
def test_a_variable_that_is_not_there_not_used_or_taken_for_one_value_is_found(
    tmp_path: Path, edit: Edit, message: str
) -> None:
    board = sample()
    edit(board)
    findings = found_in(tmp_path, board)
    assert [found for found in findings if message in found.message], findings


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (asking(f"{WAITING} +"), "panel 'Chart': `"),
        (asking("rate(atlas_requests_waiting)"), "is no PromQL: expected type matrix"),
        (asking(WAITING.replace("waiting", "waitng")), "panel 'Chart': atlas_requests_waitng is neither a signal of the contract nor a recording of the rules; did you mean atlas_requests_waiting?"),
        (asking(WAITING.replace("k8s_namespace_name", "namespace")), "panel 'Chart': atlas_requests_waiting has no label namespace"),
        (asking(WAITING.replace("by (model)", "by (model, modle)")), "panel 'Chart': what sum reads has no label modle; did you mean model?"),
        (asking(f"{WAITING} / on (gpu) {WAITING}"), "panel 'Chart': a side of / has no label gpu"),
        (asking(f"{WAITING} / ignoring (gpu) {WAITING}"), "panel 'Chart': what / compares has no label gpu"),
        (asking(f"{WAITING} / sum(atlas_requests_running)"), "never match: only one of them has model"),
        (asking(BUCKETS.replace("$__rate_interval", "5m"), HEAT), "panel 'Heat': rate(atlas_queue_time_seconds) has a window of 0:05:00"),
        (asking("max by (model) (mad_over_time(atlas_requests_waiting[5m]))"), "not every Prometheus from 2.42 to 3 has mad_over_time()"),
        (asking('sum by (model) (atlas_requests_total{outcome="failed"})'), "atlas_requests_total has no outcome 'failed'"),
        (put("{{server}}", "panels", CHART, "targets", 0, "legendFormat"), "panel 'Chart' names the label 'server', which its queries do not leave"),
        (put("/d/x?var-a=${__field.labels.gpu}", "panels", CHART, "fieldConfig", "defaults", "links", 0, "url"), "a link of panel 'Chart' names the label 'gpu'"),
        (put({"modle": True}, "panels", TABLE, "transformations", 1, "options", "includeByName"), "a column of panel 'Table' names the label 'modle'"),
        (put({"Value #A": True}, "panels", TABLE, "transformations", 1, "options", "includeByName"), "a column of panel 'Table' names the label 'Value #A'"),
        (put('/d/x?var-a=${__data.fields["gpu"]}', "panels", TABLE, "fieldConfig", "overrides", 0, "properties", 0, "value", 0, "url"), "a link of panel 'Table' names the label 'gpu'"),
        (asking_for("atlas_request_total"), "variable 'model': atlas_request_total is neither a signal"),
        (asking_for("atlas_gpu_up"), "variable 'model' names the label 'model', which its queries do not leave"),
        (put("ALERTS{alertstat=\"firing\"}", "annotations", "list", 0, "expr"), "annotation 'Alerts': ALERTS has no label alertstat; did you mean alertstate?"),
        (put("{{release}} {{modell}}", "annotations", "list", 1, "textFormat"), "annotation 'Releases' names the label 'modell'"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_show_what_it_promises_is_found_with_its_panel(
    tmp_path: Path, edit: Edit, message: str
) -> None:
    board = sample()
    edit(board)
    findings = found_in(tmp_path, board)
    assert [found for found in findings if message in found.message], findings


@pytest.mark.parametrize(
    "expr",
    [
        "sum by (cluster, model) (rate(atlas_requests_total[$__rate_interval]))",
        'max by (model) (last_over_time(atlas_requests_waiting{job="x", instance=~".+"}[5m]))',
        "sum by (model) (increase(atlas_requests_total[$__range]))",
        'count by (model) (ALERTS{alertname=~".+", severity="page"})',
        "sum by (model) (atlas_requests_waiting) or sum by (model) (atlas_requests_running)",
    ],
)
def test_what_prometheus_and_its_users_add_is_known(tmp_path: Path, expr: str) -> None:
    board = sample()
    for panel in (CHART, NUMBER, TABLE):
        asking(expr, panel)(board)
    assert {found.message for found in found_in(tmp_path, board)} == {"nothing uses the variable 'model'"}


def test_a_recording_may_be_read_over_any_window_and_with_the_labels_that_it_leaves(tmp_path: Path) -> None:
    board = sample()
    rule = "sum by (model) (rate(atlas_requests_total[5m]))"
    rules = {"groups": [{"name": "x", "rules": [{"record": "model:x:rate", "expr": rule}]}]}
    asking('rate(model:x:rate{server=~"$model"}[5m])')(board)
    tree = written(tmp_path, {SAMPLE: json.dumps(board, indent=2), "alerts/x.yaml": json.dumps(rules)})
    assert [found.message for found in lint.check(tree)] == ["panel 'Chart': model:x:rate has no label server"]


def test_a_finding_names_the_line_of_the_file(tmp_path: Path) -> None:
    board = sample()
    asking("atlas_nothing", TABLE)(board)
    (found,) = found_in(tmp_path, board)
    line = (tmp_path / SAMPLE).read_text().splitlines()[found.line - 1]
    assert (found.file, line.strip()) == (SAMPLE, '"expr": "atlas_nothing",')
    assert "catalog/signals.py" in found.next_step


def test_a_finding_about_several_lines_names_the_first_of_them(tmp_path: Path) -> None:
    board = sample()
    put({"h": 8, "w": 25, "x": 0, "y": 1}, "panels", CHART, "gridPos")(board)
    found = next(found for found in found_in(tmp_path, board) if "has no place" in found.message)
    assert (tmp_path / SAMPLE).read_text().splitlines()[found.line - 1].strip() == '"h": 8,'
    assert (tmp_path / SAMPLE).read_text().splitlines()[found.line].strip() == '"w": 25,'


def test_panels_of_a_folded_row_are_looked_at_too(tmp_path: Path) -> None:
    board = sample()
    asking("atlas_nothing")(board)
    board["panels"][HEADING] |= {"collapsed": True, "panels": board["panels"][1:]}
    del board["panels"][1:]
    (found,) = found_in(tmp_path, board)
    assert "panel 'Chart': atlas_nothing" in found.message
    put({"x": 0, "y": 1, "w": 9, "h": 8}, "panels", HEADING, "panels", 0, "gridPos")(board)
    assert any("lies on panel 'Chart'" in found.message for found in found_in(tmp_path, board))


def test_two_dashboards_of_one_uid_are_found(tmp_path: Path) -> None:
    tree = written(tmp_path, {SAMPLE: _text(), "dashboards/second.json": _text()})
    (found,) = lint.check(tree)
    assert found.file == "dashboards/second.json"
    assert found.message == "has the uid 'atlas-sample' of dashboards/sample.json: Grafana keeps only one of them"


def test_a_dashboard_of_the_user_may_look_as_it_likes_but_has_to_have_an_answer(tmp_path: Path) -> None:
    logs = {"datasource": {"type": "loki"}, "expr": '{app="x"} |= "error"'}
    panel = {
        "id": 1,
        "type": "graph",
        "gridPos": {"x": 0, "y": 0, "w": 8, "h": 8},
        "targets": [{"expr": WAITING}, logs],
    }
    choices = [{"name": name, "type": "custom", "query": "a,b"} for name in ("cluster", "namespace", "model")]
    board: Json = {"uid": "mine", "panels": [panel], "templating": {"list": choices}}
    assert found_in(tmp_path, board) == []
    panel["targets"] = [{"expr": "atlas_nothing"}]
    assert any("the panel with id 1: atlas_nothing is neither" in one.message for one in found_in(tmp_path, board))


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"panels": 3, "templating": [], "annotations": {"list": [1]}}', "nonsense"]
)
def test_a_file_that_is_no_dashboard_at_all_breaks_nothing(tmp_path: Path, text: str) -> None:
    assert list(lint.check(written(tmp_path, {"dashboards/mine.json": text, "dashboards/second.json": text}))) == []


def test_a_signal_that_leaves_the_catalog_fails_check_with_each_panel_that_showed_it(tmp_path: Path) -> None:
    without = dataclasses.replace(
        CATALOG, signals=tuple(one for one in CATALOG.signals if one is not s.REQUESTS_WAITING)
    )
    written(tmp_path, {SAMPLE: _text()})
    found = check.run(tmp_path, without, settings.Settings())
    told = [one.message for one in found if one.file == SAMPLE]
    for panel in ("Chart", "Number", "Table"):
        assert any(one.startswith(f"panel '{panel}': atlas_requests_waiting is neither a signal") for one in told)
    assert not any("Heat" in one for one in told)
