"""Our dashboards as JSON that Grafana 11 and later import.

The only importer of grafanalib, which serves as object model and encoder of the dashboard itself. Its defaults date from 2017,
so everything that Grafana has changed since (schema version, typed data sources) is given here, keys that only old versions know
are left out, and panels are `shapes`'s. Called by the package.
"""

from __future__ import annotations

import json

from grafanalib import core
from grafanalib._gen import DashboardEncoder

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.render import links
from atlas_ops.render.dashboards import shapes
from atlas_ops.render.dashboards.descriptions import Describe
from atlas_ops.render.dashboards.grid import Place, placed
from atlas_ops.render.dashboards.panels import Board, Note, Panel, Row, Variable, panel_id
from atlas_ops.settings import Settings

SCHEMA_VERSION = 39
"""Grafana 11.0's; later versions migrate from it by themselves."""
TAG = "atlas-ops"
_DROPPED = frozenset({
    "__inputs", "gnetId", "hideControls", "rows", "sharedCrosshair", "style",
    "cacheTimeout", "error", "height", "hideTimeOverride", "minSpan", "span",
    "editable", "transparent",
})  # fmt: skip
"""Keys that only Grafana before 7 knew, and keys that grafanalib writes only to repeat Grafana's defaults."""
_RELEASE = (c.K8S_NAMESPACE, "track", "release")


def text(board: Board, describe: Describe, settings: Settings) -> str:
    """Return the file of a dashboard."""
    dashboard = core.Dashboard(
        title=f"atlas-ops: {board.title}",
        description=board.question,
        uid=links.uid(board.name),
        tags=[TAG],
        schemaVersion=SCHEMA_VERSION,
        version=1,
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        refresh="30s",
        time=core.Time(f"now-{promql.duration(board.hours * 3600)}", "now"),
        timePicker=core.TimePicker(refreshIntervals=["5s", "10s", "30s", "1m", "5m"], timeOptions=None),
        timezone="browser",
        links=[_others(), _pager(settings)],
        annotations=core.Annotations(list=[_alerts(), _releases()]),
        templating=core.Templating(list=[_datasource(), *map(_variable, board.variables)]),
        panels=[_panel(panel, place, describe) for panel, place in placed(board.rows)],
    )
    plain: object = json.loads(json.dumps(dashboard, cls=DashboardEncoder))
    return json.dumps(_pruned(plain), indent=2, ensure_ascii=False) + "\n"


def _panel(panel: Row | Panel, place: Place, describe: Describe) -> shapes.Json:
    common: shapes.Json = {
        "id": panel_id(f"row-{panel.key}" if isinstance(panel, Row) else panel.key),
        "title": panel.title,
        "gridPos": {"h": place.height, "w": place.width, "x": place.x, "y": place.y},
    }
    if isinstance(panel, Row):
        repeated: shapes.Json = {"repeat": panel.repeat} if panel.repeat else {}
        return {**common, **repeated, "type": "row", "collapsed": False, "panels": []}
    if isinstance(panel, Note):
        return {**common, **shapes.body(panel)}
    return {**common, "description": describe(panel), "datasource": shapes.DATASOURCE, **shapes.body(panel)}


def _datasource() -> shapes.Json:
    return {
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0,
        "options": [], "refresh": 1, "regex": "", "includeAll": False, "multi": False,
    }  # fmt: skip


def _variable(variable: Variable) -> shapes.Json:
    query = f"label_values({variable.metric}, {variable.label})"
    # Grafana opens a variable without a current value on All where it has that, and on its first value otherwise.
    everything: shapes.Json = {
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "includeAll": True, "allValue": ".*",
    }  # fmt: skip
    first: shapes.Json = {"current": {"selected": False, "text": [], "value": []}, "includeAll": False}
    return {
        "name": variable.name, "label": variable.title, "type": "query", "datasource": shapes.DATASOURCE, "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}, "hide": 0,
        "options": [], "refresh": 2, "regex": "", "multi": variable.several, "sort": 1,
        **(everything if variable.opens_on_all else first),
    }  # fmt: skip


def _others() -> shapes.Json:
    return {
        "title": "Dashboards", "type": "dashboards", "tags": [TAG], "asDropdown": True, "includeVars": True, "keepTime": True,
        "icon": "external link", "tooltip": "", "targetBlank": False, "url": "",
    }  # fmt: skip


def _pager(settings: Settings) -> shapes.Json:
    return {
        "title": "Incidents and runbooks", "url": settings.links.pager, "type": "link", "icon": "external link", "tags": [],
        "tooltip": "", "asDropdown": False, "includeVars": False, "keepTime": False, "targetBlank": True,
    }  # fmt: skip


def _alerts() -> shapes.Json:
    firing = promql.select("ALERTS", 'alertstate="firing"', f'{c.FAMILY}!=""', f'alertname!="{c.HEARTBEAT}"')
    return _annotation("Alerts", firing, "{{alertname}}", "{{severity}} {{model}} {{node}} {{pod}}", "red")


def _releases() -> shapes.Json:
    # New where no server of the namespace told this release on this track five minutes ago, although some told another:
    # after a gap in the data everything is told anew, and nothing was released.
    now = f"count by ({', '.join(_RELEASE)}) ({s.SERVER_RELEASE_INFO})"
    before = f"count by ({', '.join(_RELEASE)}) ({s.SERVER_RELEASE_INFO} offset 5m)"
    new = f"({now} unless {before}) and on ({c.K8S_NAMESPACE}) {before}"
    return _annotation("Releases", new, "Release {{release}}", "{{track}} {{k8s_namespace_name}}", "blue")


def _annotation(name: str, expr: str, title: str, content: str, color: str) -> shapes.Json:
    return {
        "name": name, "datasource": shapes.DATASOURCE, "enable": True, "hide": False, "iconColor": color, "expr": expr,
        "titleFormat": title, "textFormat": content, "tagKeys": "", "step": "1m", "useValueForTime": False,
    }  # fmt: skip


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
