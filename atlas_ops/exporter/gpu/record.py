"""What is known of each GPU, and how that is told: the newest reading while it is fresh, counters alone when not.

Written by the workers (`exporter.gpu.worker`), read by `GpuCollector.collect`. A GPU is known by its uuid, so its
counters survive a reload of the driver that gives it another index.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import SignalType
from atlas_ops.exporter.gpu.backend import GpuIdentity, Reading
from atlas_ops.exporter.gpu.throttle import ThrottleMeter, TickGap
from atlas_ops.exporter.samples import Labels, Sample, labels


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """One moment of a record, replaced as a whole so that a reader never sees half of a change."""

    identity: GpuIdentity
    since: float
    """When the reading was made; before the first one, when the driver was first asked."""
    reading: Reading | None = None
    lost: bool = False


class GpuRecord:
    """One GPU: its newest state (one writer, any readers) and the throttling that was counted."""

    def __init__(self, identity: GpuIdentity, now: float) -> None:
        self._state = _State(identity=identity, since=now)
        self.meter = ThrottleMeter()

    @property
    def identity(self) -> GpuIdentity:
        """Who the GPU is, as far as it has said."""
        return self._state.identity

    def rename(self, identity: GpuIdentity) -> None:
        """Take in who the GPU says it is now: the driver may list it elsewhere, or be another version."""
        self._state = replace(self._state, identity=identity)

    def accept(self, reading: Reading, now: float) -> bool:
        """Take in an answer of the GPU. Return whether it had been lost."""
        before = self._state
        self._state = _State(identity=before.identity, since=now, reading=reading)
        return before.lost

    def lose(self) -> bool:
        """Note that the GPU does not answer; the counters of its last reading stay. Return whether that is news."""
        before = self._state
        self._state = replace(before, lost=True)
        return not before.lost

    def settled(self, now: float, limit: float) -> bool:
        """Whether there is something to tell: it answered, failed, or was silent for longer than `limit` seconds."""
        state = self._state
        return state.reading is not None or state.lost or now - state.since > limit

    def samples(self, host_name: str, now: float, limit: float) -> Iterator[Sample]:
        """Yield its samples; without its gauges when the newest reading is older than `limit` seconds."""
        state = self._state
        own = labels(gpu=str(state.identity.index), uuid=state.identity.uuid, host_name=host_name)
        fresh = state.reading is not None and not state.lost and now - state.since <= limit
        yield Sample(s.GPU_UP, own, float(fresh))
        yield from (
            sample for sample in self._measured(state, own) if fresh or sample.signal.type is SignalType.COUNTER
        )

    def _measured(self, state: _State, own: Labels) -> Iterator[Sample]:
        who = state.identity
        facts = labels(name=who.name, driver_version=who.driver_version, pci_bus_id=who.pci_bus_id)
        yield Sample(s.GPU_INFO, own + facts, 1.0)
        if state.reading is not None:
            for value in state.reading.values:
                if value.value is not None:
                    yield Sample(value.signal, own + value.extra, value.value)
            for signal, given in state.reading.support:
                yield Sample(s.GPU_METRIC_SUPPORTED, own + labels(signal=signal.name), float(given))
        for total in self.meter.totals(who.throttle_mask):
            reason = labels(reason=total.reason)
            yield Sample(s.GPU_THROTTLE_SECONDS, own + reason, total.seconds)
            yield Sample(s.GPU_THROTTLE_EVENTS, own + reason, float(total.events))
            yield Sample(s.GPU_THROTTLE_LONGEST, own + reason, total.longest)
            yield Sample(s.GPU_THROTTLE_SOURCE, own + reason + labels(source="sampled"), 1.0)


class GpuRoster:
    """Every GPU that was ever met, each once. One that is met no more goes stale, and so is told as down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, GpuRecord] = {}
        self._gaps: dict[int, TickGap] = {}

    def expect(self, index: int, now: float) -> GpuRecord:
        """Return the record for the GPU that the driver lists at `index`, whoever that will turn out to be."""
        with self._lock:
            for record in self._records.values():
                if record.identity.index == index:
                    return record
            return self._records.setdefault(_nameless(index), GpuRecord(GpuIdentity(index=index), now))

    def claim(self, identity: GpuIdentity, now: float) -> GpuRecord:
        """Return the record of the GPU that said who it is."""
        key = identity.uuid or _nameless(identity.index)
        with self._lock:
            nameless = self._records.pop(_nameless(identity.index), None)
            record = self._records.get(key) or nameless or GpuRecord(identity, now)
            record.rename(identity)
            self._records[key] = record
            return record

    def leave_out(self, index: int) -> None:
        """Forget a GPU that never said who it is and is not ours to ask."""
        with self._lock:
            self._records.pop(_nameless(index), None)

    def gap(self, index: int) -> TickGap:
        """Return the measure of the sampler at a place in the driver's list, whichever GPU is there."""
        with self._lock:
            return self._gaps.setdefault(index, TickGap())

    def gap_samples(self, now: float) -> Iterator[Sample]:
        """Yield how far the samplers can be trusted."""
        with self._lock:
            gaps = [(index, gap.longest(now)) for index, gap in self._gaps.items()]
        return (Sample(s.EXPORTER_TICK_GAP, labels(gpu=str(index)), gap) for index, gap in gaps if gap is not None)

    def settled(self, now: float, limit: float) -> tuple[GpuRecord, ...]:
        """Return the GPUs of which there is something to tell, in the driver's order."""
        return tuple(record for record in self._all() if record.settled(now, limit))

    def all_settled(self, now: float, limit: float) -> bool:
        """Whether no GPU is still being met."""
        return all(record.settled(now, limit) for record in self._all())

    def _all(self) -> tuple[GpuRecord, ...]:
        with self._lock:
            return tuple(sorted(self._records.values(), key=lambda record: record.identity.index))


def _nameless(index: int) -> str:
    return f"index {index}"
