"""Our panels as Grafana's JSON: what each kind needs, in the shape of Grafana 11 and later. Called by `grafana`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import singledispatch
from string import ascii_uppercase

from atlas_ops import promql
from atlas_ops.render.dashboards import colours, data_links
from atlas_ops.render.dashboards.panels import (
    Bars,
    Chart,
    Column,
    Gauge,
    Heatmap,
    Limit,
    Link,
    Note,
    Number,
    Palette,
    Queried,
    Query,
    States,
    Table,
)  # fmt: skip

Json = dict[str, object]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
NO_VALUE = "-"
"""In a cell of a table whose other cells have values."""
_CELLS: Json = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "minWidth": 80}
"""Of tables. Grafana's own least width of a column is 150 pixels, at which a dozen columns have to be scrolled."""
_SPECIAL = re.compile(r"[$^*{}\[\]'+?.()|\\/]")
"""Characters that mean something in an expression of JavaScript."""
_NO_REQUESTS = "No requests"
"""A share or a percentile of nothing is NaN: the server is there, and nobody asks it. Neither is green, which says that all is well."""
_LEAST_TOP = {"percentunit": 0.01}
"""{unit: what the axis reaches at least}. A line that lies at 0 has an axis up to 100 otherwise, and that is 10000 %."""


@singledispatch
def body(panel: object) -> Json:
    """Return everything of a panel's JSON but its id, title, description, place and data source."""
    raise TypeError(panel)


@body.register
def _chart(panel: Chart) -> Json:
    custom: Json = {
        # Of stacked ones the areas are seen: the line of one that is 0 would lie on the top of the others.
        "drawStyle": "line", "lineWidth": 0 if panel.stacked else 1, "fillOpacity": 60 if panel.stacked else 8, "showPoints": "never",
        "spanNulls": False, "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if panel.limit is None else "line"},
    }  # fmt: skip
    if panel.minimum is not None:
        custom["axisSoftMin"] = panel.minimum
    # The line of a limit is to be seen, however far away the values are.
    top = _LEAST_TOP.get(panel.unit) if panel.limit is None else panel.limit.value
    if panel.maximum is None and top is not None:
        custom["axisSoftMax"] = top
    ends = {} if panel.maximum is None else {"max": panel.maximum}
    # A line has the colour of the step above it, so the bad one is above here, whichever side of the limit is bad.
    line = None if panel.limit is None else Limit(value=panel.limit.value)
    fields = _fields(panel, panel.unit, line, panel.links, custom=custom, color="palette-classic", ends=ends)
    return {
        "type": "timeseries",
        "targets": _targets(panel.queries, "time_series", now=False),
        "fieldConfig": {**fields, "overrides": [*_coloured(panel.queries)]},
        "options": {"legend": _legend(), "tooltip": {"mode": "multi", "sort": "desc"}},
    }


@body.register
def _number(panel: Number) -> Json:
    return {
        "type": "stat",
        "targets": _targets((panel.query,), "time_series", now=not panel.trend),
        "fieldConfig": _fields(panel, panel.unit, panel.limit, panel.links),
        "options": {
            "reduceOptions": _last(), "orientation": "auto", "textMode": "auto", "wideLayout": True,
            "colorMode": "value" if panel.limit is None else "background", "justifyMode": "auto",
            "graphMode": "area" if panel.trend else "none", "percentChangeColorMode": "standard",
            "showPercentChange": False,
        },
    }  # fmt: skip


@body.register
def _gauge(panel: Gauge) -> Json:
    return {
        "type": "gauge",
        "targets": _targets((panel.query,), "time_series", now=True),
        "fieldConfig": _fields(panel, panel.unit, panel.limit, (), ends={"min": panel.minimum, "max": panel.maximum}),
        "options": {
            "reduceOptions": _last(), "orientation": "auto", "showThresholdLabels": False, "showThresholdMarkers": True,
            "sizing": "auto", "minVizWidth": 75, "minVizHeight": 75,
        },
    }  # fmt: skip


