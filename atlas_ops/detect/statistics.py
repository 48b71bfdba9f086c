"""What is watched of a feature, all of it out of its bin counts, which add over pods and time.

Of a number: where it lies, how wide it is within a window, the shares of its two outermost bins, and of what is missing or out of
range. Of a category: the share of each. All but the width are linear in the counts, and work in PromQL as well. KS and PSI miss a new tenant or one category that grows; shares of single bins do not
(measured: drift reference, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import Category, Feature, Numeric

Floats = NDArray[np.float64]
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistic:
    """One number that is watched: `weights` of the bins of a feature, added up over the counts and divided by their number."""

    feature: str
    name: str
    """`location`, `scale`, or `share of <bin>`."""
    weights: tuple[float, ...]
    about: tuple[float, ...] | None = None
    """Weights of a mean whose square is taken off, so that what is left is a variance: a mean that wanders makes it no wider."""

    @property
    def is_share(self) -> bool:
        """Whether its values lie between 0 and 1; else they are in standard deviations."""
        return self.name.startswith("share of ")


def statistics(feature: Feature, shares: Floats) -> tuple[Statistic, ...]:
    """Return what is watched of a feature whose bins have these shares in the reference."""
    if isinstance(feature, Category):
        watched = [place for place, name in enumerate(feature.bins)]
        return tuple(_share(feature, place) for place in watched)
    scores = _scores(feature, shares)
    ends = [0, feature.inner - 1] if feature.inner > 1 else [0]
    outside = range(feature.inner, len(feature.bins))
    return (
        Statistic(feature=feature.name, name="location", weights=tuple(scores)),
        Statistic(feature=feature.name, name="scale", weights=tuple(scores**2), about=tuple(scores)),
        *(_share(feature, place) for place in (*ends, *outside)),
    )


def _share(feature: Feature, place: int) -> Statistic:
    weights = np.zeros(len(feature.bins))
    weights[place] = 1.0
    return Statistic(feature=feature.name, name=f"share of {feature.bins[place]}", weights=tuple(weights))


def _scores(feature: Numeric, shares: Floats) -> Floats:
    """Return a normal score for each bin: the quantile of its middle, standardised; what is missing scores nothing.

    What lies below the range scores as the lowest bin's edge would, 2.5 standard deviations, and above likewise.
    """
    inner = shares[: feature.inner]
    total = float(inner.sum()) or 1.0
    middles = (np.cumsum(inner) - inner / 2) / total
    scores = np.array([_NORMAL.inv_cdf(min(max(float(middle), 0.005), 0.995)) for middle in middles])
    scores -= float(scores @ inner) / total
    deviation = float(np.sqrt(scores**2 @ inner / total)) or 1.0
    return np.concatenate([scores / deviation, [-2.5, 2.5, 0.0]])
