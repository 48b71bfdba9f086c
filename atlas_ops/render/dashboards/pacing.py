"""Asks no oftener for what is recorded every other minute than it is recorded: each further point would be the one before it.

Called by `boards`.
"""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.catalog.model import Catalog
from atlas_ops.catalog.parameters import Timing
from atlas_ops.expressions.metrics import metrics
from atlas_ops.expressions.placeholders import filled
from atlas_ops.render import pace
from atlas_ops.render.dashboards.panels import Board, Chart, Panel, Query, States


def paced(board: Board, catalog: Catalog, timing: Timing) -> Board:
    """Return a dashboard whose queries that read nothing quicker have the pace of what they read as their Min step."""
    recorded = {recording.name for fault in catalog.faults for recording in fault.recordings}
    unhurried = recorded - pace.urgent_recordings(catalog)

    def pace_of(query: Query) -> Query:
        read = metrics(filled(query.expr))
        return replace(query, step=max(query.step, timing.unhurried_seconds)) if read and read <= unhurried else query

    def paced_panel(panel: Panel) -> Panel:
        # All others ask for values of now.
        if not isinstance(panel, Chart | States):
            return panel
        return replace(panel, queries=tuple(map(pace_of, panel.queries)))

    rows = (replace(row, panels=tuple(map(paced_panel, row.panels))) for row in board.rows)
    return replace(board, rows=tuple(rows))
