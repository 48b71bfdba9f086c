"""GPUs at the seam between vendors and the collector: each question, throttle bit and event is the test's to set."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.backend import (
    GpuDevice,
    GpuEvent,
    GpuFailed,
    GpuIdentity,
    GpuInstance,
    Question,
    Value,
)
from atlas_ops.exporter.gpu.throttle import EVERY_REASON
from atlas_ops.exporter.samples import Labels, labels

INSTANCE = GpuInstance(uuid="MIG-1", name="1/0", gpu_instance=1, compute_instance=0)


@dataclass
class FakeGpu:
    """One GPU. `answers` are {question: values, or the exception that it raises}."""

    uuid: str
    index: int = 0
    answers: dict[str, Sequence[Value] | Exception] = field(default_factory=dict)
    signals: dict[str, tuple[Signal, ...]] = field(default_factory=dict)
    not_vital: set[str] = field(default_factory=set)
    every: dict[str, float] = field(default_factory=dict)
    calls: dict[str, str] = field(default_factory=dict)
    identity: Exception | None = None
    bits: Callable[[], int | None] = lambda: 0
    mask: int = EVERY_REASON
    counters: Callable[[], Mapping[str, int]] = dict
    kinds: tuple[str, ...] = ("xid", "recovery_action")
    events: queue.Queue[GpuEvent | Exception] = field(default_factory=queue.Queue)
    asked: list[str] = field(default_factory=list)
    defect: Exception | None = None
    """Raised where no backend may raise."""
    trouble: Exception | None = None
    """Raised by everything that is asked about this GPU."""

    def __post_init__(self) -> None:
        self._gates: dict[str, threading.Event] = {}
        self._hung: dict[str, threading.Event] = {}
        self.questioned = ("temperature", "power", "energy", "limit")
        self.answers = {
            "temperature": [Value(s.GPU_TEMPERATURE, 61.0, labels(sensor="gpu"))],
            "power": [Value(s.GPU_POWER, 412.5)],
            "energy": [Value(s.GPU_ENERGY, 9000.25)],
            "limit": [Value(s.GPU_POWER_LIMIT, 700.0)],
        } | self.answers
        self.not_vital = self.not_vital | {"limit"}

    def temperature(self, celsius: float) -> None:
        self.answers["temperature"] = [Value(s.GPU_TEMPERATURE, celsius, labels(sensor="gpu"))]

    def hang(self, *calls: str) -> None:
        """Let these calls hang (`identify`, `throttle_bits`, a question, ...; none named: every one)."""
        for call in calls or ("*",):
            self._hung[call] = threading.Event()
            self._gates[call] = threading.Event()

    def hangs(self, call: str = "*") -> bool:
        """Whether such a call has begun to hang."""
        return call in self._hung and self._hung[call].is_set()

    def release(self, *calls: str) -> None:
        """Let go what hangs; none named: all of it."""
        for call in calls or tuple(self._gates):
            self._gates.pop(call).set()

    def called(self, call: str) -> None:
        self.asked.append(call)
        for name in (call, "*"):
            gate = self._gates.get(name)
            if gate is not None:
                self._hung[name].set()
                gate.wait()
        if self.trouble is not None:
            raise self.trouble

    def answer(self, question: str) -> Sequence[Value]:
        self.called(question)
        answer = self.answers[question]
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeDevice:
    """A GPU at a place in the driver's list."""

    def __init__(self, gpu: FakeGpu, index: int) -> None:
        self.index, self.counters_call = index, "throttle_counters"
        self._gpu = gpu

    def identify(self) -> GpuIdentity:
        self._gpu.called("identify")
        if self._gpu.identity is not None:
            raise self._gpu.identity
        return GpuIdentity(index=self.index, uuid=self._gpu.uuid)

    def questions(self) -> Sequence[Question]:
        gpu = self._gpu
        if gpu.defect is not None:
            raise gpu.defect
        return tuple(
            Question(
                name=name,
                signals=gpu.signals.get(name) or _signals(gpu.answers[name]),
                ask=lambda name=name: gpu.answer(name),  # type: ignore[misc]
                vital=name not in gpu.not_vital,
                call=gpu.calls.get(name, ""),
                every_seconds=gpu.every.get(name, 0.0),
            )
            for name in gpu.answers
        )

    def throttle_bits(self) -> int | None:
        self._gpu.called("throttle_bits")
        return self._gpu.bits()

    def throttle_mask(self) -> int:
        self._gpu.called("throttle_mask")
        return self._gpu.mask

    def throttle_counters(self) -> Mapping[str, int]:
        self._gpu.called("throttle_counters")
        return self._gpu.counters()

    def watch_events(self) -> tuple[str, ...]:
        self._gpu.called("watch_events")
        return self._gpu.kinds

    def wait_events(self, seconds: float) -> Sequence[GpuEvent]:
        self._gpu.called("wait_events")
        try:
            event = self._gpu.events.get(timeout=min(seconds, 0.02))
        except queue.Empty:
            return ()
        if isinstance(event, Exception):
            raise event
        return (event,)


def _signals(answer: Sequence[Value] | Exception) -> tuple[Signal, ...]:
    return () if isinstance(answer, Exception) else tuple(dict.fromkeys(value.signal for value in answer))


class FakeBackend:
    """A driver with some GPUs."""

    name = "fake"

    def __init__(self, *gpus: FakeGpu) -> None:
        self.gpus = list(gpus)
        self.trouble: Exception | None = None
        self.gate: threading.Event | None = None
        self.opened = self.closed = 0

    def open(self) -> Sequence[GpuDevice]:
        if self.gate is not None:
            self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.opened += 1
        return tuple(FakeDevice(gpu, index) for index, gpu in enumerate(self.gpus))

    def close(self) -> None:
        self.closed += 1

    @property
    def is_open(self) -> bool:
        return self.opened > self.closed


class FakeWorkloads:
    """What is known of processes and devices: {pid: labels}, {uuid: [labels]}."""

    def __init__(self) -> None:
        self.processes: dict[int, Labels] = {}
        self.devices: dict[str, list[Labels]] = {}
        self.pids: dict[str, list[int]] = {}
        self.asked: dict[str, GpuIdentity] = {}

    def of_process(self, pid: int) -> Labels:
        return self.processes.get(pid, ())

    def of_gpu(self, gpu: GpuIdentity, instance: GpuInstance | None, pids: Sequence[int]) -> Sequence[Labels]:
        uuid = instance.uuid if instance else gpu.uuid
        self.pids[uuid], self.asked[uuid] = list(pids), gpu
        return self.devices.get(uuid, [])


def failed(text: str = "it fails") -> GpuFailed:
    return GpuFailed(text)
