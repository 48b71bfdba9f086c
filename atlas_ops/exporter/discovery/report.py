"""What a source of servers tells of itself on the page. Used by `files` and `kubernetes`."""

from __future__ import annotations

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.samples import Sample, labels


def report(source: str, *, works: bool, servers: int) -> list[Sample]:
    """Return the samples of a source; `works` is false when its servers may be others by now."""
    which = labels(source=source)
    return [
        Sample(s.EXPORTER_DISCOVERY_SUCCESS, which, float(works)),
        Sample(s.EXPORTER_DISCOVERED_SERVERS, which, float(servers)),
    ]
