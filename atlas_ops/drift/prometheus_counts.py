"""Counts of a model's features out of Prometheus, in windows of five minutes. Called by `prometheus_fit` and by `atlas_ops.watch`.

Features that a server counts itself (`atlas_ops.instrument.FeatureCounter`) are there bin by bin; lengths of prompts and answers
are told by every server that has histograms of them, whose buckets are the bins, at no extra series. `increase` sees restarts of
servers, and bridges missed scrapes; of a pod that joins it sees all bins from the same scrape on, so that shares stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.checksum import bins_checksum
from atlas_ops.detect.features import Feature, Numeric
from atlas_ops.detect.season import DAY
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


def counts(
    client: Prometheus,
    model: str,
    features: Sequence[Feature],
    start: float,
    end: float,
    told: Told = lambda _windows: None,
) -> Windows:
    """Return the counts of a model's features in each whole window from `start` to `end` (Unix seconds).

    Windows are seen in which some server was scraped, and none counted into other bins than the features'; the others are all zeros.
    EnvironmentProblem when Prometheus does not answer.
    """
    reader = _Reader(client, model, start, end, told)
    grown = reader.values(features)
    for feature in features:
        if feature.name in LENGTHS and isinstance(feature, Numeric) and not grown[feature.name].any():
            grown[feature.name] = reader.lengths(feature)
    return Windows(times=reader.times, counts={name: _whole(grown[name]) for name in grown}, seen=reader.seen)


def check_bins(client: Prometheus, model: str, features: Sequence[Feature], at: float) -> None:
    """Raise DataError when a server counts a feature into other bins `at` a Unix time: with another reference."""
    expected = {feature.name: _checksum(feature) for feature in features}
    found = {
        name
        for expr in _checksums(model)
        for point in client.query(expr, at=at)
        if expected.get(name := point.labels.get(c.FEATURE, ""), point.value) != point.value
    }
    if found:
        raise DataError(
            f"servers of {model!r} count {', '.join(sorted(found))} into other bins than those of the reference",
            next_step="give the reference that they have loaded, or let all of them load this one",
        )


def lengths(client: Prometheus, model: str, start: float, end: float) -> tuple[Numeric, ...]:
    """Return those of the lengths that the servers of a model tell, with the buckets of their histograms as bins."""
    found = []
    for name, histogram in LENGTHS.items():
        told = _told(client, histogram.series[0], model, "le", start, end)
        bounds = sorted(bound for bound in map(float, told) if math.isfinite(bound))
        if bounds:
            found.append(Numeric(name=name, edges=(*([0.0] if bounds[0] > 0 else [bounds[0] - 1.0]), *bounds)))
    return tuple(found)


def counted(client: Prometheus, model: str, start: float, end: float) -> frozenset[str]:
    """Return the names of the features that the servers of a model count."""
    return _told(client, s.FEATURE_VALUES.name, model, c.FEATURE, start, end)


def _told(client: Prometheus, metric: str, model: str, label: str, start: float, end: float) -> frozenset[str]:
    """Return the values of a label that a metric of a model had at any time."""
    expr, found = f"count by ({label}) ({_select(metric, model)})", set()
    while start <= end:
        courses = client.query_range(expr, start, min(start + DAY, end), STEP)
        found |= {course.labels.get(label, "") for course in courses}
        start += DAY
    return frozenset(found)


class _Reader:
    """Reads the counters of one model. Windows go by their numbers: window n begins at n * STEP, Unix time."""

    def __init__(self, client: Prometheus, model: str, start: float, end: float, told: Told) -> None:
        self._client, self._model, self._told = client, model, told
        self._first = math.ceil(start / STEP)
        self._windows = max(0, math.floor(end / STEP) - self._first)
        self.times = (self._first + 1 + np.arange(self._windows)) * STEP
        self._scraped: NDArray[np.bool_] = np.zeros(self._windows, dtype=np.bool_)
        self._strange: NDArray[np.bool_] = np.zeros(self._windows, dtype=np.bool_)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """In which of the windows that were read the counts are known."""
        return self._scraped & ~self._strange

    def values(self, features: Sequence[Feature]) -> dict[str, _Grown]:
        """Return how much the counters of each bin grew in each window, all zeros where there are none."""
        grown = {feature.name: np.zeros((self._windows, len(feature.bins))) for feature in features}
        places = {(f.name, name): place for f in features for place, name in enumerate(f.bins)}
        for labels, window, value in self._increases(s.FEATURE_VALUES.name, (c.FEATURE, c.BIN)):
            name, of = labels.get(c.FEATURE, ""), labels.get(c.BIN, "")
            if (name, of) in places:
                grown[name][window, places[name, of]] = value
        for name, windows in self._other_bins(features).items():
            grown[name][windows] = 0.0
            self._strange |= windows
        return grown

    def lengths(self, feature: Numeric) -> _Grown:
        """Return the requests in each bin of a length in each window; all zeros when the buckets are not those of its bins."""
        bounds = (*feature.edges[1:], math.inf)
        cumulated = np.full((self._windows, len(bounds)), np.nan)
        for labels, window, value in self._increases(LENGTHS[feature.name].series[0], ("le",)):
            bound = float(labels["le"])
            if bound in bounds:
                cumulated[window, bounds.index(bound)] = value
        if np.isnan(cumulated).all(axis=0).any():
            return np.zeros((self._windows, len(feature.bins)))
        bins = np.diff(np.maximum.accumulate(np.nan_to_num(cumulated), axis=1), axis=1, prepend=0.0)
        nothing = np.zeros((self._windows, 1))
        return np.hstack([bins[:, :-1], nothing, bins[:, -1:], nothing])  # below, above the greatest bound, missing

    def _increases(self, metric: str, by: tuple[str, ...]) -> Iterator[tuple[Mapping[str, str], int, float]]:
        """Yield (labels, window, how much it grew) of every counter of the model, summed up over its servers.

        Prometheis that scrape the same servers tell the same, which counts once: their mean.
        """
        grown = f"increase({_select(metric, self._model)}[{promql.duration(STEP)}])"
        expr = promql.sum_by(by, f"avg without ({', '.join(_REPLICAS)}) ({grown})")
        # One day at a time: four weeks of five minutes in one query may be more than Prometheus wants to hold.
        for day in range(0, self._windows, _DAY):
            times = self.times[day : day + _DAY]
            for course in self._client.query_range(expr, times[0], times[-1], STEP):
                for at, value in zip(course.times, course.values, strict=True):
                    window = round(at / STEP) - 1 - self._first
                    self._scraped[window] = True
                    yield course.labels, window, 0.0 if math.isnan(value) else value
            self._told(len(times))

    def _other_bins(self, features: Sequence[Feature]) -> dict[str, NDArray[np.bool_]]:
        """Return in which windows some server counted by other bins, for each feature that this happened to."""
        expected = {feature.name: _checksum(feature) for feature in features}
        found: dict[str, NDArray[np.bool_]] = {}
        start = self._first * STEP
        for expr in _checksums(self._model):
            for course in self._client.query_range(expr, start, start + self._windows * STEP, STEP):
                name = course.labels.get(c.FEATURE, "")
                others = np.asarray(course.values) != expected.get(name, 0)
                if name in expected and others.any():
                    # What is so when a window begins or ends may have been so in all of it.
                    edges = np.round(np.asarray(course.times)[others] / STEP).astype(np.int64) - self._first
                    windows = np.isin(np.arange(self._windows), [*edges, *(edges - 1)])
                    found[name] = windows | found.get(name, np.False_)
        return found


def _checksums(model: str) -> tuple[str, str]:
    """Return PromQL for the least and the greatest checksum of each feature: servers may differ."""
    least, greatest = (f"{of} by ({c.FEATURE}) ({_select(s.FEATURE_BINS_CHECKSUM, model)})" for of in ("min", "max"))
    return least, greatest


def _checksum(feature: Feature) -> int:
    return bins_checksum(feature.edges) if isinstance(feature, Numeric) else bins_checksum(feature.names, feature.known)


def _whole(grown: _Grown) -> NDArray[np.int64]:
    """Return whole numbers whose sums over any windows are right to one: what is rounded off goes on to the next window."""
    return np.diff(np.rint(np.cumsum(grown, axis=0)), axis=0, prepend=0.0).astype(np.int64)


def _select(metric: object, model: str) -> str:
    return promql.select(metric, f"{c.MODEL}={promql.quote(model)}")
