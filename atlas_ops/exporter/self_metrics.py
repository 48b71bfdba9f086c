"""What the exporter tells of itself: pages served and refused, reloads, what it costs, and which version it is.

Filled by `service` as things happen; read by `snapshot` for every page.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from atlas_ops import __version__
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.samples import Sample, labels


class SelfMetrics:
    """Counts from the start of the process. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scrapes = 0
        self._refused = dict.fromkeys(c.REFUSALS, 0)
        self._reload_works = True
        self._reloaded = time.time()

    def scraped(self) -> None:
        """Count a page that was served."""
        with self._lock:
            self._scrapes += 1

    def refused(self, reason: str) -> None:
        """Count a request that got no page, by its reason (`conventions.REFUSALS`)."""
        with self._lock:
            self._refused[reason] += 1

    def reloaded(self, *, success: bool) -> None:
        """Keep how the last reload of the settings ended. The start of the process counts as one that worked."""
        with self._lock:
            self._reload_works = success
            if success:
                self._reloaded = time.time()

    def samples(self, *, web_config_broken: bool) -> list[Sample]:
        """Return all of it. A web-config file that cannot be used makes the last reload a failed one, too."""
        with self._lock:
            samples = [
                Sample(s.EXPORTER_SCRAPES, (), float(self._scrapes)),
                *(Sample(s.EXPORTER_REFUSED, labels(reason=why), float(n)) for why, n in self._refused.items()),
                Sample(s.EXPORTER_RELOAD_SUCCESS, (), float(self._reload_works and not web_config_broken)),
                Sample(s.EXPORTER_RELOAD_LAST, (), self._reloaded),
            ]
        samples.append(Sample(s.EXPORTER_CPU, (), time.process_time()))
        samples.append(Sample(s.BUILD_INFO, labels(version=__version__), 1.0))
        resident = _resident_bytes()
        if resident is not None:
            samples.append(Sample(s.EXPORTER_MEMORY, (), float(resident)))
        return samples


def _resident_bytes() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None  # not Linux
