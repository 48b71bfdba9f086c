"""Judges what was observed of one model: what a replica carries, up to which rate promises are kept, and how many replicas it takes.

Called by the command. Replicas are taken for alike, and the load for even among them: both are looked at, and told where they are not so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_ops.capacity import littles_law, remarks
from atlas_ops.capacity.demand import Demand, Forecast, demand
from atlas_ops.capacity.estimate import Estimate, bootstrapped
from atlas_ops.capacity.littles_law import Law
from atlas_ops.capacity.observed import WINDOW, Floats, Observed, Promise
from atlas_ops.detect import capacity, isotonic
from atlas_ops.detect.capacity import Curve, Levels, Whole, Windows

DRAWS = 200
_HOUR, _LONG_BLOCK = 12, 72
"""Windows of a block of time, below and from three days on."""
_THREE_DAYS = 864
LEAST_BLOCKS = 8
FULL_ELASTICITY = 0.1
"""From here down a server counts as full: a tenth more concurrency is less than a hundredth more throughput, with certainty ..."""
_BACKLOG = 2.0
"""... while there are so many times as many requests as it has places: where fewer wait, chance has bent the curve (seen in 3 of 40 times two
days with peaks at 60 and 80 %, of a server whose work wanders)."""
_TOP = 0.98
_LEAST_LEVELS = 6
"""A load that is always the same says nothing of another one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Up to which rate for each replica a promise was kept; `rate` is None where it was broken at any load, or nobody can tell."""

    promise: Promise
    rate: Estimate | None
    slow_share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Replica:
    """What one replica carries."""

    most: Estimate
    """Requests per second when it is full; at least so many where it never was."""
    places: float
    """Requests at the same time from which on it is full."""
    curve: Curve
    points: tuple[Floats, Floats]
    """Concurrency and throughput of the levels of load."""
    seen: float
    """Requests at the same time, in the fullest 2 % of the windows."""
    kept: tuple[Kept, ...]
    usable: Estimate
    limited_by: str
    gauged: bool
    """Whether the concurrency is that of gauges, not of Little's law."""


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
    blocks = _blocks(len(seen.times))
    weights = capacity.resampled(int(blocks.max()) + 1, DRAWS)
    law = littles_law.compare(seen, blocks, weights)
    asked = demand(seen)
    notes: list[str] = []
    replica, why_not = _replica(seen, law, blocks, weights, used_ratio, notes)
    wanted = forecast if forecast is not None else asked.peak * (1 + (growth or 0.0))
    return Assessment(
        seen=seen,
        law=law,
        demand=asked,
        replica=replica,
        forecast=Forecast.of(wanted, replica.usable, asked, seen.most_replicas) if replica and wanted > 0 else None,
        why_not=why_not,
        notes=tuple(notes),
    )


def _blocks(windows: int) -> Whole:
    return np.arange(windows) // (_LONG_BLOCK if windows >= _THREE_DAYS else _HOUR)


def _replica(
    seen: Observed, law: Law | None, blocks: Whole, weights: Floats, used_ratio: float, notes: list[str]
) -> tuple[Replica | None, str]:
    gauge = littles_law.gauged(seen)
    by_gauge = bool(np.isfinite(gauge).any())
    windows = Windows(concurrency=gauge if by_gauge else seen.busy, throughput=seen.finished)
    known = np.isfinite(windows.concurrency) & np.isfinite(windows.throughput)
    if not known.any():
        return None, _nothing(seen)
    if not np.nansum(seen.finished) > 0:
        return None, "no request finished in this time"
    levels = capacity.levels(windows)
    traffic = (levels.where >= 0).any(axis=0)
    hours = len(np.unique(blocks[traffic])) * int(np.bincount(blocks).max()) * WINDOW / 3600
    if len(np.unique(blocks[traffic])) < LEAST_BLOCKS:
        return (
            None,
            f"there is traffic in {hours:.0f} hours only; it takes {LEAST_BLOCKS * _HOUR * WINDOW / 3600:.0f} at the least",
        )
    curve, levels = _fitted(windows, levels, blocks, weights, notes)
    notes += remarks.of(seen, law, windows, levels, curve)
    return _carried(seen, windows, levels, curve, blocks, weights, used_ratio, by_gauge), ""


