"""What is known of one GPU, and how that is told: answers while they are fresh, counters alone when they are not.

Written by the three threads of `gpu.worker`, read by `GpuCollector.collect`; kept by `gpu.roster`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.gpu.backend import GpuIdentity, GpuInstance, Question, Value, Workloads
from atlas_ops.exporter.gpu.event_counts import EventCounts
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS
from atlas_ops.exporter.gpu.throttle_ledger import ThrottleLedger
from atlas_ops.exporter.samples import Labels, Sample, labels

THROTTLE_SIGNALS = (
    s.GPU_THROTTLE_ACTIVE, s.GPU_THROTTLE_SECONDS, s.GPU_THROTTLE_EVENTS, s.GPU_THROTTLE_LONGEST, s.GPU_THROTTLE_LAST,
)  # fmt: skip
REASON_LABELS = {reason: labels(reason=reason) for reason in c.THROTTLE_REASONS}
EVENT_SIGNALS = (s.GPU_XID_ERRORS, s.GPU_XID_LAST)


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """When a value is too old to be told as one of now: `now` and `limit` in seconds."""

    now: float
    limit: float

    def holds(self, at: float | None, every: float = 0.0) -> bool:
        """Whether something of the time `at`, asked `every` so many seconds, is fresh."""
        return at is not None and self.now - at <= max(self.limit, 2 * every)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The newest answer to one question."""

    question: Question
    at: float
    values: tuple[Value, ...]
    absent: bool = False
    """The part does not have it at all. A value of None says so of one signal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Life:
    """Whether the GPU is there; replaced as a whole, so that a reader never sees half of a change."""

    identity: GpuIdentity
    since: float
    """When the driver was first asked about it."""
    heard: float | None = None
    """When it last answered something that only it can know."""
    lost: bool = False


@dataclass(kw_only=True, slots=True)
class ThrottleNow:
    """The newest sample of the throttle bits; `mask` are the reasons that the part has (0: none, None: not known yet)."""

    bits: int = 0
    at: float | None = None
    mask: int | None = None


class _Told:
    """Samples that seldom change, kept from one page to the next: half of a page are XIDs at 0."""

    def __init__(self) -> None:
        self._kept: tuple[object, Sequence[Sample]] = (None, ())

    def unless(self, key: object, make: Callable[[], Sequence[Sample]]) -> Sequence[Sample]:
        """Return what was made for the same key before, or else make it."""
        kept = self._kept  # two threads may ask at once; each keeps what belongs together
        if key != kept[0]:
            self._kept = kept = (key, make())
        return kept[1]


@dataclass(slots=True)
class GpuRecord:
    """One GPU. Each field is replaced or extended without a moment of half a change, or has a lock of its own."""

    life: _Life
    answers: dict[str, Answer] = field(default_factory=dict)
    throttle: ThrottleLedger = field(default_factory=ThrottleLedger)
    throttle_now: ThrottleNow = field(default_factory=ThrottleNow)
    events: EventCounts = field(default_factory=EventCounts)
    _told_events: _Told = field(default_factory=_Told)
    _told_support: _Told = field(default_factory=_Told)

    @classmethod
    def of(cls, identity: GpuIdentity, now: float) -> GpuRecord:
        """Return the record of a GPU that is asked for the first time."""
        return cls(_Life(identity=identity, since=now))

    @property
    def identity(self) -> GpuIdentity:
        """Who the GPU is, as far as it has said."""
        return self.life.identity

    def rename(self, identity: GpuIdentity) -> None:
        """Take in who the GPU says it is now: the driver may list it elsewhere, or be another version."""
        self.life = replace(self.life, identity=identity)
        self.throttle.restart()

    def hear(self, now: float) -> bool:
        """Note that the GPU answered. Return whether it had been lost."""
        before = self.life
        self.life = replace(before, heard=now, lost=False)
        return before.lost

    def lose(self) -> bool:
        """Note that the GPU does not answer; its counters stay. Return whether that is news."""
        before = self.life
        self.life = replace(before, lost=True)
        return not before.lost

    def settled(self, fresh: Freshness) -> bool:
        """Whether there is something to tell: it answered, failed, or was silent for longer than the limit."""
        life = self.life
        return life.heard is not None or life.lost or not fresh.holds(life.since)

    def samples(self, host_name: str, fresh: Freshness, workloads: Workloads) -> Iterator[Sample]:
        """Yield its samples: gauges where they are fresh, counters always."""
        life = self.life
        answers = tuple(self.answers.copy().values())
        teller = _Teller(_placed(life.identity, answers), host_name, workloads)
        up = not life.lost and fresh.holds(life.heard)
        yield teller.sample(s.GPU_UP, float(up))
        for answer in answers:
            current = up and fresh.holds(answer.at, answer.question.every_seconds)
            for value in answer.values:
                if value.value is not None and (current or value.signal.type is SignalType.COUNTER):
                    yield teller.value(value)
        yield from self._throttle(teller, fresh, up=up)
        yield from self._events(teller)
        if up:
            yield from teller.workload_samples(answers)
            yield from self._support(teller, answers)

    def _throttle(self, teller: _Teller, fresh: Freshness, *, up: bool) -> Iterator[Sample]:
        now = self.throttle_now
        mask = now.mask or 0
        if up and fresh.holds(now.at):
            for reason, bit in THROTTLE_BITS:
                if bit & mask:
                    yield teller.sample(s.GPU_THROTTLE_ACTIVE, float(bool(now.bits & bit)), REASON_LABELS[reason])
        for story in self.throttle.stories(mask):
            reason_label = REASON_LABELS[story.totals.reason]
            yield teller.sample(s.GPU_THROTTLE_SECONDS, story.totals.seconds, reason_label)
            yield teller.sample(s.GPU_THROTTLE_EVENTS, float(story.totals.events), reason_label)
            if up:
                yield teller.sample(s.GPU_THROTTLE_LONGEST, story.totals.longest, reason_label)
                yield teller.sample(s.GPU_THROTTLE_SOURCE, 1.0, reason_label + labels(source=story.source))
                if story.last_seen is not None:
                    yield teller.sample(s.GPU_THROTTLE_LAST, story.last_seen, reason_label)

    def _events(self, teller: _Teller) -> Sequence[Sample]:
        values = self.events.values()
        return self._told_events.unless((teller.own, values), lambda: tuple(map(teller.value, values)))

    def _support(self, teller: _Teller, answers: tuple[Answer, ...]) -> Sequence[Sample]:
        given: dict[Signal, bool] = {}
        for answer in answers:
            told = {value.signal for value in answer.values if value.value is not None}
            missing = {value.signal for value in answer.values} - told
            for signal in answer.question.signals:
                given[signal] = given.get(signal, False) or not (answer.absent or signal in missing)
        mask = self.throttle_now.mask
        stories = self.throttle.stories(mask or 0)
        if mask is not None or stories:
            given |= dict.fromkeys(THROTTLE_SIGNALS, bool(mask or stories)) | {s.GPU_THROTTLE_ACTIVE: bool(mask)}
        if self.events.kinds is not None:
            given |= dict.fromkeys(EVENT_SIGNALS, c.XID in self.events.kinds)
            given[s.GPU_EVENTS] = any(kind in c.GPU_EVENTS for kind in self.events.kinds)
        return self._told_support.unless(
            (teller.own, given),
            lambda: tuple(
                teller.sample(s.GPU_METRIC_SUPPORTED, float(supported), labels(signal=signal.name))
                for signal, supported in given.items()
            ),
        )


class _Teller:
    """Puts the labels of one GPU, its instances and its processes on values."""

    def __init__(self, identity: GpuIdentity, host_name: str, workloads: Workloads) -> None:
        self._identity, self._host_name, self._workloads = identity, host_name, workloads
        self.own = self._labels(identity.uuid, "")

    def _labels(self, uuid: str, mig: str) -> Labels:
        return labels(gpu=str(self._identity.index), uuid=uuid, host_name=self._host_name, mig=mig)

    def _who(self, instance: GpuInstance | None) -> Labels:
        return self.own if instance is None else self._labels(instance.uuid, instance.name)

    def sample(self, signal: Signal, value: float, extra: Labels = ()) -> Sample:
        return Sample(signal, self.own + extra, value)

    def value(self, value: Value) -> Sample:
        assert value.value is not None
        extra = value.extra
        if value.signal is s.GPU_PROCESS_MEMORY and (pid := _pid(extra)) is not None:
            extra = extra + self._workloads.of_process(pid)
        return Sample(value.signal, self._who(value.instance) + extra, value.value)

    def workload_samples(self, answers: tuple[Answer, ...]) -> Iterator[Sample]:
        """Yield who uses the GPU, or each of its instances where it is cut up."""
        pids: dict[GpuInstance | None, list[int]] = {}
        for answer in answers:
            for value in answer.values:
                known = pids.setdefault(value.instance, [])
                if value.signal is s.GPU_PROCESS_MEMORY and (pid := _pid(value.extra)) is not None:
                    known.append(pid)
        pids.setdefault(None, [])
        for instance, processes in pids.items():
            for workload in self._workloads.of_gpu(self._identity, instance, processes):
                yield Sample(s.GPU_WORKLOAD_INFO, self._who(instance) + workload, 1.0)


def _placed(identity: GpuIdentity, answers: tuple[Answer, ...]) -> GpuIdentity:
    """Return the identity with what `atlas_gpu_info` says of the GPU's place."""
    told = (value for answer in answers for value in answer.values)
    facts = next((dict(value.extra) for value in told if value.signal is s.GPU_INFO and not value.instance), {})
    minor = facts.get("minor", "")
    return replace(
        identity,
        minor=int(minor) if minor.isdecimal() else identity.minor,
        pci_bus_id=facts.get("pci_bus_id") or identity.pci_bus_id,
    )


def _pid(extra: Labels) -> int | None:
    text = dict(extra).get("pid", "")
    return int(text) if text.isdecimal() else None
