"""A collector at work on a fake library, and what tests ask about its page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.gpu import collector as gpu_module
from atlas_ops.exporter.gpu.collector import GpuCollector
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.samples import Labels

from .fake_nvml import FakeGpu, FakeNvml

HOST = "node-1"
Page = dict[tuple[Signal, Labels], float]


class Clock:
    """The real one, but it can jump."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Rig:
    """A collector at work on a fake library."""

    library: FakeNvml
    collector: GpuCollector
    clock: Clock

    def page(self) -> Page:
        """The page of this moment, after checking that every sample keeps the contract."""
        found: Page = {}
        for sample in self.collector.collect():
            assert sample.signal in s.SIGNALS
            assert (sample.signal, sample.labels) not in found, "a series is told once"
            names = [name for name, _ in sample.labels]
            assert names == [name for name in sample.signal.labels if name in names], "labels in the contract's order"
            assert all(value for _, value in sample.labels)
            assert sample.value == sample.value
            assert sample.value >= 0 or sample.signal.type is not SignalType.COUNTER
            found[sample.signal, sample.labels] = sample.value
        return found

    def value(self, signal: Signal, index: int, **extra: str) -> float | None:
        return self.page().get((signal, (*who(self.library.gpus[index], index), *extra.items())))

    def up(self) -> dict[str, float]:
        """{uuid: up}."""
        return {dict(labels).get("uuid", ""): v for (signal, labels), v in self.page().items() if signal is s.GPU_UP}

    def of(self, index: int) -> set[Signal]:
        """The signals told of a GPU."""
        return {signal for signal, labels in self.page() if ("gpu", str(index)) in labels}


Starter = Callable[..., Rig]


@contextmanager
def rigs() -> Iterator[Starter]:
    """Start collectors on fake libraries; whatever hangs at the end is let go, and every thread has to end."""
    started: list[Rig] = []

    def begin(
        library: FakeNvml, *, backend: Nvml | None = None, expected: int | None = None, retry: float = 0.05
    ) -> Rig:
        clock = Clock()
        collector = GpuCollector(
            backend or Nvml(library),
            host_name=HOST,
            expected=expected,
            sample_seconds=0.005,
            read_seconds=0.01,
            retry_seconds=retry,
            clock=clock,
        )
        started.append(Rig(library, collector, clock))
        collector.start()
        return started[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_module, "_CHECK_SECONDS", 0.01)
        try:
            yield begin
        finally:
            for rig in started:
                for gpu in rig.library.gpus:
                    if gpu.hang is not None:
                        gpu.hang.set()
                rig.collector.stop()
            until(lambda: not gpu_threads())


def gpu_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("gpu-")]


def until(condition: Callable[[], object]) -> None:
    """Wait for it; a test that waits in vain fails."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "this never became true"
        time.sleep(0.002)


def gpus(count: int) -> list[FakeGpu]:
    return [FakeGpu(uuid=f"GPU-{index}") for index in range(count)]


def who(gpu: FakeGpu, index: int) -> Labels:
    return (("gpu", str(index)), ("uuid", gpu.uuid), ("host_name", HOST))


def wedge(gpu: FakeGpu) -> threading.Event:
    """Let every call about a GPU hang, and return when one does."""
    gate = threading.Event()
    gpu.hung.clear()
    gpu.hang = gate
    until(gpu.hung.is_set)
    return gate
