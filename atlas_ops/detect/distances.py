"""How far counts lie from reference shares, in the measures that people know: PSI, KS, chi-square, Jensen-Shannon.

They explain; they do not decide: their usual limits page tens of times a month on real traffic (drift reference, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_ops.detect.features import Counts
from atlas_ops.detect.statistics import Floats

_HALF = 0.5
"""Added to each bin, so that an empty one has a logarithm; PromQL's rules do the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distances:
    """Distances of live counts from the reference's shares."""

    psi: float
    """Population stability index in nats, less what chance alone gives: (bins - 1) / rows."""
    ks: float
    """Greatest distance of the cumulated shares, 0 to 1; of categories in the reference's order, without meaning."""
    chi2: float
    """Chi-square of the counts against the shares; degrees of freedom are the bins less one."""
    js: float
    """Jensen-Shannon distance to base 2, 0 to 1."""
    rows: int


def smoothed(counts: Counts | Floats) -> Floats:
    """Return shares with half a row added to each bin; bins are the last axis."""
    total = counts.sum(axis=-1, keepdims=True) + _HALF * counts.shape[-1]
    return np.asarray((counts + _HALF) / total, dtype=np.float64)


def psi(now: Floats, shares: Floats) -> Floats:
    """Return the population stability index of smoothed shares, in nats; chance alone gives (bins - 1) / rows."""
    return np.asarray(((now - shares) * np.log(now / shares)).sum(axis=-1))


def distances(live: Counts, shares: Floats) -> Distances:
    """Return the distances of counts from reference shares (smoothed: none is 0)."""
    rows = int(live.sum())
    if rows == 0:
        return Distances(psi=0.0, ks=0.0, chi2=0.0, js=0.0, rows=0)
    now = smoothed(live)
    beyond_chance = float(psi(now, shares)) - (len(shares) - 1) / rows
    raw = live / rows
    expected = shares * rows
    middle = (now + shares) / 2
    divergence = float((now * np.log2(now / middle) + shares * np.log2(shares / middle)).sum()) / 2
    return Distances(
        psi=max(0.0, beyond_chance),
        ks=float(np.abs(np.cumsum(raw) - np.cumsum(shares)).max()),
        chi2=float(((live - expected) ** 2 / expected).sum()),
        js=float(np.sqrt(max(0.0, divergence))),
        rows=rows,
    )
