"""What one replica carries, and up to which rate it keeps the promises. Called by `assess`.

Replicas are taken for alike: one curve goes through the windows of all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from atlas_ops.capacity.estimate import Estimate, bootstrapped, either
from atlas_ops.capacity.observed import WINDOW, Floats, Promise
from atlas_ops.detect import capacity, isotonic
from atlas_ops.detect.capacity import Curve, Levels, Whole, Windows

FULL_ELASTICITY = 0.1
"""From here down a server counts as full: a tenth more concurrency is less than a hundredth more throughput, with certainty ..."""
_BACKLOG = 2.0
"""... while there are so many times as many requests as it has places: where fewer wait, chance has bent the curve (seen in 3 of 40 times
two days with peaks at 60 and 80 %, of a server whose work wanders)."""
_TOP = 0.98
_LEAST_LEVELS = 6
"""A load that is always the same says nothing of another one."""
SATURATION = "saturation"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Up to which rate for each replica a promise was kept; `rate` is None where it was broken at any load, or nobody can tell."""

    promise: Promise
    rate: Estimate | None
    slow_share: float
    """Of all observations; NaN without any."""


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
    """Requests at the same time that 2 % of the windows exceed."""
    kept: tuple[Kept, ...]
    usable: Estimate
    limited_by: str
    """`SATURATION`, the name of a promise, or nothing where neither was reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A curve, and what it is fitted to. `blocks` and `weights` as in `detect.capacity.fit`."""

    windows: Windows
    levels: Levels
    blocks: Whole
    weights: Floats
    curve: Curve
    """What describes the windows best."""
    batch: Curve
    """The same with as little variability as a batching engine has: its bend is no queue's, and most of what replicas are."""
    halted: int
    """Windows of a server that are left out because it hung."""

    @classmethod
    def to(cls, windows: Windows, levels: Levels, blocks: Whole, weights: Floats) -> Fitted:
        """Fit once, leave out windows in which a server hung, and fit again."""
        first = capacity.fit(windows, levels, blocks, weights[:1])
        halted = capacity.halted(windows, first, WINDOW) & (levels.where >= 0)
        levels = capacity.without(levels, halted)
        curve = capacity.fit(windows, levels, blocks, weights)
        batch = capacity.fit(windows, levels, blocks, weights, variability=capacity.MARKOV)
        return cls(
            windows=windows, levels=levels, blocks=blocks, weights=weights, curve=curve, batch=batch, halted=int(halted.sum()),
        )  # fmt: skip

    @property
    def top(self) -> float:
        """Return the concurrency that 2 % of the windows exceed."""
        return float(np.quantile(self.windows.concurrency[self.levels.where >= 0], _TOP))

    @property
    def full(self) -> bool:
        """Whether replicas were seen full."""
        steepest = float(np.quantile(self.curve.elasticity(np.array(self.top))[1:], 0.95))
        backlog = self.top >= _BACKLOG * float(self.curve.places[0])
        return self.levels.count >= _LEAST_LEVELS and steepest <= FULL_ELASTICITY and backlog

    def means(self, values: Floats) -> Floats:
        """Return the means of levels in each draw; NaN where a draw has none of a level."""
        known = np.where(self.levels.where >= 0, 1.0, np.nan)
        counts, total = (self.sums(known * one) for one in (np.ones(1), values))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(counts > 0, total / counts, np.nan))

    def sums(self, values: Floats) -> Floats:
        """Return the sums over levels in each draw."""
        return np.asarray(self.weights @ self.levels.sums(values, self.blocks))


def carried(of: Fitted, promises: tuple[Promise, ...], used_ratio: float) -> Replica:
    """Return what a replica carries. `used_ratio`: how full it may be."""
    concurrency, full = of.means(of.windows.concurrency), of.full
    reached = of.curve.throughput(np.array(of.top))
    kept = [_kept(of, promise, concurrency, reached) for promise in promises]
    ends = [(draws, told.promise.name) for told, draws in kept if told.rate and not told.rate.at_least]
    # Where it was never full, what it carried is known to be usable; what lies beyond is not.
    tops = [used_ratio * curve.most for curve in (of.batch, of.curve)] if full else [reached]
    ways = [[*ends, (top, SATURATION if full else "")] for top in tops]
    limited_by = min(ways[0], key=lambda end: float(end[0][0]))[1]
    usable = [np.minimum.reduce([draws for draws, _ in way]) for way in ways]
    return Replica(
        most=either(bootstrapped(of.batch.most), bootstrapped(of.curve.most)) if full else _at_least(reached),
        places=float(of.curve.places[0]),
        curve=of.curve,
        points=(concurrency[0], of.means(of.windows.throughput)[0]),
        seen=of.top,
        kept=tuple(told for told, _ in kept),
        usable=either(bootstrapped(usable[0]), bootstrapped(usable[-1])) if limited_by else _at_least(usable[0]),
        limited_by=limited_by,
    )


def _kept(of: Fitted, promise: Promise, concurrency: Floats, reached: Floats) -> tuple[Kept, Floats]:
    """Return up to which rate a promise is kept, and the same in every draw."""
    slow, every = of.sums(promise.slow), of.sums(promise.all)
    if every[0].sum() <= 0:
        return Kept(promise=promise, rate=None, slow_share=math.nan), reached
    share = float(slow[0].sum() / every[0].sum())
    last = np.array([_last(*row, 1 - promise.target) for row in zip(slow, every, concurrency, strict=True)])
    if not np.isfinite(last[0]):
        return Kept(promise=promise, rate=None, slow_share=share), reached
    if last[0] >= np.nanmax(np.where(every[0] > 0, concurrency[0], np.nan)):
        return Kept(promise=promise, rate=_at_least(reached), slow_share=share), reached
    rates = of.curve.throughput(np.where(np.isfinite(last), last, last[0]))
    return Kept(promise=promise, rate=bootstrapped(rates), slow_share=share), rates


def _last(slow: Floats, every: Floats, concurrency: Floats, allowed: float) -> float:
    """Return the greatest concurrency up to which at most a share is slow; NaN without one."""
    told = np.flatnonzero(every > 0)
    order = told[np.argsort(concurrency[told], kind="stable")]
    good = isotonic.kept_up_to(slow[order].tolist(), every[order].tolist(), allowed)
    return float(concurrency[order[good - 1]]) if good else math.nan


def _at_least(draws: Floats) -> Estimate:
    """Return the lower end of what was reached, as what there is at least."""
    low = min(float(np.quantile(draws[1:], 0.05)), float(draws[0]))
    return bootstrapped(np.array([low]), at_least=True)
