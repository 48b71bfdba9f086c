"""What the chart of an alert would show at its right edge, in numbers: how things are now. Asked by the incident's page.

A signal that cannot be asked for is said to be unknown: a page that shows yesterday's values at night is worse than none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from atlas_ops.catalog.model import Panel
from atlas_ops.errors import AtlasError
from atlas_ops.pager.charts.gather import about, filled, named
from atlas_ops.pager.charts.picture import written
from atlas_ops.pager.diagnosis.ask import Query
from atlas_ops.pager.incident import Alert

MOST = 12
"""Series that are shown; of more than that the greatest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Now:
    """The values of one alert. `problem`: why they are not known; empty when they are."""

    title: str
    limit: str
    """With its unit; empty when the chart has no line for it."""
    values: tuple[tuple[str, str], ...] = ()
    """(name, value with its unit)."""
    problem: str = ""


def now(panel: Panel, alert: Alert, query: Query) -> Now:
    """Return the present values of what the fault of an alert is judged by."""
    limit = "" if panel.limit is None else written(panel.unit, panel.limit)
    found: list[tuple[float, str]] = []
    try:
        for expr, legend in panel.queries:
            points = query(filled(expr, alert))
            found += [(point.value, named(legend, point.labels)) for point in points if about(alert, point.labels)]
    except AtlasError as error:
        return Now(title=panel.title, limit=limit, problem=error.message)
    shown = sorted((pair for pair in found if not math.isnan(pair[0])), reverse=True)[:MOST]
    return Now(
        title=panel.title,
        limit=limit,
        values=tuple((name, _told(panel.unit, value)) for value, name in shown),
        problem="" if shown else "Prometheus has no value for it",
    )


def _told(unit: str, value: float) -> str:
    return written(unit, value) if math.isfinite(value) else "for ever" if unit == "s" and value > 0 else "infinite"
