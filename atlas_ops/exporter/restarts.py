"""Notices that a model server has started anew, by the means that its page allows.

Called by `server_collector` with the samples of every good scrape. Many runtimes have no process start time, and some
lose it with their second worker; then counters that fall tell it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import SignalType
from atlas_ops.exporter.samples import Labels, Sample

_log = logging.getLogger(__name__)
_START_TOLERANCE_SECONDS = 1.0
"""Some libraries compute the start time anew for each page, from clocks that differ by fractions of a second."""
_START_TIMES = 16
"""Start times that are remembered: a server that comes back to one of them has several processes."""
_MAX_COUNTERS = 10_000
"""Counters that are remembered; what a full set of models has is below it."""

_Key = tuple[str, Labels]


class Restarts:
    """Counts the restarts of one server since the exporter started."""

    def __init__(self, server: str) -> None:
        self.count = 0
        self._server = server
        self._starts: deque[float] = deque(maxlen=_START_TIMES)
        self._several = False
        self._counters: dict[_Key, float] = {}

    def observe(self, samples: Iterable[Sample]) -> None:
        """Compare a page with what was known before; samples of failed scrapes must not be passed."""
        samples = tuple(samples)
        started = next((sample.value for sample in samples if sample.signal is s.SERVER_START_TIME), None)
        counters = {
            (sample.signal.name, sample.labels): sample.value for sample in samples if _falls_on_restart(sample)
        }
        by_start = self._by_start(started)
        by_counters = self._by_counters(counters)
        # The start time is the better witness, where there is one. Several processes behind one port show a start time
        # and counters that jump back and forth, and nothing tells a restart from that.
        if not self._several and (by_start if started is not None else by_counters):
            self.count += 1
            _log.warning("server %s has restarted (%d since the exporter started)", self._server, self.count)

    def _by_start(self, started: float | None) -> bool:
        if started is None or (self._starts and _alike(started, self._starts[-1])):
            return False
        first = not self._starts
        if not self._several and any(_alike(started, earlier) for earlier in self._starts):
            self._several = True
            _log.warning(
                "server %s shows start times in turn: several processes share its port, so its counters alternate",
                self._server,
            )
        self._starts.append(started)
        return not first

    def _by_counters(self, counters: dict[_Key, float]) -> bool:
        """Say whether the counters of every model that had counted something have fallen or gone.

        One model that is loaded again resets its own counters; a new process resets them all.
        """
        fell: set[str] = set()
        held: set[str] = set()
        for key, before in self._counters.items():
            now = counters.get(key)
            if now is not None and before > 0:
                (fell if now < before else held).add(_model(key))
        restarted = bool(fell) and held <= fell
        # What is gone stays remembered: the first page after a restart often has no model yet. What the old process
        # counted is forgotten, or a model that comes back later would tell of the same restart again.
        old = {} if restarted or len(self._counters) > _MAX_COUNTERS else self._counters
        self._counters = old | counters
        return restarted


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= _START_TOLERANCE_SECONDS


def _falls_on_restart(sample: Sample) -> bool:
    # `other` changes with the models that it is made of.
    counts = sample.signal.type is SignalType.COUNTER or sample.part == "_count"
    return counts and (c.MODEL, c.OVERFLOW) not in sample.labels


def _model(key: _Key) -> str:
    return next((value for name, value in key[1] if name == c.MODEL), "")
