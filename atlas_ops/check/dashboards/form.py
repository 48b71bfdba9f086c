"""What every dashboard of ours has: names, texts, units and kinds of panels that Grafana still knows.

After the rules of Grafana's dashboard-linter: panel-title-description, panel-units, panel-datasource, template-datasource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from atlas_ops.check.dashboards.reading import Dashboard, Mistake, Part, named
from atlas_ops.render.dashboards.grafana import SCHEMA_VERSION
from atlas_ops.render.dashboards.shapes import DATASOURCE

KINDS = (
    "timeseries", "stat", "gauge", "bargauge", "heatmap", "state-timeline", "status-history", "histogram", "barchart",
    "piechart", "table", "text", "row",
)  # fmt: skip
"""Panels of Grafana 11 and later; those made with Angular, such as `graph` and `singlestat`, are gone."""
_WITH_UNIT = ("timeseries", "stat", "gauge", "bargauge", "histogram", "barchart", "piechart")
_QUIET = ("row", "text")
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


def check(dashboard: Dashboard) -> Iterator[Mistake]:
    """Find what is missing, or what Grafana would not show."""
    yield from _head(dashboard.root)
    for panel in dashboard.panels:
        yield from _panel(panel)
    yield from _choice_of_source(dashboard)
    for part, what in _asking(dashboard):
        if part.body.get("datasource") != DATASOURCE:
            told = f"{what} reads from {part.body.get('datasource')!r}, expected {DATASOURCE}"
            yield part.mistake("datasource", told, "let it read from the data source that the user picks")


def _head(root: Part) -> Iterator[Mistake]:
    if not _UID.fullmatch(root.text("uid")):
        told = f"uid: found {root.body.get('uid')!r}, expected at most 40 of a-z, A-Z, 0-9, - and _"
        yield root.mistake("uid", told, "links lead to a dashboard by its uid: give it one that never changes")
    for key in ("title", "description"):
        if not root.text(key):
            yield root.mistake(key, f"the dashboard has no {key}", "say which question it answers")
    if not root.body.get("tags"):
        yield root.mistake(
            "tags", "the dashboard has no tags", "add `atlas-ops`, by which the dashboards find each other"
        )
    version = root.number("schemaVersion")
    if version is None or version < SCHEMA_VERSION:
        told = f"schemaVersion: found {root.body.get('schemaVersion')!r}, expected {SCHEMA_VERSION} or more"
        yield root.mistake("schemaVersion", told, "an older one makes Grafana migrate, and lose settings on the way")


def _panel(panel: Part) -> Iterator[Mistake]:
    kind = panel.text("type")
    if kind not in KINDS:
        yield panel.mistake("type", f"{named(panel)} is of kind {kind!r}", f"use one of {', '.join(KINDS)}")
    if not panel.text("title"):
        yield panel.mistake("title", f"{named(panel)} has no title", "say in a few words what it shows")
    if kind not in _QUIET and not panel.text("description"):
        told = f"{named(panel)} has no description"
        yield panel.mistake("description", told, "say what it shows, when to worry, and which fault watches it")
    if kind not in _QUIET and not panel.parts("targets"):
        yield panel.mistake("targets", f"{named(panel)} asks for nothing", "give it a query, or take it out")
    yield from _unit(panel, kind)


def _unit(panel: Part, kind: str) -> Iterator[Mistake]:
    where = ("options", "yAxis") if kind == "heatmap" else ("fieldConfig", "defaults")
    if kind in (*_WITH_UNIT, "heatmap") and not panel.part(*where).text("unit"):
        told = f"{named(panel)} has no unit"
        yield panel.part(*where).mistake(
            "unit", told, "give it Grafana's id of a unit, such as s, percentunit or short"
        )


def _choice_of_source(dashboard: Dashboard) -> Iterator[Mistake]:
    sources = [variable for variable in dashboard.variables if variable.text("type") == "datasource"]
    if not [one for one in sources if one.text("name") == "datasource" and one.text("query") == "prometheus"]:
        told = "no variable `datasource` lets the user pick a Prometheus"
        yield dashboard.root.mistake("templating", told, "add one: type datasource, query prometheus")


def _asking(dashboard: Dashboard) -> Iterator[tuple[Part, str]]:
    for panel in dashboard.panels:
        if panel.text("type") not in _QUIET:
            yield panel, named(panel)
            yield from (
                (target, f"query {target.text('refId')} of {named(panel)}") for target in panel.parts("targets")
            )
    for variable in dashboard.variables:
        if variable.text("type") == "query":
            yield variable, f"variable {variable.text('name')!r}"
    for annotation in dashboard.annotations:
        yield annotation, f"annotation {annotation.text('name')!r}"
