"""What the exporter tells of itself: whether its collectors work, how old their data is, and what it costs.

Called by `service` for every page.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from atlas_ops import __version__
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.collector import Collector, Paced
from atlas_ops.exporter.samples import Sample, labels

_log = logging.getLogger(__name__)


def collect_all(collectors: Sequence[Collector]) -> list[Sample]:
    """Return the samples of every collector and how each is doing. One that fails costs its own samples only."""
    samples: list[Sample] = []
    for collector in collectors:
        began = time.monotonic()
        try:
            samples += collector.collect()
            success = True
        except Exception:  # noqa: BLE001 (logged whole; one collector must not cost the page)
            _log.exception("collector %s failed", collector.name)
            success = False
        duration = time.monotonic() - began
        last = collector.last_round() if isinstance(collector, Paced) else None
        if last is not None:
            success, duration = success and last.success, last.duration_seconds
        who = labels(collector=collector.name)
        samples.append(Sample(s.EXPORTER_COLLECTOR_SUCCESS, who, float(success)))
        samples.append(Sample(s.EXPORTER_COLLECTOR_DURATION, who, duration))
        if last is not None:
            samples.append(Sample(s.EXPORTER_SNAPSHOT_AGE, who, last.age_seconds))
    return samples


def own(scrapes: int) -> list[Sample]:
    """Return what the exporter costs, and its version."""
    samples = [
        Sample(s.EXPORTER_SCRAPES, (), float(scrapes)),
        Sample(s.EXPORTER_CPU, (), time.process_time()),
        Sample(s.BUILD_INFO, labels(version=__version__), 1.0),
    ]
    resident = _resident_bytes()
    if resident is not None:
        samples.append(Sample(s.EXPORTER_MEMORY, (), float(resident)))
    return samples


def _resident_bytes() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None  # not Linux