@body.register
def _bars(panel: Bars) -> Json:
    ends = {"min": 0.0} if panel.maximum is None else {"min": 0.0, "max": panel.maximum}
    return {
        "type": "bargauge",
        "targets": _targets((panel.query,), "time_series", now=True),
        "fieldConfig": _fields(panel, panel.unit, panel.limit, panel.links, ends=ends),
        "options": {
            "reduceOptions": _last(), "orientation": "horizontal", "displayMode": "basic", "valueMode": "color",
            "namePlacement": "auto", "showUnfilled": True, "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16,
            "maxVizHeight": 300, "legend": {**_legend(), "showLegend": False},
        },
    }  # fmt: skip


@body.register
def _heatmap(panel: Heatmap) -> Json:
    return {
        "type": "heatmap",
        "targets": _targets((panel.query,), "heatmap", now=False),
        "fieldConfig": {
            "defaults": {"custom": {"scaleDistribution": {"type": "linear"}, "hideFrom": _shown()}}, "overrides": [],
        },
        "options": {
            "calculate": False, "cellGap": 1, "cellValues": {"unit": "short"}, "filterValues": {"le": 1e-9},
            "color": {
                "mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "scale": "exponential", "exponent": 0.5,
                "steps": 64, "reverse": False,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"}, "legend": {"show": True}, "rowsFrame": {"layout": "auto"},
            "showValue": "never", "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
        },
    }  # fmt: skip


@body.register
def _states(panel: States) -> Json:
    words = {
        f"{value:g}": {"text": word, "color": color.value, "index": place}
        for place, (value, (word, color)) in enumerate(panel.states.items())
    }
    fields = _fields(panel, "", None, panel.links, custom={"fillOpacity": 70, "lineWidth": 0, "hideFrom": _shown()})
    fields["defaults"] = {**_mapping(fields["defaults"]), "mappings": [{"type": "value", "options": words}]}
    return {
        "type": "state-timeline",
        "targets": _targets(panel.queries, "time_series", now=False),
        "fieldConfig": fields,
        "options": {
            "mergeValues": True, "showValue": "auto", "alignValue": "left", "rowHeight": 0.8,
            "legend": _legend(), "tooltip": {"mode": "single", "sort": "none"},
        },
    }  # fmt: skip


@body.register
def _table(panel: Table) -> Json:
    sources = [_source(column, panel) for column in panel.columns]
    order = {source: place for place, source in enumerate(sources)}
    return {
        "type": "table",
        "targets": _targets(panel.queries, "table", now=True),
        "fieldConfig": {
            **_fields(panel, "", None, (), custom=_CELLS, absent=NO_VALUE),
            "overrides": [_override(column) for column in panel.columns],
        },
        "transformations": [
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "includeByName": dict.fromkeys(order, True), "indexByName": order, "excludeByName": {},
                    "renameByName": {source: column.title for source, column in zip(sources, panel.columns, strict=True)},
                },
            },
        ],
        "options": {
            "frameIndex": 0, "showHeader": True, "cellHeight": "sm",
            "footer": {"show": False, "reducer": ["sum"], "countRows": False},
        },
    }  # fmt: skip


@body.register
def _note(panel: Note) -> Json:
    return {
        "type": "text",
        "options": {"mode": "markdown", "content": panel.text},
        "fieldConfig": {"defaults": {}, "overrides": []},
    }


def _targets(queries: Iterable[Query], form: str, *, now: bool) -> list[Json]:
    return [
        {
            "refId": letter, "datasource": DATASOURCE, "editorMode": "code", "expr": query.expr,
            "legendFormat": query.legend, "format": form, "instant": now, "range": not now, "exemplar": query.exemplars,
            **({"interval": promql.duration(query.step)} if query.step else {}),
        }
        for letter, query in zip(ascii_uppercase, queries, strict=False)
    ]  # fmt: skip


