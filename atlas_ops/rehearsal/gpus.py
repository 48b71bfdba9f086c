"""The GPUs of a run as the exporter tells of them, scrape by scrape. Called by `exporter`.

The exporter's own questions are asked, through NVML, of the simulated driver. That takes milliseconds, so it is done where
something is new; from there on, `gpu_values` says what changes. The exporter's threads are not here: throttling comes from
the simulated driver's true times, not from ten samples a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
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
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.nvml.device import NvmlDevice
from atlas_ops.exporter.samples import Labels, Sample, labels
from atlas_ops.rehearsal.gpu_throttle import TrueThrottle
from atlas_ops.rehearsal.gpu_values import Moment, Read, reader, settled
from atlas_ops.simulator import NvmlLibrary
from atlas_ops.simulator.profiles import profile_by_name
from atlas_ops.simulator.state import EVENT_XID, HEALTHY, WEDGED, GpuState

LIMIT_SECONDS = 5.0
"""After which a silent GPU is told as down, as by the exporter's collector."""
_ALWAYS = ("gpm", "pcie_traffic")
"""Questions that the driver answers by comparing with the last time."""
_TICK_GAP_SECONDS = 0.11
"""Between two looks of a sampler that is not held up."""


class PodWorkloads:
    """Whose the GPUs are: GPU n belongs to the pod of server n, as a kubelet would tell."""

    def __init__(self, pods: Sequence[Labels]) -> None:
        self._pods = pods

    def of_process(self, pid: int) -> Labels:  # noqa: ARG002 - the protocol's
        """Return nothing: whose a process is, its GPU tells."""
        return ()

    def of_gpu(self, gpu: GpuIdentity, instance: GpuInstance | None, pids: Sequence[int]) -> Sequence[Labels]:  # noqa: ARG002 - the protocol's
        """Return the pod that has the GPU to itself."""
        exclusive, _ = c.SHARING
        return [pod + labels(sharing=exclusive) for pod in self._pods[gpu.index : gpu.index + 1]]


class GpuScrapes:
    """The exporter's view of the GPUs that `read` returns; an exporter that is restarted has a new one. Times are Unix time."""

    def __init__(
        self, read: Callable[[], Sequence[GpuState]], workloads: PodWorkloads, *, host_name: str, now: float
    ) -> None:
        self._read, self._now, self._host_name, self._workloads = read, now, host_name, workloads
        self._states: tuple[GpuState, ...] = tuple(read())
        self._library = NvmlLibrary(lambda: self._states, clock_ns=lambda: round(self._now * 1e9))
        self._roster = GpuRoster()
        self._watched: dict[str, _Watched] = {}
        self._backend: Nvml | None = None

    def scrape(self, now: float) -> Iterator[tuple[Sequence[Sample], Sequence[float]]]:
        """Yield the samples of each GPU on a page of this moment, and their values; the samples' own may be old."""
        listed = [gpu.uuid for gpu in self._states]
        self._now, self._states = now, tuple(self._read())
        there = {gpu.uuid: gpu for gpu in self._states}
        if self._backend is None or listed != list(there):
            self._meet()
        for uuid, watched in self._watched.items():
            watched.look(there.get(uuid), now)
        fresh = Freshness(now=now, limit=LIMIT_SECONDS)
        known = {id(watched.record): watched for watched in self._watched.values()}
        for record in self._roster.settled(fresh):
            quick = known[id(record)].values() if id(record) in known else None
            if quick is None:
                samples = tuple(record.samples(self._host_name, fresh, self._workloads))
                if id(record) in known:
                    known[id(record)].learn(samples)
                yield samples, [sample.value for sample in samples]
            else:
                yield quick

    def health(self, now: float) -> Iterator[Sample]:
        """Yield how the exporter does with each GPU: a wedged one has a call that does not return."""
        for watched in self._watched.values():
            who = labels(collector="nvml", gpu=str(watched.index))
            hangs = watched.hangs_for(now)
            yield Sample(s.EXPORTER_TICK_GAP, who, _TICK_GAP_SECONDS + hangs)
            yield Sample(s.EXPORTER_CALL_IN_FLIGHT, who, hangs)
            yield Sample(s.EXPORTER_GPU_FAILING, who, float(hangs > 0))

    def close(self) -> None:
        """Let go of the simulated driver."""
        if self._backend is not None:
            self._backend.close()
        self._library.close()

    def _meet(self) -> None:
        """Open the driver; anew where its list has changed, for that takes a new driver."""
        if self._backend is not None:
            self._backend.close()
        self._backend = Nvml(self._library, clock=lambda: self._now)
        for device, gpu in zip(self._backend.open(), self._states, strict=True):
            known = self._watched.get(gpu.uuid)
            self._watched[gpu.uuid] = _Watched(device, gpu, self._roster, known, self._now)


