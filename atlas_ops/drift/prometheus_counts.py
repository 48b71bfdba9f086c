"""Counts of a model's features out of Prometheus, in windows of five minutes. Called by `prometheus_fit` and by `atlas_ops.watch`.

Features that a server counts itself (`atlas_ops.instrument.FeatureCounter`) are there bin by bin; lengths of prompts and answers
are told by every server that has histograms of them, whose buckets are the bins, at no extra series. `increase` sees restarts of
servers, and bridges missed scrapes; of a pod that joins it sees all bins from the same scrape on, so that shares stay what they are.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
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
from atlas_ops.prometheus import Course, Prometheus

LENGTHS = {"prompt_tokens": s.REQUEST_PROMPT_TOKENS, "generation_tokens": s.REQUEST_GENERATION_TOKENS}
"""{feature: histogram}."""
_REPLICAS = ("prometheus_replica", "replica")
"""How Prometheis that scrape the same servers are told apart where somebody has put their samples together."""
_DAY = round(DAY / STEP)
_MOST_GROWN = 2.0**53
"""Requests in five minutes, at the most: what grew by more, by less than nothing or by NaN is damage, and nothing is known of that time."""
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

    Windows are seen in which some server was scraped, and none counted into other bins than the features', had other buckets than
    theirs, or told what is no count; the others are all zeros.
    EnvironmentProblem when Prometheus does not answer.
    """
    reader = _Reader(client, model, start, end, told)
    grown = reader.values(features)
    for feature in features:
        if feature.name in LENGTHS and isinstance(feature, Numeric) and not grown[feature.name].any():
            grown[feature.name] = reader.lengths(feature)
    for of in grown.values():
        of[~reader.seen] = 0.0
    return Windows(times=reader.times, counts={name: _whole(grown[name]) for name in grown}, seen=reader.seen)


def check_bins(client: Prometheus, model: str, features: Sequence[Feature], at: float) -> None:
    """Raise DataError when a server counts a feature into other bins `at` a Unix time: with another reference, or in other buckets."""
    expected = {feature.name: _checksum(feature) for feature in features}
    told = [point for expr in _checksums(model) for point in client.query(expr, at=at)]
    names = [point.labels.get(c.FEATURE, "") for point in told]
    for feature in features:
        if feature.name in LENGTHS and feature.name not in names and isinstance(feature, Numeric):
            _check_buckets(client, model, feature, at)
    found = {name for name, point in zip(names, told, strict=True) if expected.get(name, point.value) != point.value}
    if found:
        raise DataError(
            f"servers of {model!r} count {', '.join(sorted(found))} into other bins than those of the reference",
            next_step="give the reference that they have loaded, or let all of them load this one",
        )


def _check_buckets(client: Prometheus, model: str, feature: Numeric, at: float) -> None:
    """Raise DataError when a server that tells a length lacks buckets that are edges of the feature's bins."""
    metric = LENGTHS[feature.name].series[0]
    servers: Counter[float] = Counter()
    for point in client.query(f"count by (le) ({_select(metric, model)})", at=at):
        servers[float(point.labels["le"])] += round(point.value)
    lacking = [bound for bound in feature.edges[1:] if servers[bound] != servers[math.inf]]
    if lacking:
        who = "none of" if not any(servers[bound] for bound in lacking) else "not all of"
        raise DataError(
            f"servers have other buckets of {feature.name} than the reference: {who} the servers of {model!r} that tell {metric} "
            f"have the buckets le={', '.join(f'{bound:g}' for bound in lacking)}",
            next_step="give all servers the same buckets, or make the reference again with `atlas-ops drift fit --prometheus`",
        )


