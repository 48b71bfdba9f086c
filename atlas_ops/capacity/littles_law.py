"""Little's law, L = lambda W: what the counters of finished requests say is in the servers, against what the gauges say. Called by `assess`.

Both are of the same windows. They agree when all that is in a server is told by the gauges, all that leaves it by the histogram, and
nothing waits elsewhere; so when they do not, one of the signals means something else than it seems to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_ops.capacity.estimate import Estimate, bootstrapped
from atlas_ops.capacity.observed import Floats, Observed
from atlas_ops.detect.capacity import Whole

TOLERANCE = 0.1
"""Requests that are under way at the ends, and twenty readings of a gauge in a window, make some per cent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """Requests in all servers together, on average over the time in which both are known."""

    counted: float
    """Arrivals times time, from the counters."""
    gauged: float
    ratio: Estimate
    """The first by the second."""

    @property
    def agree(self) -> bool:
        """Whether they may be the same, but for the tolerance."""
        return self.ratio.low <= 1 + TOLERANCE and self.ratio.high >= 1 - TOLERANCE

    @property
    def meaning(self) -> str:
        """Return what it means."""
        if self.agree:
            return "they agree"
        if self.ratio.value < 1:
            return (
                "the gauges see more than finishes: requests that no histogram tells (cancelled, rejected late, still under way), a "
                "gauge of several models or processes, or servers that are counted twice"
            )
        return (
            "more finishes than the gauges see: requests that wait where no gauge looks (in a proxy or the server's own front end), "
            "or bursts between two scrapes"
        )


def gauged(seen: Observed) -> Floats:
    """Return the requests that run and wait, by the gauges; only those that run where no server ever tells what waits."""
    waits = np.isfinite(seen.waiting).any(axis=1, keepdims=True)
    return np.asarray(seen.running + np.where(waits, seen.waiting, 0.0))


def compare(seen: Observed, blocks: Whole, weights: Floats) -> Law | None:
    """Return both; None where one of them is not told at all."""
    gauge = gauged(seen)
    both = np.isfinite(gauge) & np.isfinite(seen.busy)
    counted, by_gauge = (
        np.bincount(blocks, np.where(both, values, 0.0).sum(axis=0), weights.shape[1]) for values in (seen.busy, gauge)
    )
    if by_gauge.sum() <= 0 or counted.sum() <= 0:
        return None
    windows = max(int(both.any(axis=0).sum()), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (weights @ counted) / (weights @ by_gauge)
    return Law(
        counted=float(counted.sum()) / windows, gauged=float(by_gauge.sum()) / windows, ratio=bootstrapped(ratios)
    )
