"""The page as it was at one moment: finished bytes, which a scrape sends without any work.

`SnapshotMaker`, made by `service`, makes one every second in a thread of its own. So scrapes cannot ask collectors
twice at once, and a collector that hangs against its promise holds up no scrape. It would be found by its age:
a page older than `STALE_SECONDS` is no longer served. Then the exporter's own metrics alone are, made at that moment.
"""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Callable, Sequence

from atlas_ops.catalog import signals as s
from atlas_ops.exporter import page
from atlas_ops.exporter.collector import Collector
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.page import Compat, Family, Joiner, Printer
from atlas_ops.exporter.samples import Sample, labels
from atlas_ops.exporter.source import Source

_log = logging.getLogger(__name__)

STALE_SECONDS = 10.0
"""Below Prometheus's usual scrape interval of 15 s, and far above the second between two snapshots: what is older than
this is no measurement of now, and must not look like one."""
NAME = "page"
"""Under which the maker tells how it does itself, beside the collectors."""
_MAX_SHARE = 0.1
"""Of a core. A page so large that making it takes longer is made less often."""
_GZIP_LEVEL = 1
"""The higher ones take up to ten times as long for a fifth less."""
_COMPRESSED_AHEAD_BYTES = 1 << 20
"""Up to here (some 7,000 series) compressing takes milliseconds and is done before anybody asks. A larger page is
compressed for the first scrape that wants it, not every second."""
_GOODBYE_SECONDS = 2.0


class Snapshot:
    """One page in all its forms. Nothing of it changes; forms that few ask for are made when they are asked for."""

    def __init__(self, families: Sequence[Family], samples: Sequence[Sample], compat: Sequence[Compat]) -> None:
        self.made = time.monotonic()
        self._families, self._samples, self._compat = families, samples, compat
        self._forms: dict[tuple[bool, bool], bytes] = {}
        self._lock = threading.Lock()
        text = self.body(openmetrics=False, compressed=False)
        if len(text) <= _COMPRESSED_AHEAD_BYTES:
            self.body(openmetrics=False, compressed=True)

    @property
    def age_seconds(self) -> float:
        """Time since it was made."""
        return time.monotonic() - self.made

    def body(self, *, openmetrics: bool, compressed: bool) -> bytes:
        """Return the page in one of its forms."""
        with self._lock:
            plain = self._forms.get((openmetrics, False)) or self._plain(openmetrics=openmetrics)
            if not compressed:
                return plain
            found = self._forms.get((openmetrics, True))
            if found is None:
                found = self._forms[openmetrics, True] = gzip.compress(plain, compresslevel=_GZIP_LEVEL, mtime=0)
            return found

    def _plain(self, *, openmetrics: bool) -> bytes:
        rest = "".join(_printed(printer, self._samples, openmetrics) for printer in self._compat)
        printer = page.openmetrics if openmetrics else page.text
        found = self._forms[openmetrics, False] = printer(self._families, rest)
        return found


