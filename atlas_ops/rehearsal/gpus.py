"""The GPUs of a run as the exporter tells of them: its own questions, asked through NVML of the simulated driver, scrape by scrape.

What cannot be had in simulated time is done here: the exporter's threads (throttling is read from the driver's own counters
instead of ten times a second), and its memory of what has not changed since the scrape before. Called by `play`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import (
    GpuAbsent,
    GpuEvent,
    GpuIdentity,
    GpuInstance,
    GpuLost,
    GpuUnavailable,
    Question,
)
from atlas_ops.exporter.gpu.record import Answer, Freshness, GpuRecord
from atlas_ops.exporter.gpu.roster import GpuRoster
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS, ThrottleTotals
from atlas_ops.exporter.gpu.throttle_ledger import HARDWARE_COUNTER, SAMPLED, ThrottleLedger, ThrottleStory
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.nvml.device import NvmlDevice
from atlas_ops.exporter.samples import Labels, Sample, labels
from atlas_ops.simulator import NvmlLibrary
from atlas_ops.simulator.reasons import time_of
from atlas_ops.simulator.state import EVENT_XID, WEDGED, GpuState

LIMIT_SECONDS = 5.0
"""After which a silent GPU is told as down, as by the exporter's collector."""
_TICK_GAP_SECONDS = 0.11
"""Between two looks of a sampler that is not held up."""
_SLOW: Mapping[str, Callable[[GpuState], object]] = {
    "nvlink_errors": lambda gpu: gpu.nvlink,
    "ecc": lambda gpu: gpu.ecc,
    "remapped_rows": lambda gpu: gpu.rows,
    "processes": lambda gpu: gpu.processes,
    "info": lambda _: None,
}
"""{costly question: the part of the state that its answer is made of}: asked again when that has changed."""


class PodWorkloads:
    """Whose the GPUs are: GPU n belongs to the pod of server n, as a kubelet would tell."""

    def __init__(self, pods: Sequence[Labels]) -> None:
        self._pods = pods

    def of_process(self, pid: int) -> Labels:  # noqa: ARG002 - the protocol's
        """Return nothing: the processes of a pod are told by its GPU."""
        return ()

    def of_gpu(self, gpu: GpuIdentity, instance: GpuInstance | None, pids: Sequence[int]) -> Sequence[Labels]:  # noqa: ARG002 - the protocol's
        """Return the pod that has the GPU to itself."""
        exclusive, _ = c.SHARING
        return [pod + labels(sharing=exclusive) for pod in self._pods[gpu.index : gpu.index + 1]]


class GpuScrapes:
    """The exporter's view of the GPUs that `read` returns; a new one is an exporter that has been restarted."""

    def __init__(
        self, read: Callable[[], Sequence[GpuState]], workloads: PodWorkloads, *, host_name: str, now: float
    ) -> None:
        self._now, self._host_name, self._workloads = now, host_name, workloads
        self._states: tuple[GpuState, ...] = tuple(read())
        self._read = read
        self._library = NvmlLibrary(lambda: self._states, clock_ns=lambda: round(self._now * 1e9))
        self._roster = GpuRoster()
        self._watched: dict[str, _Watched] = {}
        self._backend: Nvml | None = None

    def samples(self, now: float) -> list[Sample]:
        """Return what a page of the moment `now` (Unix time) says of the GPUs."""
        listed = {gpu.uuid for gpu in self._states}
        self._now, self._states = now, tuple(self._read())
        if self._backend is None or listed != {gpu.uuid for gpu in self._states}:
            self._meet()
        for gpu in self._states:
            self._watched[gpu.uuid].look(gpu, now)
        fresh = Freshness(now=now, limit=LIMIT_SECONDS)
        return [s for r in self._roster.settled(fresh) for s in r.samples(self._host_name, fresh, self._workloads)]

    def health(self, now: float) -> Iterator[Sample]:
        """Yield how the exporter does with each GPU: a wedged one has a call that does not return."""
        for watched in self._watched.values():
            who = labels(collector="nvml", gpu=str(watched.index))
            yield Sample(s.EXPORTER_TICK_GAP, who, _TICK_GAP_SECONDS)
            yield Sample(s.EXPORTER_CALL_IN_FLIGHT, who, watched.hangs_for(now))
            yield Sample(s.EXPORTER_GPU_FAILING, who, float(watched.hangs_for(now) > 0))

    def close(self) -> None:
        """Let go of the simulated driver."""
        if self._backend is not None:
            self._backend.close()
        self._library.close()

    def _meet(self) -> None:
        """Open the driver, again where its list has changed: that takes a new driver."""
        if self._backend is not None:
            self._backend.close()
        self._backend = Nvml(self._library, clock=lambda: self._now)
        for device, gpu in zip(self._backend.open(), self._states, strict=True):
            known = self._watched.get(gpu.uuid)
            self._watched[gpu.uuid] = _Watched(device, gpu, self._roster, known.seen if known else None, self._now)


