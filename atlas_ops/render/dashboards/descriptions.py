"""What the corner of a panel says: what is seen, when to worry, which faults watch it, and what to do. Called by `grafana`."""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops import promql
from atlas_ops.catalog.model import Catalog, Fault
from atlas_ops.render import links
from atlas_ops.render.dashboards.panels import Chart, Heatmap, Limit, Queried, States, Table
from atlas_ops.settings import Settings

Describe = Callable[[Queried], str]


def describer(catalog: Catalog, settings: Settings) -> Describe:
    """Return the function that describes panels, with links to the runbooks of this catalog's faults."""

    def describe(panel: Queried) -> str:
        faults = [fault for fault in catalog.faults if fault.name in panel.faults]
        watched = [f"Watched by {', '.join(_fault(fault, settings) for fault in faults)}."] if faults else []
        limit = None if isinstance(panel, Heatmap | States | Table) else panel.limit
        line = [_limit(limit, panel)] if limit is not None else []
        empty = [f"Empty {panel.empty}."] if panel.empty else []
        return "\n\n".join((panel.shows, f"When to worry: {panel.worry}", *line, *empty, *watched))

    return describe


def _fault(fault: Fault, settings: Settings) -> str:
    return f"[{fault.name}]({links.runbook(fault, settings)}) ({fault.severity.value})"


def _limit(limit: Limit, panel: Queried) -> str:
    where = "red line" if isinstance(panel, Chart) else "limit"
    side = "up to" if limit.below else "from"
    return f"The {where}: bad {side} {promql.number(limit.value)}."
