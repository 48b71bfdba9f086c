"""Counts of a model's features out of Prometheus, in windows of five minutes. Called by `prometheus_fit` and by `atlas_ops.watch`.

Features that a server counts itself (`atlas_ops.instrument.FeatureCounter`) are there bin by bin; others are told by every LLM
runtime (`runtime_features`). `increase` sees restarts of servers, and bridges missed scrapes; of a pod that joins it sees all bins
from the same scrape on, so that shares stay what they are.
"""

from __future__ import annotations

import math
from collections import Counter
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
from atlas_ops.drift.runtime_features import LENGTHS, Servers, Told, length, reasons, told
from atlas_ops.errors import DataError
from atlas_ops.prometheus import Course, Prometheus

_REPLICAS = ("prometheus_replica", "replica")
"""How Prometheis that scrape the same servers are told apart where somebody has put their samples together."""
_DAY = round(DAY / STEP)
_MOST_GROWN = 2.0**53
"""Requests in five minutes, at the most: what grew by more, by less than nothing or by NaN is damage, and nothing is known of that time."""
Progress = Callable[[int], None]
"""Hears how many windows have been read."""
_Grown = NDArray[np.float64]
_Places = NDArray[np.int64]


def counts(
    client: Prometheus,
    model: str,
    features: Sequence[Feature],
    start: float,
    end: float,
    progress: Progress = lambda _windows: None,
) -> Windows:
    """Return the counts of a model's features in each whole window from `start` to `end` (Unix seconds).

    Windows are seen in which some server was scraped, and none counted into other bins than the features', had other buckets than
    theirs, or told what is no count; the others are all zeros.
    EnvironmentProblem when Prometheus does not answer.
    """
    reader = _Reader(client, model, start, end, progress)
    grown = reader.values(features)
    for feature in features:
        if feature.name not in reader.counted and (by_runtimes := told(feature)):
            grown[feature.name] = reader.told(by_runtimes)
    for of in grown.values():
        of[~reader.seen] = 0.0
    return Windows(times=reader.times, counts={name: _whole(grown[name]) for name in grown}, seen=reader.seen)


def check_bins(client: Prometheus, model: str, features: Sequence[Feature], at: float) -> None:
    """Raise DataError when a server counts a feature into other bins `at` a Unix time: with another reference, or by its runtime's."""
    expected = {feature.name: _checksum(feature) for feature in features}
    points = [point for expr in _checksums(model) for point in client.query(expr, at=at)]
    names = [point.labels.get(c.FEATURE, "") for point in points]
    for feature in features:
        if feature.name not in names and (by_runtimes := told(feature)):
            _check_told(client, model, by_runtimes, at)
    found = {name for name, point in zip(names, points, strict=True) if expected.get(name, point.value) != point.value}
    if found:
        raise DataError(
            f"servers of {model!r} count {', '.join(sorted(found))} into other bins than those of the reference",
            next_step="give the reference that they have loaded, or let all of them load this one",
        )


def _check_told(client: Prometheus, model: str, told: Told, at: float) -> None:
    """Raise DataError when a server that tells a feature lacks something that is a bin of the reference."""
    servers: Counter[int | None] = Counter()
    most = 0
    for point in client.query(f"count by ({told.label}) ({_select(told.metric, model)})", at=at):
        servers[told.place(point.labels.get(told.label, ""))] += round(point.value)
        most = max(most, round(point.value))
    lacking = [place for place in range(len(told.needed)) if servers[place] != most]
    if lacking:
        who = "none of" if not any(servers[place] for place in lacking) else "not all of"
        raise DataError(
            f"servers tell {told.feature.name} otherwise than the reference has it: {who} the servers of {model!r} that tell "
            f"{told.metric} have {told.lacks(lacking)}",
            next_step="let all servers tell the same, or make the reference again with `atlas-ops drift fit --prometheus`",
        )


