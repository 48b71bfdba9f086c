"""Real traces as they are, an hour each: one half against the other, and one service against another. Used by `benchmarks.drift_quality`.

The first half of a trace, in the order of its rows, is a reference without times (`drift check` judges by how its parts differ); the second
half comes in pieces of some minutes. Beside it: Kolmogorov-Smirnov at .05 and PSI, on the same counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect import batch
from atlas_ops.detect.distances import distances, smoothed
from atlas_ops.detect.features import Feature
from atlas_ops.detect.statistics import statistics
from atlas_ops.detect.windows import Windows, observe
from benchmarks.drift_traces import Trace

PIECES = 6
"""Pieces of the second half: five minutes each."""


def print_all(traces: Sequence[Trace]) -> None:
    """Print a line for each pair of traces."""
    print(
        f"\nTraces as they are: share of {PIECES} pieces of five minutes that are drift against the first half hour\n"
    )
    print("| reference | live | drift check | KS .05 / features | PSI > 0.1 | PSI > 0.25 |\n|---|---|---|---|---|---|")
    for trace in traces:
        for other in traces:
            half = len(other.lengths) // 2
            shares = _judged(trace, np.array_split(other.lengths[half:], PIECES))
            cells = " | ".join(f"{share:.0%}" for share in shares)
            print(f"| {trace.name} | {'its second half' if other is trace else other.name} | {cells} |")


def _judged(trace: Trace, pieces: Sequence[NDArray[np.int64]]) -> tuple[float, float, float, float]:
    """Return the shares of pieces that each method calls drift."""
    first = trace.lengths[: len(trace.lengths) // 2]
    features = Trace(trace.name, first).features
    reference = _blocks(features, np.array_split(first, batch.BLOCKS))
    whole = {name: counts.sum(axis=0) for name, counts in reference.counts.items()}
    watched = [one for feature in features for one in statistics(feature, smoothed(whole[feature.name]))]
    limits = batch.by_blocks(reference, watched)
    live = _blocks(features, pieces)
    now, then = observe(live, watched), observe(Windows(np.zeros(1), {n: c[None] for n, c in whole.items()}), watched)
    rows = batch.effective(now.rows, then.rows)
    ours = 0.0
    for difference, own in zip(now.values - then.values, rows, strict=True):
        place = limits.nearest(float(own.max()))
        ours += bool((np.abs(difference) >= limits.limit(place, 1) * limits.spread.deviation(place, own)).any())
    far = [
        [distances(counts, smoothed(whole[name])) for name, counts in zip(live.counts, row, strict=True)]
        for row in zip(*live.counts.values(), strict=True)
    ]
    ks_limit = np.sqrt(-np.log(0.05 / len(features) / 2) / 2)
    ks = np.mean([max(one.ks * np.sqrt(one.rows) for one in row) >= ks_limit for row in far])
    psi = [max(one.psi for one in row) for row in far]
    return ours / len(pieces), float(ks), float(np.mean(np.array(psi) > 0.1)), float(np.mean(np.array(psi) > 0.25))


def _blocks(features: Sequence[Feature], parts: Sequence[NDArray[np.int64]]) -> Windows:
    counts = {
        feature.name: np.stack([feature.count(part[:, place]) for part in parts])
        for place, feature in enumerate(features)
    }
    return Windows(np.zeros(len(parts)), counts)