class _Watched:
    """One GPU and what the exporter keeps of it. `seen` is the last event before a change of drivers; None: no change."""

    def __init__(self, device: NvmlDevice, gpu: GpuState, roster: GpuRoster, seen: int | None, now: float) -> None:
        self.seen = seen if seen is not None else _newest(gpu)
        self.index = device.index
        self._device = device
        self._wedged_since: float | None = None
        self._asked: dict[str, object] = {}
        self._record = self._meet(roster, now)
        self._throttle = _Throttle()
        self._record.throttle = self._throttle

    def _meet(self, roster: GpuRoster, now: float) -> GpuRecord:
        try:
            record = roster.claim(self._device.identify(), now)
            record.throttle_now.mask = self._device.throttle_mask()
            record.events.kinds = self._device.watch_events()
        except (GpuLost, GpuUnavailable):
            return roster.expect(self._device.index, now)
        return record

    def look(self, gpu: GpuState, now: float) -> None:
        """Ask every question, and take in what the driver has reported since the scrape before."""
        if gpu.condition == WEDGED:
            self._wedged_since = now if self._wedged_since is None else self._wedged_since
            return
        self._wedged_since = None
        try:
            for question in self._device.questions():
                self._record.answers[question.name] = self._answer(question, gpu, now)
        except (GpuLost, GpuUnavailable):
            self._record.lose()
            return
        self._record.hear(now)
        self._record.throttle_now.bits, self._record.throttle_now.at = gpu.reasons, now
        self._throttle.read(gpu, self._device, now)
        self._note_events(gpu, now)

    def hangs_for(self, now: float) -> float:
        """Return for how many seconds a call has not returned."""
        return 0.0 if self._wedged_since is None else now - self._wedged_since

    def _answer(self, question: Question, gpu: GpuState, now: float) -> Answer:
        known = self._record.answers.get(question.name)
        part = _SLOW.get(question.name)
        basis = part(gpu) if part else now
        if known is not None and (known.absent or self._asked.get(question.name, self) == basis):
            return replace(known, at=now)
        self._asked[question.name] = basis
        try:
            return Answer(question=question, at=now, values=tuple(question.ask()))
        except GpuAbsent:
            return Answer(question=question, at=now, values=(), absent=True)

    def _note_events(self, gpu: GpuState, now: float) -> None:
        for event in gpu.events:
            if event.sequence > self.seen and event.kind == EVENT_XID:
                self._record.events.note(GpuEvent(xid=event.data), now)
        self.seen = max(self.seen, _newest(gpu))


def _newest(gpu: GpuState) -> int:
    return gpu.events[-1].sequence if gpu.events else 0


class _Throttle(ThrottleLedger):
    """A ledger that reads the simulated driver's true times: there is nothing to sample between two scrapes."""

    def __init__(self) -> None:
        super().__init__()
        self._counted: frozenset[str] | None = None
        self._first: dict[str, float] = {}
        self._runs: dict[str, float] = {}
        self._stories: dict[str, ThrottleStory] = {}

    def read(self, gpu: GpuState, device: NvmlDevice, now: float) -> None:
        """Take in the times of one scrape."""
        if self._counted is None:
            self._counted = frozenset(device.throttle_counters())
        for reason, bit in THROTTLE_BITS:
            seconds = time_of(gpu.throttle_times, bit) / 1e9
            counted = reason in self._counted
            # What the sampler adds up begins with the exporter; the hardware's counters with the driver.
            seconds -= 0.0 if counted else self._first.setdefault(reason, seconds)
            self._stories[reason] = self._story(reason, seconds, HARDWARE_COUNTER if counted else SAMPLED, now)

    def stories(self, mask: int) -> tuple[ThrottleStory, ...]:
        """Return what is told of each reason in `mask`."""
        return tuple(self._stories[reason] for reason, bit in THROTTLE_BITS if bit & mask and reason in self._stories)

    def _story(self, reason: str, seconds: float, source: str, now: float) -> ThrottleStory:
        """Return the next story: a stretch of scrapes in which the reason was on counts as one event."""
        known = self._stories.get(reason)
        totals = known.totals if known else ThrottleTotals(reason=reason, seconds=seconds, events=0, longest=0.0)
        gained, before = seconds - totals.seconds, self._runs.get(reason, 0.0)
        run = self._runs[reason] = before + gained if gained > 0 else 0.0
        events, longest = totals.events + (run > 0 and not before), max(totals.longest, run)
        last_seen = now if gained > 0 else known.last_seen if known else None
        return ThrottleStory(
            totals=replace(totals, seconds=seconds, events=events, longest=longest), source=source, last_seen=last_seen
        )
