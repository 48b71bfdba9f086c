"""The content of the overview dashboard: what is wrong, what each fault is judged by, and how the models are doing.

Called by `render.dashboards`; the last row is `render.performance`'s.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Catalog, Family, Fault, Severity
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render import links, performance
from atlas_ops.render.panels import GRID_WIDTH, Chart, Note, Number, Panel, Query, Row
from atlas_ops.settings import Settings

# Below links.FIRST_FAULT_PANEL, where the panels of the faults begin; `performance` uses 40 to 59.
_WRONG_ROW, _FIRST_FAMILY_ROW = 10, 20
_MISSED_HEARTBEATS_SECONDS = 300
"""Heartbeats come every minute or two; five minutes without one is no accident."""
_NOTE = """\
Read from top to bottom: what fires, then the chart that each fault is judged by (its red line is the limit of the rule),
then how the models are doing. The corner of every panel says when to worry and which runbook to open. A chart without
data means that the runtime does not give this signal, not that it is zero."""


def rows(catalog: Catalog, settings: Settings) -> tuple[Row, ...]:
    """Return the rows of the dashboard from top to bottom."""
    families = tuple(
        _family_row(family, _FIRST_FAMILY_ROW + position, catalog, settings)
        for position, family in enumerate(Family)
        if catalog.of_family(family)
    )
    wrong = Row(id=_WRONG_ROW, title="Is anything wrong?", panels=_anything_wrong(settings.parameters.timing))
    return (wrong, *families, performance.row(settings.parameters))


def _family_row(family: Family, row_id: int, catalog: Catalog, settings: Settings) -> Row:
    faults = catalog.of_family(family)
    width = GRID_WIDTH // min(len(faults), 3)
    panels = tuple(_fault_panel(fault, width, catalog, settings) for fault in faults)
    return Row(id=row_id, title=f"Faults of {family.value}", panels=panels)


def _fault_panel(fault: Fault, width: int, catalog: Catalog, settings: Settings) -> Chart:
    panel = fault.panel
    worry = f"When to worry: {fault.meaning}"
    if panel.limit is not None:
        worry += f" The red line is its limit: {promql.number(panel.limit)} ({panel.unit})."
    watched = f"Watched by `{fault.name}` ({fault.severity.value}): [what to do]({links.runbook(fault, settings)})."
    return Chart(
        id=links.panel_id(fault, catalog),
        title=panel.title,
        description="\n\n".join((panel.description, worry, f"Why: {fault.why}", watched)),
        queries=tuple(Query(expr=expr, legend=legend) for expr, legend in panel.queries),
        unit=panel.unit,
        limit=panel.limit,
        width=width,
    )


def _anything_wrong(timing: Timing) -> tuple[Panel, ...]:
    exporters = promql.select("up", f'job="{c.EXPORTER_JOB}"')
    return (
        Note(id=1, title="How to read this", description="What the rows are for.", text=_NOTE),
        _firing(2, "Pages firing", Severity.PAGE),
        _firing(3, "Tickets firing", Severity.TICKET),
        Number(
            id=4,
            title="Model servers that answer",
            description="Servers whose last scrape worked. Worry when it is less than the number that you run.",
            query=Query(expr=f"sum({s.SERVER_UP})", legend="answer"),
            unit="short",
        ),
        _silent(5, "Model servers that do not answer", str(s.SERVER_UP), "`ModelServerDown`"),
        _silent(6, "Exporters that do not answer", exporters, "`ExporterDown`"),
        _heartbeat(timing),
        Chart(
            id=8,
            title="What fires, and since when",
            description="Alerts that fire, by fault. Worry about pages first; each fault has its own panel below.",
            queries=(
                Query(expr=f"count by (alertname, {c.SEVERITY}) ({_alerts()})", legend="{{alertname}} ({{severity}})"),
            ),
            unit="short",
            width=GRID_WIDTH,
            height=6,
        ),
    )


def _alerts(*matchers: str) -> str:
    # Only our rules carry a family. The heartbeat always fires, so it would say nothing here.
    return promql.select("ALERTS", 'alertstate="firing"', f'{c.FAMILY}!=""', f'alertname!="{c.HEARTBEAT}"', *matchers)


def _firing(panel_id: int, title: str, severity: Severity) -> Number:
    alerts = _alerts(f'{c.SEVERITY}="{severity.value}"')
    return Number(
        id=panel_id,
        title=title,
        description=f"Alerts of severity `{severity.value}` that fire now. Worry from one on; the chart below names them.",
        query=Query(expr=f"count({alerts}) or vector(0)", legend=f"{severity.value}s"),
        unit="short",
        limit=1,
    )


def _silent(panel_id: int, title: str, up: str, fault: str) -> Number:
    return Number(
        id=panel_id,
        title=title,
        description=f"How many did not answer the last time they were asked. Worry from one on; {fault} watches it.",
        query=Query(expr=f"count({up} == 0) or vector(0)", legend="do not answer"),
        unit="short",
        limit=1,
    )


def _heartbeat(timing: Timing) -> Number:
    return Number(
        id=7,
        title="Age of the last heartbeat",
        description=(
            f"Time since the alert `{c.HEARTBEAT}` last reached the pager. Worry when it is red or has no data: then no "
            "other page can be trusted to arrive."
        ),
        query=Query(expr=f"time() - max({s.PAGER_LAST_HEARTBEAT})", legend="age"),
        unit="s",
        limit=max(5.0, timing.hold(_MISSED_HEARTBEATS_SECONDS)),
    )