class _Watched:
    """One GPU and what the exporter keeps of it. `known` is the same GPU under the driver of before."""

    def __init__(
        self, device: NvmlDevice, gpu: GpuState, roster: GpuRoster, known: _Watched | None, now: float
    ) -> None:
        self.index = device.index
        self._device, self._part = device, profile_by_name(gpu.profile)
        self.seen: int = known.seen if known else _newest(gpu)
        """The last event that was counted."""
        self._wedged_since: float | None = None
        self.throttle: TrueThrottle = known.throttle if known else TrueThrottle()
        self._basis: object = None
        """What the samples of `_learnt` were made of; None: they hold no more."""
        self._learnt: tuple[tuple[Sample, ...], list[float], tuple[tuple[int, Read], ...]] = ((), [], ())
        self._moment: Moment | None = None
        self.record = self._meet(roster, now)
        self.record.throttle = self.throttle

    def _meet(self, roster: GpuRoster, now: float) -> GpuRecord:
        try:
            record = roster.claim(self._device.identify(), now)
            record.throttle_now.mask = self._device.throttle_mask()
            record.events.kinds = self._device.watch_events()
        except (GpuLost, GpuUnavailable):
            return roster.expect(self._device.index, now)
        return record

    def look(self, gpu: GpuState | None, now: float) -> None:
        """Ask what has to be asked, and take in what the driver has reported. None: the driver does not list it any more."""
        self._moment = None
        if gpu is None or gpu.condition == WEDGED:
            self._wedged_since = now if gpu and self._wedged_since is None else self._wedged_since
            self._basis = None
            return
        self._wedged_since = None
        self._note_events(gpu, now)
        if gpu.condition == HEALTHY:
            self.throttle.read(gpu, self._device, now)
        try:
            self._ask(gpu, now)
        except (GpuLost, GpuUnavailable):
            self.record.lose()
            self._basis = None
            return
        self.record.hear(now)
        self.record.throttle_now.bits, self.record.throttle_now.at = gpu.reasons, now

    def values(self) -> tuple[Sequence[Sample], Sequence[float]] | None:
        """Return the samples that were learnt, with the values of now; None when something is new."""
        if self._moment is None or not self._learnt[0]:
            return None
        samples, values, reads = self._learnt
        for place, read in reads:
            values[place] = read(self._moment)
        return samples, list(values)

    def learn(self, samples: tuple[Sample, ...]) -> None:
        """Keep the samples of a GPU whose every question was just asked."""
        own = len(samples[0].labels) if samples else 0  # the first is atlas_gpu_up
        asked = frozenset(self._answered())
        reads = ((place, reader(sample, own, asked)) for place, sample in enumerate(samples))
        self._learnt = (
            samples,
            [sample.value for sample in samples],
            tuple((place, read) for place, read in reads if read),
        )

    def hangs_for(self, now: float) -> float:
        """Return for how many seconds a call has not returned."""
        return 0.0 if self._wedged_since is None else now - self._wedged_since

    def _ask(self, gpu: GpuState, now: float) -> None:
        """Ask what changes always, and everything when something else than that is new."""
        questions, answers = self._device.questions(), self.record.answers
        answers |= {question.name: _answer(question, now) for question in questions if question.name in _ALWAYS}
        answered = self._answered()
        basis = (settled(gpu), self.throttle.seen, tuple(answered))
        if basis == self._basis:
            self._moment = Moment(gpu=gpu, part=self._part, stories=self.throttle.by_reason, answered=answered)
        else:
            answers |= {question.name: _answer(question, now) for question in questions if question.name not in _ALWAYS}
        self._basis = basis

    def _answered(self) -> dict[tuple[Signal, Labels], float]:
        answers = (self.record.answers[name] for name in _ALWAYS if name in self.record.answers)
        values = (value for answer in answers for value in answer.values)
        return {(value.signal, value.extra): value.value for value in values if value.value is not None}

    def _note_events(self, gpu: GpuState, now: float) -> None:
        for event in gpu.events:
            if event.sequence > self.seen and event.kind == EVENT_XID:
                self.record.events.note(GpuEvent(xid=event.data), now)
        self.seen = max(self.seen, _newest(gpu))


def _answer(question: Question, now: float) -> Answer:
    try:
        return Answer(question=question, at=now, values=tuple(question.ask()))
    except GpuAbsent:
        return Answer(question=question, at=now, values=(), absent=True)


def _newest(gpu: GpuState) -> int:
    return gpu.events[-1].sequence if gpu.events else 0
