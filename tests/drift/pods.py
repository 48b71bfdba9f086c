"""Pods of one model that count their features, as samples in a Prometheus: they restart, join, and miss scrapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.checksum import bins_checksum
from atlas_ops.detect.features import Category, Feature, Numeric
from atlas_ops.detect.statistics import statistics
from atlas_ops.rehearsal.samples import Series, Written

EVERY = 15
"""Seconds between two scrapes."""
Truth = Mapping[str, NDArray[np.int64]]
"""{feature: what was counted before each scrape, of shape (scrapes, bins)}."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod: its counters begin at nothing with its first scrape, and again where it restarts."""

    name: str
    first: int = 0
    """Number of its first scrape."""
    restarts: tuple[int, ...] = ()
    missed: float = 0.0
    """Share of scrapes that fail."""
    labels: tuple[tuple[str, str], ...] = ()


def truth(
    features: Sequence[Feature], shares: Mapping[str, Sequence[float]], scrapes: int, each: int, seed: int
) -> Truth:
    """Draw `each` requests before every scrape."""
    chance = np.random.default_rng(seed)
    return {f.name: chance.multinomial(each, shares[f.name], scrapes) for f in features}


def written(
    model: str,
    features: Sequence[Feature],
    shares: Mapping[str, Sequence[float]],
    pod: Pod,
    counted: Truth,
    start: float,
    seed: int = 0,
    every: int = EVERY,
) -> Iterator[Written]:
    """Yield everything that the pod's page says of `counted`, from `start` (Unix seconds) on."""
    scrapes = len(next(iter(counted.values())))
    numbers = np.arange(pod.first, scrapes)
    seen = np.random.default_rng(seed).random(len(numbers)) >= pod.missed
    times = ((start + numbers * every) * 1_000).astype(np.int64)[seen]
    for feature in features:
        common = (*pod.labels, ("feature", feature.name), ("instance", pod.name), ("model", model))
        totals = np.cumsum(counted[feature.name][pod.first :], axis=0)
        for restart in pod.restarts:
            totals[restart - pod.first :] -= totals[restart - pod.first - 1].copy()
        constants = [(s.FEATURE_BINS_CHECKSUM.name, common, float(checksum(feature)))]
        scores = () if isinstance(feature, Category) else statistics(feature, np.array(shares[feature.name]))[0].weights
        for place, label in enumerate(feature.bins):
            labels = tuple(sorted((*common, ("bin", label))))
            yield Written(Series(s.FEATURE_VALUES.name, labels), times, totals[seen, place].astype(np.float64))
            constants.append((s.FEATURE_REFERENCE_SHARE.name, labels, shares[feature.name][place]))
            if scores:
                constants.append((s.FEATURE_BIN_SCORE.name, labels, scores[place]))
        for name, labels, value in constants:
            yield Written(Series(name, tuple(sorted(labels))), times, np.full(len(times), value))


def checksum(feature: Feature) -> int:
    return bins_checksum(feature.edges) if isinstance(feature, Numeric) else bins_checksum(feature.names, feature.known)
