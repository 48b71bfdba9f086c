"""Counts of a model's features out of Prometheus, in windows of five minutes. Called by `prometheus_fit` and by `atlas_ops.watch`.

Features that a server counts itself (`atlas_ops.instrument.FeatureCounter`) are there bin by bin; lengths of prompts and answers
are told by every server that has histograms of them, whose buckets are the bins, at no extra series. `increase` sees restarts of
servers, and bridges missed scrapes; of a pod that joins it sees all bins from the same scrape on, so that shares stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.checksum import bins_checksum
from atlas_ops.detect.features import Feature, Numeric
from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.detect.windows import STEP, Windows
from atlas_ops.errors import DataError
from atlas_ops.prometheus import Prometheus

LENGTHS = {"prompt_tokens": s.REQUEST_PROMPT_TOKENS, "generation_tokens": s.REQUEST_GENERATION_TOKENS}
"""{feature: histogram}."""
_REPLICAS = ("prometheus_replica", "replica")
"""How Prometheis that scrape the same servers are told apart where somebody has put their samples together."""
_DAY = round(DAY / STEP)
Told = Callable[[int], None]
"""Hears how many windows have been read."""
_Grown = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Span:
    """Windows by their numbers: window n begins at n * STEP, Unix time."""

    first: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.first


def counts(
    client: Prometheus,
    model: str,
    features: Sequence[Feature],
    start: float,
    end: float,
    told: Told = lambda _windows: None,
) -> Windows:
    """Return the counts of a model's features in each whole window from `start` to `end` (Unix seconds).

    A window that nothing is known of is all zeros, and so is one in which a server counted by other bins than the feature's.
    DataError when there is none but such; EnvironmentProblem when Prometheus does not answer.
    """
    first = math.ceil(start / STEP)
    span = _Span(first, max(first, math.floor(end / STEP)))
    grown = _values(client, model, features, span, told)
    for feature in features:
        if feature.name in LENGTHS and isinstance(feature, Numeric) and not grown[feature.name].any():
            grown[feature.name] = _lengths(client, model, feature, span, told)
    times = (span.first + 1 + np.arange(span.length)) * STEP
    return Windows(times=times, counts={name: _whole(values) for name, values in grown.items()})


def lengths(client: Prometheus, model: str, start: float, end: float) -> tuple[Numeric, ...]:
    """Return those of the lengths that the servers of a model tell, with the buckets of their histograms as bins."""
    found = []
    for name, histogram in LENGTHS.items():
        courses = client.query_range(f"count by (le) ({_select(histogram.series[0], model)})", start, end, HOUR)
        bounds = sorted(float(course.labels["le"]) for course in courses if course.labels["le"] != "+Inf")
        if bounds:
            found.append(Numeric(name=name, edges=(*([0.0] if bounds[0] > 0 else [bounds[0] - 1.0]), *bounds)))
    return tuple(found)


def counted(client: Prometheus, model: str, start: float, end: float) -> frozenset[str]:
    """Return the names of the features that the servers of a model count."""
    courses = client.query_range(f"count by ({c.FEATURE}) ({_select(s.FEATURE_VALUES, model)})", start, end, HOUR)
    return frozenset(course.labels.get(c.FEATURE, "") for course in courses)


def _values(client: Prometheus, model: str, features: Sequence[Feature], span: _Span, told: Told) -> dict[str, _Grown]:
    """Return how much the counters of each bin grew in each window, all zeros where there are none."""
    grown = {feature.name: np.zeros((span.length, len(feature.bins))) for feature in features}
    places = {(f.name, name): place for f in features for place, name in enumerate(f.bins)}
    for labels, window, value in _increases(client, s.FEATURE_VALUES.name, model, (c.FEATURE, c.BIN), span, told):
        name, of = labels.get(c.FEATURE, ""), labels.get(c.BIN, "")
        if (name, of) in places:
            grown[name][window, places[name, of]] = value
    strange = _other_bins(client, model, features, span)
    for name, windows in strange.items():
        if not grown[name][~windows].any():
            raise DataError(
                f"the servers of {model!r} count {name} into other bins than those of the reference",
                next_step="give the reference that the servers have loaded, or let them load this one",
            )
        grown[name][windows] = 0.0
    return grown


def _other_bins(
    client: Prometheus, model: str, features: Sequence[Feature], span: _Span
) -> dict[str, NDArray[np.bool_]]:
    """Return in which windows some server counted by other bins, for each feature that this happened to."""
    expected = {feature.name: _checksum(feature) for feature in features}
    found: dict[str, NDArray[np.bool_]] = {}
    for of in ("min", "max"):
        expr = f"{of} by ({c.FEATURE}) ({_select(s.FEATURE_BINS_CHECKSUM, model)})"
        for course in client.query_range(expr, span.first * STEP, span.end * STEP, STEP):
            name = course.labels.get(c.FEATURE, "")
            places = [
                round(at / STEP) - span.first
                for at, value in zip(course.times, course.values, strict=True)
                if name in expected and value != expected[name]
            ]
            if places:
                windows = found.setdefault(name, np.zeros(span.length, dtype=bool))
                # What is so when a window begins or ends may have been so in all of it.
                windows[[place for place in places if place < span.length]] = True
                windows[[place - 1 for place in places if place > 0]] = True
    return found


def _checksum(feature: Feature) -> int:
    return bins_checksum(feature.edges) if isinstance(feature, Numeric) else bins_checksum(feature.names, feature.known)


def _lengths(client: Prometheus, model: str, feature: Numeric, span: _Span, told: Told) -> _Grown:
    """Return the requests in each bin of a length in each window; all zeros when the buckets are not those of its bins."""
    bounds = (*feature.edges[1:], math.inf)
    cumulated = np.full((span.length, len(bounds)), np.nan)
    for labels, window, value in _increases(client, LENGTHS[feature.name].series[0], model, ("le",), span, told):
        bound = float(labels["le"])
        if bound in bounds:
            cumulated[window, bounds.index(bound)] = value
    if np.isnan(cumulated).all(axis=0).any():
        return np.zeros((span.length, len(feature.bins)))
    bins = np.diff(np.maximum.accumulate(np.nan_to_num(cumulated), axis=1), axis=1, prepend=0.0)
    nothing = np.zeros((span.length, 1))
    return np.hstack([bins[:, :-1], nothing, bins[:, -1:], nothing])  # below, above the greatest bound, missing


def _increases(
    client: Prometheus, metric: str, model: str, by: tuple[str, ...], span: _Span, told: Told
) -> Iterator[tuple[Mapping[str, str], int, float]]:
    """Yield (labels, window, how much it grew) of every counter of a model, summed up over its servers.

    Prometheis that scrape the same servers tell the same, which counts once: their mean.
    """
    window = promql.duration(STEP)
    expr = promql.sum_by(by, f"avg without ({', '.join(_REPLICAS)}) (increase({_select(metric, model)}[{window}]))")
    # One day at a time: four weeks of five minutes in one query may be more than Prometheus wants to hold.
    for first in range(span.first, span.end, _DAY):
        end = min(first + _DAY, span.end)
        for course in client.query_range(expr, (first + 1) * STEP, end * STEP, STEP):
            for at, value in zip(course.times, course.values, strict=True):
                yield course.labels, round(at / STEP) - 1 - span.first, 0.0 if math.isnan(value) else value
        told(end - first)


def _whole(grown: _Grown) -> NDArray[np.int64]:
    """Return whole numbers whose sums over any windows are right to one: what is rounded off goes on to the next window."""
    return np.diff(np.rint(np.cumsum(grown, axis=0)), axis=0, prepend=0.0).astype(np.int64)


def _select(metric: object, model: str) -> str:
    return promql.select(metric, f"{c.MODEL}={promql.quote(model)}")