class SnapshotMaker:
    """Makes snapshots of the collectors in use. `own` returns the exporter's metrics of itself at this moment."""

    def __init__(self, own: Callable[[], Sequence[Sample]], *, interval_seconds: float = 1.0) -> None:
        self._own = own
        self._interval = interval_seconds
        self._joiner, self._own_printer = Joiner(), Printer()
        self._changed = threading.Condition()
        self._wanted: tuple[int, tuple[Source, ...], tuple[Compat, ...]] = (0, (), ())
        """A number that grows with every wish, and what is wished for."""
        self._made = 0
        self._newest: Snapshot | None = None
        self._asking = ""
        self._seconds, self._works = 0.0, True
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def start(self) -> None:
        """Begin to make snapshots, as soon as there are collectors to use."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. One that hangs in a collector is left behind."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_GOODBYE_SECONDS)

    def use(self, collectors: Sequence[Collector], compat: Sequence[Compat], seconds: float) -> None:
        """Make snapshots of these collectors from now on; wait up to `seconds` for the first one."""
        with self._changed:
            number, before, _ = self._wanted
            known = {source.collector: source for source in before}
            sources = tuple(known.get(collector) or Source(collector) for collector in collectors)
            self._wanted = (number + 1, sources, tuple(compat))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._made > number, seconds)

    def refresh(self) -> None:
        """Make the next snapshot now."""
        with self._changed:
            number, sources, compat = self._wanted
            self._wanted = (number + 1, sources, compat)
            self._changed.notify_all()

    def body(self, deadline: Deadline, *, openmetrics: bool, compressed: bool) -> bytes:
        """Return the newest page; TimeoutError when there is none before the deadline."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._newest is not None, deadline.left):
                raise TimeoutError
            newest = self._newest
        assert newest is not None
        if newest.age_seconds > STALE_SECONDS:
            newest = self._without_collectors(newest.age_seconds)
        return newest.body(openmetrics=openmetrics, compressed=compressed)

    def trouble(self) -> str:
        """Say what is wrong with the newest snapshot; empty when nothing is."""
        newest = self._newest
        if newest is None:
            return f"{NAME}: the first one is not made yet"
        if newest.age_seconds > STALE_SECONDS:
            asking = f"; the collector {self._asking} was asked and does not answer" if self._asking else ""
            return f"{NAME}: the newest one is {newest.age_seconds:.1f} s old{asking}"
        return ""

    def _run(self) -> None:
        while not self._stopping:
            wanted = self._wanted
            began = time.monotonic()
            if wanted[0]:
                self._attempt(*wanted)
            self._seconds = time.monotonic() - began
            pause = max(self._interval - self._seconds, self._seconds * (1 / _MAX_SHARE - 1))
            self._pause(wanted, min(pause, STALE_SECONDS / 2))

    def _pause(self, known: object, seconds: float) -> None:
        """Wait until something else is wanted, or for some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._wanted is not known, seconds)

    def _attempt(self, number: int, sources: Sequence[Source], compat: Sequence[Compat]) -> None:
        try:
            snapshot = self._make(sources, compat)
        except Exception:  # noqa: BLE001 (logged whole; the next one may work, and until then the age tells)
            if self._works:
                _log.exception("no page could be made; it is tried again")
            self._works = False
            return
        self._works = True
        with self._changed:
            self._newest, self._made = snapshot, number
            self._changed.notify_all()

    def _make(self, sources: Sequence[Source], compat: Sequence[Compat]) -> Snapshot:
        own: list[Sample] = []
        for source in sources:
            self._asking = source.collector.name
            source.read()
            own += source.health()
        self._asking = ""
        own += [*_health(works=True, seconds=self._seconds, age=0.0), *self._own()]
        families = self._joiner.join([*(source.block for source in sources), self._own_printer.print(own)])
        samples = [sample for source in sources for sample in source.samples] if compat else ()
        return Snapshot(families, samples, compat)

    def _without_collectors(self, age: float) -> Snapshot:
        own = [*_health(works=False, seconds=self._seconds, age=age), *self._own()]
        return Snapshot(Joiner().join([Printer().print(own)]), (), ())


def _health(*, works: bool, seconds: float, age: float) -> list[Sample]:
    who = labels(collector=NAME)
    return [
        Sample(s.EXPORTER_COLLECTOR_SUCCESS, who, float(works)),
        Sample(s.EXPORTER_COLLECTOR_DURATION, who, seconds),
        Sample(s.EXPORTER_SNAPSHOT_AGE, who, age),
    ]


def _printed(printer: Compat, samples: Sequence[Sample], openmetrics: bool) -> str:
    try:
        return printer(samples, openmetrics)
    except Exception:  # noqa: BLE001 (logged whole; an extra section must not cost the page)
        _log.exception("a section of the page could not be printed")
        return ""
