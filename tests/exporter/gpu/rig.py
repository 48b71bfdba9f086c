"""A collector at work on fake GPUs, and what tests ask about its page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.gpu import collector as collector_module
from atlas_ops.exporter.gpu import watcher, worker
from atlas_ops.exporter.gpu.collector import GpuCollector
from atlas_ops.exporter.samples import Labels, Sample

from .fake_gpu import FakeBackend, FakeGpu, FakeWorkloads

HOST = "node-1"
BASIC = {
    s.GPU_UP,
    s.GPU_TEMPERATURE,
    s.GPU_POWER,
    s.GPU_POWER_LIMIT,
    s.GPU_ENERGY,
    s.GPU_THROTTLE_ACTIVE,
    s.GPU_THROTTLE_SECONDS,
    s.GPU_THROTTLE_EVENTS,
    s.GPU_THROTTLE_LONGEST,
    s.GPU_THROTTLE_SOURCE,
    s.GPU_XID_ERRORS,
    s.GPU_EVENTS,
    s.GPU_METRIC_SUPPORTED,
    s.EXPORTER_TICK_GAP,
    s.EXPORTER_CALL_IN_FLIGHT,
    s.EXPORTER_GPU_FAILING,
}
OF_THE_EXPORTER = {s.EXPORTER_TICK_GAP, s.EXPORTER_CALL_IN_FLIGHT, s.EXPORTER_GPU_FAILING}
WHEN_DOWN = {signal for signal in BASIC if signal.type is SignalType.COUNTER} | {s.GPU_UP} | OF_THE_EXPORTER
Page = dict[tuple[Signal, Labels], float]


class Clock:
    """The real one, but it can jump."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Rig:
    """A collector at work on fake GPUs."""

    backend: FakeBackend
    collector: GpuCollector
    clock: Clock
    workloads: FakeWorkloads

    @property
    def gpus(self) -> list[FakeGpu]:
        return self.backend.gpus

    def page(self) -> Page:
        """The page of this moment, after checking that every sample keeps the contract."""
        return checked(self.collector.collect())

    def value(self, signal: Signal, index: int, /, **extra: str) -> float | None:
        return self.page().get((signal, (*who(self.gpus[index], index), *extra.items())))

    def own(self, signal: Signal, index: int) -> float | None:
        """What the exporter tells of itself about a GPU."""
        return self.page().get((signal, (("collector", "fake"), ("gpu", str(index)))))

    def up(self) -> dict[str, float]:
        """{uuid: up}."""
        return {dict(labels).get("uuid", ""): v for (signal, labels), v in self.page().items() if signal is s.GPU_UP}

    def of(self, index: int) -> set[Signal]:
        """The signals told of a GPU."""
        return {signal for signal, labels in self.page() if ("gpu", str(index)) in labels}

    @property
    def settled(self) -> bool:
        """Whether every GPU has told all that it tells: of its throttling and its events, too."""
        return self.collector.ready and all(
            self.value(s.GPU_THROTTLE_SECONDS, index, reason="hw_thermal") is not None
            and self.value(s.GPU_METRIC_SUPPORTED, index, signal="atlas_gpu_xid_errors_total") is not None
            for index in range(len(self.gpus))
        )


def checked(samples: list[Sample]) -> Page:
    """Return the samples as a page, after checking that every one keeps the contract."""
    found: Page = {}
    for sample in samples:
        assert sample.signal in s.SIGNALS
        assert (sample.signal, sample.labels) not in found, f"told twice: {sample}"
        names = [name for name, _ in sample.labels]
        assert names == [name for name in sample.signal.labels if name in names], f"not the contract's order: {sample}"
        assert all(value for _, value in sample.labels)
        assert sample.value == sample.value
        assert sample.value >= 0 or sample.signal.type is not SignalType.COUNTER
        found[sample.signal, sample.labels] = sample.value
    return found


Starter = Callable[..., Rig]


@contextmanager
def rigs() -> Iterator[Starter]:
    """Start collectors on fake GPUs; whatever hangs at the end is let go, and every thread has to end."""
    started: list[Rig] = []

    def begin(*gpus: FakeGpu, backend: FakeBackend | None = None, retry: float = 0.05, limit: float = 5.0) -> Rig:
        clock, workloads = Clock(), FakeWorkloads()
        backend = backend or FakeBackend(*gpus)
        collector = GpuCollector(
            backend,
            host_name=HOST,
            workloads=workloads,
            sample_seconds=0.005,
            read_seconds=0.01,
            retry_seconds=retry,
            call_limit_seconds=limit,
            clock=clock,
        )
        started.append(Rig(backend, collector, clock, workloads))
        collector.start()
        return started[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collector_module, "_CHECK_SECONDS", 0.01)
        patch.setattr(worker, "_IDLE_SECONDS", 0.005)
        patch.setattr(watcher, "WAIT_SECONDS", 0.01)
        try:
            yield begin
        finally:
            for rig in started:
                for gpu in rig.gpus:
                    gpu.release()
                rig.collector.stop()
            until(lambda: not gpu_threads())


def gpu_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("gpu-"))


def until(condition: Callable[[], object]) -> None:
    """Wait for it; a test that waits in vain fails."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "this never became true"
        time.sleep(0.002)


def gpus(count: int) -> list[FakeGpu]:
    return [FakeGpu(uuid=f"GPU-{index}", index=index) for index in range(count)]


def who(gpu: FakeGpu, index: int) -> Labels:
    return (("gpu", str(index)), ("uuid", gpu.uuid), ("host_name", HOST))
