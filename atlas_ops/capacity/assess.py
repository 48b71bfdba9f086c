"""Judges what was observed of one model: what a replica carries, what is asked for, and how many replicas a forecast takes.

Called by the command.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_ops.capacity import littles_law, remarks, replica
from atlas_ops.capacity.demand import Demand, Forecast, demand
from atlas_ops.capacity.littles_law import Law
from atlas_ops.capacity.observed import WINDOW, Observed
from atlas_ops.capacity.replica import Fitted, Replica
from atlas_ops.detect import capacity
from atlas_ops.detect.capacity import Windows

DRAWS = 200
_HOUR, _LONG_BLOCK = 12, 72
"""Windows of a block of time, below and from three days of data on."""
_THREE_DAYS = 864
LEAST_BLOCKS = 8
"""Of time with traffic; fewer say nothing of how sure a curve is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """All that can be said of one model; `why_not` says why nothing can be said of its replicas."""

    seen: Observed
    law: Law | None
    demand: Demand
    replica: Replica | None
    forecast: Forecast | None
    why_not: str
    notes: tuple[str, ...]


def assess(seen: Observed, used_ratio: float, forecast: float | None, growth: float | None) -> Assessment:
    """Judge one model. `used_ratio`: how full a replica may be; `forecast`: requests per second at the peak, or `growth` of today's."""
    length = _LONG_BLOCK if np.isfinite(seen.finished).any(axis=0).sum() >= _THREE_DAYS else _HOUR
    blocks = np.arange(len(seen.times)) // length
    weights = capacity.resampled(int(blocks.max()) + 1, DRAWS)
    law = littles_law.compare(seen, blocks, weights)
    asked = demand(seen)
    windows = _windows(seen)
    levels = capacity.levels(windows)
    busy = len(np.unique(blocks[(levels.where >= 0).any(axis=0)]))
    why_not = _why_not(seen, windows) or (_too_short(busy, length) if busy < LEAST_BLOCKS else "")
    fitted = None if why_not else Fitted.to(windows, levels, blocks, weights)
    carried = replica.carried(fitted, seen.promises, used_ratio) if fitted else None
    wanted = forecast if forecast is not None else asked.peak * (1 + (growth or 0.0))
    return Assessment(
        seen=seen,
        law=law,
        demand=asked,
        replica=carried,
        forecast=Forecast.of(wanted, carried.usable, asked, seen.most_replicas) if carried and wanted > 0 else None,
        why_not=why_not,
        notes=tuple(remarks.of(seen, law, fitted)) if fitted else (),
    )


def _windows(seen: Observed) -> Windows:
    """Return the concurrency of the gauges, which see requests while they are there; without any, that of Little's law."""
    gauge = littles_law.gauged(seen)
    return Windows(concurrency=gauge if np.isfinite(gauge).any() else seen.busy, throughput=seen.finished)


def _why_not(seen: Observed, windows: Windows) -> str:
    if not np.isfinite(seen.finished).any():
        return "no requests are counted (atlas_requests_total, atlas_request_duration_seconds): the throughput is not known"
    if not np.isfinite(windows.concurrency).any():
        return (
            "neither a gauge of concurrency (atlas_requests_running) nor a histogram of durations (atlas_request_duration_seconds) "
            "is told: how full the servers are is not known"
        )
    return "" if np.nansum(seen.finished) > 0 else "no request finished in this time"


def _too_short(blocks: int, length: int) -> str:
    hours = length * WINDOW / 3600
    return f"there are {blocks * hours:.0f} h with traffic only; it takes {LEAST_BLOCKS * hours:.0f} h at the least"
