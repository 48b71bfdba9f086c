"""Every GPU that was ever met, each once, by its uuid: its counters survive a reload of the driver that moves it.

Kept by `gpu.collector`; asked for records by the workers of `gpu.worker`. A GPU that is met no more goes stale, and so is
told as down.
"""

from __future__ import annotations

import threading

from atlas_ops.exporter.gpu.backend import GpuIdentity
from atlas_ops.exporter.gpu.record import Freshness, GpuRecord


class GpuRoster:
    """The records, by uuid or, before a GPU has said who it is, by its place in the driver's list."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, GpuRecord] = {}

    def expect(self, index: int, now: float) -> GpuRecord:
        """Return the record for the GPU that the driver lists at `index`, whoever that will turn out to be."""
        with self._lock:
            for record in self._records.values():
                if record.identity.index == index:
                    return record
            return self._records.setdefault(_nameless(index), GpuRecord.of(GpuIdentity(index=index), now))

    def claim(self, identity: GpuIdentity, now: float) -> GpuRecord:
        """Return the record of the GPU that said who it is."""
        key = identity.uuid or _nameless(identity.index)
        with self._lock:
            nameless = self._records.pop(_nameless(identity.index), None)
            record = self._records.get(key) or nameless or GpuRecord.of(identity, now)
            record.rename(identity)
            self._records[key] = record
            return record

    def leave_out(self, index: int) -> None:
        """Forget a GPU that never said who it is and is not ours to ask."""
        with self._lock:
            self._records.pop(_nameless(index), None)

    def settled(self, fresh: Freshness) -> tuple[GpuRecord, ...]:
        """Return the GPUs of which there is something to tell, in the driver's order."""
        return tuple(record for record in self._all() if record.settled(fresh))

    def all_settled(self, fresh: Freshness) -> bool:
        """Whether no GPU is still being met."""
        return all(record.settled(fresh) for record in self._all())

    def _all(self) -> tuple[GpuRecord, ...]:
        with self._lock:
            return tuple(sorted(self._records.values(), key=lambda record: record.identity.index))


def _nameless(index: int) -> str:
    return f"index {index}"