def lengths(client: Prometheus, model: str, start: float, end: float) -> tuple[Numeric, ...]:
    """Return those of the lengths that the servers of a model tell, with the buckets of their histograms as bins.

    Buckets count that all servers had for more than half of the time: what others had cannot be added up.
    """
    found = []
    for name, histogram in LENGTHS.items():
        bounds = _common_bounds(client, histogram.series[0], model, start, end)
        if bounds:
            found.append(Numeric(name=name, edges=(*([0.0] if bounds[0] > 0 else [bounds[0] - 1.0]), *bounds)))
    return tuple(found)


def _common_bounds(client: Prometheus, metric: str, model: str, start: float, end: float) -> list[float]:
    """Return the finite bounds of buckets that all servers had for more than half of the time in which any had buckets, rising."""
    servers: dict[float, Counter[float]] = defaultdict(Counter)
    for course in _courses(client, f"count by (le) ({_select(metric, model)})", start, end):
        for at, value in zip(course.times, course.values, strict=True):
            servers[float(course.labels["le"])][at] += round(value)
    all_servers = servers.pop(math.inf, Counter())
    whole = {bound: sum(of[at] == number for at, number in all_servers.items()) for bound, of in servers.items()}
    return sorted(bound for bound, times in whole.items() if times > len(all_servers) / 2)


def counted(client: Prometheus, model: str, start: float, end: float) -> frozenset[str]:
    """Return the names of the features that the servers of a model count."""
    expr = f"count by ({c.FEATURE}) ({_select(s.FEATURE_VALUES, model)})"
    return frozenset(course.labels.get(c.FEATURE, "") for course in _courses(client, expr, start, end))


def _courses(client: Prometheus, expr: str, start: float, end: float) -> Iterator[Course]:
    """Yield what an expression was, a day at a time."""
    while start <= end:
        yield from client.query_range(expr, start, min(start + DAY, end), STEP)
        start += DAY + STEP


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
        """Return the requests in each bin of a length in each window.

        A window is not seen in which some server lacked one of the buckets: the sums of all servers would be no distribution.
        """
        bounds = {bound: place for place, bound in enumerate((*feature.edges[1:], math.inf))}
        cumulated, servers = np.zeros((2, self._windows, len(bounds)))
        metric = LENGTHS[feature.name].series[0]
        for of, how in ((cumulated, "sum"), (servers, "count")):
            for labels, window, value in self._increases(metric, ("le",), how):
                place = bounds.get(float(labels["le"]))
                if place is not None:  # `1` and `1.0` are one bound of servers that write it differently
                    of[window, place] += value
        mixed = (servers != servers[:, -1:]).any(axis=1)
        self._strange |= mixed
        cumulated[mixed] = 0.0
        # `increase` guesses at the edges of a window for each bucket by itself, so that one may fall a little behind a lower one.
        bins = np.diff(np.maximum.accumulate(cumulated, axis=1), axis=1, prepend=0.0)
        nothing = np.zeros((self._windows, 1))
        return np.hstack([bins[:, :-1], nothing, bins[:, -1:], nothing])  # below, above the greatest bound, missing

    def _increases(
        self, metric: str, by: tuple[str, ...], how: str = "sum"
    ) -> Iterator[tuple[Mapping[str, str], int, float]]:
        """Yield (labels, window, how much it grew) of every counter of the model, summed up over its servers; or their `count`.

        Prometheis that scrape the same servers tell the same, which counts once: their mean.
        """
        grown = f"increase({_select(metric, self._model)}[{promql.duration(STEP)}])"
        expr = f"{how} by ({', '.join(by)}) (avg without ({', '.join(_REPLICAS)}) ({grown}))"
        # One day at a time: four weeks of five minutes in one query may be more than Prometheus wants to hold.
        for day in range(0, self._windows, _DAY):
            times = self.times[day : day + _DAY]
            for course in self._client.query_range(expr, times[0], times[-1], STEP):
                for at, value in zip(course.times, course.values, strict=True):
                    window = round(at / STEP) - 1 - self._first
                    self._scraped[window] = True
                    if 0 <= value <= _MOST_GROWN:
                        yield course.labels, window, value
                    else:
                        self._strange[window] = True
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