def offered(client: Prometheus, model: str, start: float, end: float) -> tuple[Feature, ...]:
    """Return what the runtimes of a model's servers tell of its requests, as features."""
    found: list[Feature | None] = []
    for name, signal in LENGTHS.items():
        courses = _courses(client, f"count by (le) ({_select(signal.series[0], model)})", start, end)
        found.append(length(name, Servers(courses, "le")))
    ends = _select(s.REQUESTS_FINISHED, model)
    servers = Servers(_courses(client, f"count by (reason) ({ends})", start, end), "reason")
    happened = [course.labels["reason"] for course in _courses(client, f"max by (reason) ({ends}) > 0", start, end)]
    found.append(reasons(servers, happened))
    return tuple(feature for feature in found if feature is not None)


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

    def __init__(self, client: Prometheus, model: str, start: float, end: float, progress: Progress) -> None:
        self._client, self._model, self._progress = client, model, progress
        self._first = math.ceil(start / STEP)
        self._windows = max(0, math.floor(end / STEP) - self._first)
        self.times = (self._first + 1 + np.arange(self._windows)) * STEP
        self._scraped: NDArray[np.bool_] = np.zeros(self._windows, dtype=np.bool_)
        self._strange: NDArray[np.bool_] = np.zeros(self._windows, dtype=np.bool_)
        self.counted: set[str] = set()
        """Features of which there are counters, as far as `values` has read them."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """In which of the windows that were read the counts are known."""
        return self._scraped & ~self._strange

    def values(self, features: Sequence[Feature]) -> dict[str, _Grown]:
        """Return how much the counters of each bin grew in each window, all zeros where there are none."""
        grown = {feature.name: np.zeros((self._windows, len(feature.bins))) for feature in features}
        places = {(f.name, name): place for f in features for place, name in enumerate(f.bins)}
        for labels, windows, values in self._increases(s.FEATURE_VALUES.name, (c.FEATURE, c.BIN)):
            name, of = labels.get(c.FEATURE, ""), labels.get(c.BIN, "")
            self.counted.add(name)
            if (name, of) in places:
                grown[name][windows, places[name, of]] = values
        for name, others in self._other_bins(features).items():
            grown[name][others] = 0.0
            self._strange |= others
        return grown

    def told(self, by_runtimes: Told) -> _Grown:
        """Return the requests in each bin of a feature that runtimes tell, in each window.

        A window is not seen in which some server lacked one of the bins: the sums of all servers would be no distribution.
        """
        grown, servers = np.zeros((2, self._windows, by_runtimes.width))
        most = np.zeros(self._windows)
        metric, label = by_runtimes.metric, by_runtimes.label
        for labels, windows, values in self._increases(metric, (label,), without=label):
            if (place := by_runtimes.place(labels.get(label, ""))) is not None:
                grown[windows, place] += values
        for labels, windows, values in self._increases(metric, (label,), "count", without=label):
            most[windows] = np.maximum(most[windows], values)
            if (place := by_runtimes.place(labels.get(label, ""))) is not None:
                servers[windows, place] += values
        needed = len(by_runtimes.needed)
        mixed = (servers[:, :needed] != most[:, None]).any(axis=1)
        self._strange |= mixed
        grown[mixed] = 0.0
        return by_runtimes.bins(grown)

    def _increases(
        self, metric: str, by: tuple[str, ...], how: str = "sum", *, without: str = ""
    ) -> Iterator[tuple[Mapping[str, str], _Places, _Grown]]:
        """Yield (labels, windows, how much it grew in each) of every counter of the model, summed up over its servers; or their `count`.

        Prometheis that scrape the same servers tell the same, which counts once: their mean.
        """
        expr = f"{how} by ({', '.join(by)}) (avg without ({', '.join(_REPLICAS)}) ({self._grown(metric, without)}))"
        # One day at a time: four weeks of five minutes in one query may be more than Prometheus wants to hold.
        for day in range(0, self._windows, _DAY):
            times = self.times[day : day + _DAY]
            for course in self._client.query_range(expr, times[0], times[-1], STEP):
                windows, values = self._numbers(course.times) - 1, np.asarray(course.values)
                self._scraped[windows] = True
                sensible = (values >= 0) & (values <= _MOST_GROWN)
                self._strange[windows[~sensible]] = True
                yield course.labels, windows[sensible], values[sensible]
            self._progress(len(times))

    def _numbers(self, times: Sequence[float]) -> _Places:
        """Return which windows begin at these times."""
        numbers: _Places = np.rint(np.asarray(times) / STEP).astype(np.int64)
        return numbers - self._first

    def _grown(self, metric: str, without: str) -> str:
        """Return PromQL for how much each series of the model grew in a window, leaving out servers whose counters `without` a label fell.

        The exporter's counters go on when a server restarts. They fall when a new exporter takes over, which knows the server's
        own counter alone: what that holds was counted before.
        """
        series = f"{_select(metric, self._model)}[{promql.duration(STEP)}]"
        fallen = f" unless ignoring ({without}) (resets({series}) > 0)" if without else ""
        return f"increase({series}){fallen}"

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
                    edges = self._numbers(course.times)[others]
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
