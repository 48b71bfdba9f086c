"""Throttles of 200 ms at random times, scraped every 15 s: every one is counted, with eight GPUs and one of them wedged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.collector import GpuCollector
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.simulator import SimulatedNode, reasons
from atlas_ops.simulator.state import HEALTHY, WEDGED

from .fake_gpu import FakeWorkloads
from .rig import HOST, Page, checked, gpu_threads, until

GPUS, WEDGED_GPU = 8, 5
SCRAPE_SECONDS = 15.0
THROTTLE_SECONDS = 0.2


class Injector(threading.Thread):
    """Throttles the GPUs at random times, each for 200 ms, until it is stopped. `count` is what it did: {gpu: times}."""

    def __init__(self, node: SimulatedNode, seed: int) -> None:
        super().__init__(daemon=True)
        self.count: Counter[int] = Counter()
        self.stopping = threading.Event()
        self._node, self._random = node, random.Random(seed)
        self._next = {gpu: time.monotonic() + self._random.uniform(0.1, 2) for gpu in range(GPUS) if gpu != WEDGED_GPU}
        self._until: dict[int, float] = {}

    def run(self) -> None:
        while self._until or not self.stopping.is_set():
            now = time.monotonic()
            for gpu in [gpu for gpu, end in self._until.items() if end <= now]:
                self._node.throttle(gpu, 0)
                del self._until[gpu]
                self._next[gpu] = now + self._random.uniform(0.35, 2)
            for gpu, begin in self._next.items():
                if begin <= now and gpu not in self._until and not self.stopping.is_set():
                    # Hardware reports the umbrella and the reason below it; only the second has a counter of its own.
                    self._node.throttle(gpu, reasons.HW_THERMAL | reasons.HW_SLOWDOWN)
                    self._until[gpu] = now + THROTTLE_SECONDS
                    self.count[gpu] += 1
            time.sleep(0.01)


def told(page: Page, signal: Signal, gpu: int, reason: str) -> float:
    return next(
        value
        for (known, labels), value in page.items()
        if known is signal and ("gpu", str(gpu)) in labels and ("reason", reason) in labels
    )


def test_every_throttle_of_200_ms_is_counted_by_counter_and_by_sampler() -> None:
    node = SimulatedNode("h100", driver="580.82", gpus=GPUS)
    collector = GpuCollector(Nvml(node.library), host_name=HOST, workloads=FakeWorkloads())
    collector.start()
    try:
        healthy = [gpu for gpu in range(GPUS) if gpu != WEDGED_GPU]

        def page() -> Page:
            return checked(collector.collect())

        until(lambda: sum(signal is s.GPU_THROTTLE_SECONDS for signal, _ in page()) == GPUS * 9)
        node.set_condition(WEDGED_GPU, WEDGED)
        before = page()
        injector = Injector(node, seed=7)
        injector.start()
        time.sleep(SCRAPE_SECONDS - 2.5)
        injector.stopping.set()
        injector.join()
        time.sleep(2.2)  # the counters are looked at once a second
        after = page()
    finally:
        node.set_condition(WEDGED_GPU, HEALTHY)
        collector.stop()
        node.library.close()
        until(lambda: not gpu_threads())
    assert min(injector.count.values()) >= 5
    for reason, source in (("hw_thermal", "hardware_counter"), ("hw_slowdown", "sampled")):
        for gpu in healthy:
            assert any(
                ("gpu", str(gpu)) in labels and ("reason", reason) in labels and ("source", source) in labels
                for signal, labels in after
                if signal is s.GPU_THROTTLE_SOURCE
            )
            events = told(after, s.GPU_THROTTLE_EVENTS, gpu, reason) - told(before, s.GPU_THROTTLE_EVENTS, gpu, reason)
            assert events == injector.count[gpu], f"GPU {gpu}, {reason}"
            seconds = told(after, s.GPU_THROTTLE_SECONDS, gpu, reason) - told(
                before, s.GPU_THROTTLE_SECONDS, gpu, reason
            )
            lower, upper = (0.95, 1.3) if source == "hardware_counter" else (0.5, 1.6)
            assert lower <= seconds / (THROTTLE_SECONDS * events) <= upper, f"GPU {gpu}, {reason}: {seconds} s"
    up = {dict(labels)["gpu"]: value for (signal, labels), value in after.items() if signal is s.GPU_UP}
    assert up == {str(gpu): float(gpu != WEDGED_GPU) for gpu in range(GPUS)}
