"""The dashboards, one module each: what stands on it, in which order. What can be shown is in `parts`."""

from __future__ import annotations

from atlas_ops.catalog.model import Catalog
from atlas_ops.render.dashboards.boards import (
    atlas,
    capacity_cost,
    drift,
    fleet,
    gpu_node,
    incident,
    latency,
    model,
    server,
    slo,
)
from atlas_ops.render.dashboards.narrowing import with_narrow_faults
from atlas_ops.render.dashboards.pacing import paced
from atlas_ops.render.dashboards.panels import Board
from atlas_ops.settings import Settings

_BUILDERS = (
    fleet.board,
    model.board,
    server.board,
    gpu_node.board,
    latency.board,
    capacity_cost.board,
    slo.board,
    drift.board,
    incident.board,
    atlas.board,
)


def build(catalog: Catalog, settings: Settings) -> tuple[Board, ...]:
    """Return every dashboard."""
    built = (builder(catalog, settings) for builder in _BUILDERS)
    timing = settings.parameters.timing
    return tuple(paced(with_narrow_faults(board, catalog), catalog, timing) for board in built)
