"""Prints `dashboards/*.json`: our own panel records as JSON that Grafana 11 and later import.

The only importer of grafanalib, which serves as object model and encoder. Its defaults date from 2017, so everything
that Grafana has changed since (schema version, typed data sources, targets, resolution) is given here, and the keys
that only old versions know are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from grafanalib import core
from grafanalib._gen import DashboardEncoder

from atlas_ops import promql
from atlas_ops.catalog import conventions
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import links, overview
from atlas_ops.render.panels import Chart, Note, Number, Panel, Place, Query, Row, placed
from atlas_ops.settings import Settings

SCHEMA_VERSION = 39
"""Grafana 11.0's; later versions migrate from it by themselves."""

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_DROPPED = frozenset({
    "__inputs", "gnetId", "hideControls", "rows", "sharedCrosshair", "style",
    "cacheTimeout", "error", "height", "hideTimeOverride", "minSpan", "span",
    "editable", "transformations", "transparent",
})  # fmt: skip
"""Keys that only Grafana before 7 knew, and keys that grafanalib writes only to repeat Grafana's defaults."""
_GREEN, _RED = "green", "red"


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return the overview dashboard."""
    dashboard = core.Dashboard(
        title="atlas-ops: overview",
        description="What is wrong with the model servers and their GPUs, and what every fault is judged by.",
        uid=links.OVERVIEW,
        tags=["atlas-ops"],
        schemaVersion=SCHEMA_VERSION,
        version=1,
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        refresh="30s",
        time=core.Time("now-1h", "now"),
        timePicker=core.TimePicker(refreshIntervals=["5s", "10s", "30s", "1m", "5m"], timeOptions=None),
        timezone="browser",
        links=[_link("Incidents and runbooks", settings.links.pager)],
        templating=core.Templating(list=[_datasource_variable(), _model_variable()]),
        panels=[_encoded(panel, place) for panel, place in placed(overview.rows(catalog, settings))],
    )
    return {"dashboards/overview.json": _text(dashboard)}


def _encoded(panel: Row | Panel, place: Place) -> object:
    grid = core.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)
    common: dict[str, object] = {"id": panel.id, "title": panel.title, "gridPos": grid}
    if isinstance(panel, Row):
        return {**common, "type": "row", "collapsed": False, "panels": []}
    common |= {"description": panel.description, "dataSource": _DATASOURCE, "maxDataPoints": None}
    if isinstance(panel, Note):
        return core.Text(content=panel.text, thresholds=_thresholds(None), **common)
    return _stat(panel, common) if isinstance(panel, Number) else _time_series(panel, common)


def _stat(panel: Number, common: Mapping[str, object]) -> object:
    return core.Stat(
        targets=[_target(panel.query, 0, instant=True)],
        thresholds=_thresholds(panel.limit),
        format=panel.unit,
        reduceCalc="lastNotNull",
        graphMode="none",
        colorMode="background",
        noValue="no data",
        extraJson={"fieldConfig": {"defaults": {"color": {"mode": "thresholds"}}}},
        **common,
    )


def _time_series(panel: Chart, common: Mapping[str, object]) -> object:
    return core.TimeSeries(
        targets=[_target(query, position, instant=False) for position, query in enumerate(panel.queries)],
        unit=panel.unit,
        axisSoftMin=0,
        fillOpacity=8,
        showPoints="never",
        stacking={"mode": "none", "group": "A"},
        thresholds=_thresholds(panel.limit),
        thresholdsStyleMode="off" if panel.limit is None else "line",
        tooltipMode="multi",
        tooltipSort="desc",
        legendCalcs=["lastNotNull", "max"],
        legendDisplayMode="table",
        extraJson={"options": {"legend": {"showLegend": True}}},
        **common,
    )


def _target(query: Query, position: int, *, instant: bool) -> object:
    return {
        "refId": chr(ord("A") + position),
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "instant": instant,
        "range": not instant,
    }


def _thresholds(limit: float | None) -> list[object]:
    # Grafana's first step has no lower end, which it spells null.
    steps: list[object] = [{"color": _GREEN, "value": None}]
    return steps if limit is None else [*steps, {"color": _RED, "value": limit}]


def _datasource_variable() -> object:
    return {
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0,
        "current": {}, "options": [], "refresh": 1, "regex": "", "includeAll": False, "multi": False,
    }  # fmt: skip


def _model_variable() -> object:
    query = f"label_values({promql.select(s.REQUESTS)}, {conventions.MODEL})"
    return {
        "name": "model", "label": "Model", "type": "query", "datasource": _DATASOURCE, "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}, "hide": 0,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "options": [], "refresh": 2, "regex": "",
        # `.*` and not the list of all models: it stays short, and keeps series that carry no model.
        "includeAll": True, "allValue": ".*", "multi": True, "sort": 1,
    }  # fmt: skip


def _link(title: str, url: str) -> object:
    return {
        "title": title, "url": url, "type": "link", "icon": "external link", "tags": [], "tooltip": "",
        "asDropdown": False, "includeVars": False, "keepTime": False, "targetBlank": True,
    }  # fmt: skip


def _text(dashboard: object) -> str:
    plain: object = json.loads(json.dumps(dashboard, cls=DashboardEncoder))
    return json.dumps(_pruned(plain), indent=2, ensure_ascii=False) + "\n"


def _pruned(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _pruned(inner)
            for key, inner in value.items()
            if key not in _DROPPED and (inner is not None or key == "value")
        }
    if isinstance(value, list):
        return [_pruned(inner) for inner in value]
    return value
