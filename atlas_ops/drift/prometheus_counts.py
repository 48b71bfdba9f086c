"""Counts of a model's features out of Prometheus, in windows of five minutes. Called by `prometheus_fit` and by `atlas_ops.watch`.

Features that a server counts itself (`atlas_ops.instrument.FeatureCounter`) are there bin by bin; others are told by every LLM
runtime (`runtime_features`). `increase` sees restarts of servers, and bridges missed scrapes; of a pod that joins it sees all bins
from the same scrape on, so that shares stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.detect.features import Feature
from atlas_ops.detect.season import DAY
from atlas_ops.detect.windows import STEP, Windows
from atlas_ops.drift.runtime_features import Told, told
from atlas_ops.drift.server_bins import checksum, checksums, of_model
from atlas_ops.prometheus import Prometheus

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

        Prometheis that scrape the same servers tell the same, which counts once: their mean. So do exporters.
        """
        one = (
            f"avg by ({', '.join((*c.SERVER_LABELS, without))})" if without else f"avg without ({', '.join(_REPLICAS)})"
        )
        expr = f"{how} by ({', '.join(by)}) ({one} ({self._grown(metric, without)}))"
        # One day at a time: four weeks of five minutes in one query may be more than Prometheus wants to hold.
        for day in range(0, self._windows, _DAY):
            times = self.times[day : day + _DAY]
            for course in self._client.query_range(expr, times[0], times[-1], STEP, whole=True):
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
        series = f"{of_model(metric, self._model)}[{promql.duration(STEP)}]"
        fallen = f" unless ignoring ({without}) (resets({series}) > 0)" if without else ""
        return f"increase({series}){fallen}"

    def _other_bins(self, features: Sequence[Feature]) -> dict[str, NDArray[np.bool_]]:
        """Return in which windows some server counted by other bins, for each feature that this happened to."""
        expected = {feature.name: checksum(feature) for feature in features}
        found: dict[str, NDArray[np.bool_]] = {}
        start = self._first * STEP
        for expr in checksums(self._model):
            for course in self._client.query_range(expr, start, start + self._windows * STEP, STEP, whole=True):
                name = course.labels.get(c.FEATURE, "")
                others = np.asarray(course.values) != expected.get(name, 0)
                if name in expected and others.any():
                    # What is so when a window begins or ends may have been so in all of it.
                    edges = self._numbers(course.times)[others]
                    windows = np.isin(np.arange(self._windows), [*edges, *(edges - 1)])
                    found[name] = windows | found.get(name, np.False_)
        return found


def _whole(grown: _Grown) -> NDArray[np.int64]:
    """Return whole numbers whose sums over any windows are right to one: what is rounded off goes on to the next window."""
    return np.diff(np.rint(np.cumsum(grown, axis=0)), axis=0, prepend=0.0).astype(np.int64)