def _nothing(seen: Observed) -> str:
    if not np.isfinite(seen.finished).any():
        return "no requests are counted (atlas_requests_total, atlas_request_duration_seconds): the throughput is not known"
    return (
        "neither a gauge of concurrency (atlas_requests_running) nor a histogram of durations (atlas_request_duration_seconds) is "
        "told: how full the servers are is not known"
    )


def _fitted(windows: Windows, levels: Levels, blocks: Whole, weights: Floats, notes: list[str]) -> tuple[Curve, Levels]:
    """Fit once, leave out windows in which a server hung, and fit again."""
    curve = capacity.fit(windows, levels, blocks, weights[:1])
    halted = capacity.halted(windows, curve, WINDOW) & (levels.where >= 0)
    if halted.any():
        levels = capacity.without(levels, halted)
        notes.append(
            f"{int(halted.sum())} windows of a server are left out in which it finished less than half of what is usual with as many "
            "requests: it hung, started, or was held up"
        )
    return capacity.fit(windows, levels, blocks, weights), levels


def _carried(
    seen: Observed, windows: Windows, levels: Levels, curve: Curve, blocks: Whole, weights: Floats, used_ratio: float, by_gauge: bool
) -> Replica:  # fmt: skip
    inside = levels.where >= 0
    counts, concurrency, throughput = (
        weights @ levels.sums(np.where(inside, values, np.nan), blocks)
        for values in (np.ones_like(windows.concurrency), windows.concurrency, windows.throughput)
    )
    top = float(np.quantile(windows.concurrency[inside], _TOP))
    full = levels.count >= _LEAST_LEVELS and _full(curve, top)
    reached = curve.throughput(np.array(top))
    most = bootstrapped(curve.most) if full else _least(reached)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(counts > 0, concurrency / counts, np.nan)
        points = (mean[0], throughput[0] / counts[0])
    kept = [_kept(promise, levels, mean, curve, blocks, weights, top) for promise in seen.promises]
    ends = [
        (draws, told.promise.name) for told, draws in kept if draws is not None and told.rate and not told.rate.at_least
    ]
    # Where it was never full, what it carried is known to be usable; what lies beyond is not.
    ends.append((used_ratio * curve.most, "saturation") if full else (reached, ""))
    lowest = min(ends, key=lambda end: float(end[0][0]))
    usable = np.minimum.reduce([draws for draws, _ in ends])
    at_least = not lowest[1]
    return Replica(
        most=most,
        places=float(curve.places[0]),
        curve=curve,
        points=points,
        seen=top,
        kept=tuple(told for told, _ in kept),
        usable=_least(usable) if at_least else bootstrapped(usable),
        limited_by=lowest[1],
        gauged=by_gauge,
    )


def _full(curve: Curve, concurrency: float) -> bool:
    steepest = float(np.quantile(curve.elasticity(np.array(concurrency))[1:], 0.95))
    return steepest <= FULL_ELASTICITY and concurrency >= _BACKLOG * float(curve.places[0])


def _least(draws: Floats) -> Estimate:
    """Return the lower end of what was reached, as what there is at least."""
    low = float(np.quantile(draws[1:], 0.05))
    return bootstrapped(np.array([min(low, float(draws[0]))]), at_least=True)


def _kept(
    promise: Promise, levels: Levels, concurrency: Floats, curve: Curve, blocks: Whole, weights: Floats, top: float
) -> tuple[Kept, Floats | None]:
    """Return up to which rate a promise is kept, and the same in every draw."""
    slow, every = (weights @ levels.sums(values, blocks) for values in (promise.slow, promise.all))
    if every[0].sum() <= 0:
        return Kept(promise=promise, rate=None, slow_share=float("nan")), None
    allowed, share = 1 - promise.target, float(slow[0].sum() / every[0].sum())
    reached = np.empty(len(weights))
    broken = False
    for draw, (bad, of, at) in enumerate(zip(slow, every, concurrency, strict=True)):
        order = np.flatnonzero(of > 0)[np.argsort(at[of > 0], kind="stable")]
        good = isotonic.kept_up_to(bad[order].tolist(), of[order].tolist(), allowed)
        reached[draw] = at[order[good - 1]] if good else np.nan
        broken = broken or (draw == 0 and good < len(order))
    if not np.isfinite(reached[0]):
        return Kept(promise=promise, rate=None, slow_share=share), None
    rates = curve.throughput(np.where(np.isfinite(reached), reached, reached[0]))
    rate = bootstrapped(rates) if broken else _least(curve.throughput(np.array(top)))
    return Kept(promise=promise, rate=rate, slow_share=share), rates