def _fields(
    panel: Queried,
    unit: str,
    limit: Limit | None,
    to: Iterable[Link],
    *,
    custom: Json | None = None,
    color: str = "thresholds",
    ends: Mapping[str, float] | None = None,
    absent: str = "",
) -> Json:
    defaults: Json = {
        "color": {"mode": color}, "custom": custom or {}, "noValue": panel.nothing,
        "mappings": [_special("nan", _NO_REQUESTS, 0), _special("null", absent or panel.nothing, 1)],
        "thresholds": {"mode": "absolute", "steps": _steps(limit)}, **(ends or {}),
    }  # fmt: skip
    if unit:
        defaults["unit"] = unit
    if found := [data_links.of_series(link) for link in to]:
        defaults["links"] = found
    return {"defaults": defaults, "overrides": []}


def _special(match: str, text: str, place: int) -> Json:
    result = {"text": text, "color": Palette.OFF.value, "index": place}
    return {"type": "special", "options": {"match": match, "result": result}}


def _coloured(queries: Sequence[Query]) -> Iterator[Json]:
    """Yield the colours of series that mean something. In shades: there may be several, such as the `ok` of each model."""
    for letter, query in zip(ascii_uppercase, queries, strict=False):
        if query.colour is not None:
            yield _shaded("byFrameRefID", letter, query.colour)
    for pattern, colour in dict(pair for query in queries for pair in _worded(query.legend)).items():
        yield _shaded("byRegexp", pattern, colour)


def _worded(legend: str) -> Iterator[tuple[str, Palette]]:
    """Yield each of the legend's possible texts with a word that has a colour, as a pattern of Grafana's."""
    texts = re.split(r"{{(\w+)}}", legend)
    for place, label in enumerate(texts[1::2]):
        for word, colour in colours.OF_LABEL.get(label, {}).items():
            parts = [_SPECIAL.sub(r"\\\g<0>", text) if n % 2 == 0 else ".*" for n, text in enumerate(texts)]
            parts[2 * place + 1] = word
            yield f"/^{''.join(parts)}$/", colour


def _shaded(matcher: str, options: str, colour: Palette) -> Json:
    properties = [{"id": "color", "value": {"mode": "shades", "fixedColor": colour.value}}]
    return {"matcher": {"id": matcher, "options": options}, "properties": properties}


def _steps(limit: Limit | None) -> list[Json]:
    # The first step has no lower end, which Grafana spells null.
    good, bad = Palette.GOOD.value, Palette.BAD.value
    if limit is None:
        return [{"color": good, "value": None}]
    first, then = (bad, good) if limit.below else (good, bad)
    return [{"color": first, "value": None}, {"color": then, "value": limit.value}]


def _source(column: Column, panel: Table) -> str:
    # Grafana numbers the values of queries only where there are several.
    return "Value" if len(panel.queries) == 1 and column.source == "Value #A" else column.source


def _override(column: Column) -> Json:
    properties: list[Json] = []
    if column.unit:
        properties.append({"id": "unit", "value": column.unit})
    if column.width:
        properties.append({"id": "custom.width", "value": column.width})
    if column.limit is not None:
        properties.append({"id": "thresholds", "value": {"mode": "absolute", "steps": _steps(column.limit)}})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if words := colours.OF_LABEL.get(column.source):
        options = {word: {"color": colour.value, "index": place} for place, (word, colour) in enumerate(words.items())}
        properties.append({"id": "mappings", "value": [{"type": "value", "options": options}]})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if column.links:
        properties.append({"id": "links", "value": [data_links.of_row(link) for link in column.links]})
    return {"matcher": {"id": "byName", "options": column.title}, "properties": properties}


def _legend() -> Json:
    # Names alone, many on a line: of a table with values a panel shows three rows, and hides the others.
    return {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}


def _last() -> Json:
    # Not `lastNotNull`: that passes over NaN as well, which says that nobody asked.
    return {"calcs": ["last"], "fields": "", "values": False}


def _shown() -> Json:
    return {"legend": False, "tooltip": False, "viz": False}


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, dict)
    return value
