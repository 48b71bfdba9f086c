"""Counters that go on: over restarts, over processes that answer in turn behind one port, over series that vanish.

Called by `translate` with every page, before its series are added up: a sum of counters falls when one of them begins
anew or goes, and Prometheus would take all that is left of it for new events. What happened to the server on the way is
told too: its restarts, and how many processes answer at its address.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from atlas_ops.catalog.dialect import Dialect
from atlas_ops.exporter.ledger import Ledger
from atlas_ops.exporter.parse import Native, Page
from atlas_ops.exporter.workers import Event, Fits, Marks, Workers

_log = logging.getLogger(__name__)
_START = "process_start_time_seconds"
_RESOURCE, _INSTANCE = "target_info", "service_instance_id"
_PARTS = ("_total", "_count")


class Continuity:
    """The counters of one server, since the exporter began to read it."""

    def __init__(self, dialect: Dialect, server: str, clock: Callable[[], float] = time.time) -> None:
        self.restarts = 0
        self._server = server
        self._names = dialect.cumulative_names
        self._alternates = dialect.semantics.workers_alternate
        self._parts = dialect.part_names
        self._created = {f"{name.removesuffix(part)}_created" for name in self._names for part in _PARTS}
        self._workers = Workers(server, clock)
        self._ledger = Ledger(dialect.naming.labels, dialect.read_labels)

    @property
    def workers(self) -> int:
        """Processes that are known to answer in turn; 1 where nothing tells of more."""
        return len(self._workers.known) if self._workers.several else 1

    def apply(self, raw: Page, page: Page, models: Collection[str]) -> Page:
        """Return `page`, of these `models`, with counters that go on. `raw` is the whole page: it tells the start time."""
        counters = {name: page.of(name) for name in page.names & self._names}
        before = self._workers.answering
        event = self._workers.turn(*self._process(raw), self._fits(counters))
        worker = self._workers.answering
        if not before:
            self._ledger.rename(before, worker)
        fell = self._ledger.turn(worker, counters, joins=event is Event.JOINED)
        # The start time is the better witness, where there is one.
        if event is Event.RESTARTED or (fell and not worker):
            self.restarts += 1
            self._ledger.restarted(worker)
            _log.warning("server %s has restarted (%d since the exporter started)", self._server, self.restarts)
        self._ledger.leave_only((*self._workers.known, worker))
        # A series that is not there yet, after a restart, would come back as a flood of new events.
        several = self._workers.several
        names = {name for name in self._ledger.names if several or page.has(name) or name in self._parts}
        continued = {name: self._ledger.of(name, None if several else models) for name in counters.keys() | names}
        return page.with_samples({name: page.of(name) for name in page.names} | continued)

    def _fits(self, counters: Mapping[str, Sequence[Native]]) -> Fits | None:
        """Return how to tell processes apart by their counters, for runtimes whose processes can take turns."""
        return (lambda worker: self._ledger.growth(worker, counters)) if self._alternates else None

    def _process(self, page: Page) -> tuple[float | None, Marks]:
        """Return when the process behind a page began, in Unix time (None where the page does not tell), and its marks.

        These are OpenTelemetry's id of the instance, and when prometheus_client's oldest series was created; the second
        tells the start as well where nothing else does.
        """
        start = _oldest(sample.value for sample in page.of(_START)[:1])
        created = _oldest(sample.value for name in page.names & self._created for sample in page.of(name))
        instance = next((value for s in page.of(_RESOURCE) for name, value in s.labels if name == _INSTANCE), "")
        return start or created, (instance, repr(created) if created else "")


def _oldest(times: Iterable[float]) -> float | None:
    return min((value for value in times if value > 0 and math.isfinite(value)), default=None)
