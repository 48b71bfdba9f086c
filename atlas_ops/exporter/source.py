"""One collector as the page sees it: its newest lines, printed only when there is something new, and how it does.

Made by `snapshot`, one for each collector. A collector that fails costs its own lines and nothing else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Sequence

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.collector import Collector, Paced, Round, Versioned
from atlas_ops.exporter.page import Block, Printer
from atlas_ops.exporter.samples import Sample, labels

_log = logging.getLogger(__name__)


class Source:
    """Reads one collector. `samples` and `block` are what it had at the last `read`, and never changed afterwards."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.samples: Sequence[Sample] = ()
        self.block: Block = {}
        self._printer = Printer()
        self._version: Hashable = None
        self._works = True
        self._seconds = 0.0
        self._last: Round | None = None

    def read(self) -> None:
        """Ask the collector. Never raises."""
        began = time.monotonic()
        try:
            self._read()
            self._last = self.collector.last_round() if isinstance(self.collector, Paced) else None
        except Exception:  # noqa: BLE001 (logged whole; one collector must not cost the page)
            if self._works:
                _log.exception("collector %s failed; it is asked again for every page", self.collector.name)
            self.samples, self.block, self._version, self._works = (), {}, None, False
        else:
            if not self._works:
                _log.info("collector %s works again", self.collector.name)
            self._works = True
        self._seconds = time.monotonic() - began

    def health(self) -> list[Sample]:
        """Return how the collector does: its last round, where it keeps rounds, else the last `read`."""
        last = self._last
        success = self._works and (last is None or last.success)
        who = labels(collector=self.collector.name)
        samples = [
            Sample(s.EXPORTER_COLLECTOR_SUCCESS, who, float(success)),
            Sample(s.EXPORTER_COLLECTOR_DURATION, who, last.duration_seconds if last else self._seconds),
        ]
        if last is not None:
            samples.append(Sample(s.EXPORTER_SNAPSHOT_AGE, who, last.age_seconds))
        return samples

    def _read(self) -> None:
        # The version first: what changes after it is printed with the next page.
        version = self.collector.version() if isinstance(self.collector, Versioned) else None
        if version is None or version != self._version:
            self.samples = tuple(self.collector.collect())
            self.block = self._printer.print(self.samples)
            self._version = version
