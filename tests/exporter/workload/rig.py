"""A collector at work on a node that does not exist, and a kubelet for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from atlas_ops.exporter.gpu.backend import GpuIdentity, GpuInstance
from atlas_ops.exporter.samples import Labels
from atlas_ops.exporter.workload.collector import WorkloadCollector
from tests.exporter.workload.node import Node

UUID = "GPU-5a7d6e1f-0001-4c4d-9c1e-{:012x}"
MIG = "MIG-0c4d7a10-0002-5b6e-8f90-{:012x}"


def gpu(index: int) -> GpuIdentity:
    return GpuIdentity(index=index, uuid=UUID.format(index), minor=index, pci_bus_id=f"00000000:{index:02X}:00.0")


def instance(number: int) -> GpuInstance:
    return GpuInstance(uuid=MIG.format(number), name=f"{number}/0", gpu_instance=number, compute_instance=0)


def of_pod(name: str, sharing: str, own: str = "main", namespace: str = "ml") -> Labels:
    names = (("k8s_namespace_name", namespace), ("k8s_pod_name", name), ("k8s_container_name", own))
    return (*names, ("sharing", sharing))


class Clock:
    """The real one, but it can jump."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "this never became true"
        time.sleep(0.002)


class Rig:
    """A collector at work on a node that does not exist."""

    def __init__(self, root: Path) -> None:
        self.node = Node(root)
        self.clock = Clock()
        self.started: list[WorkloadCollector] = []

    def start(self, path: Path, *, interval: float = 0.02, timeout: float = 20.0) -> WorkloadCollector:
        collector = WorkloadCollector(
            self.node.root, path, interval_seconds=interval, timeout_seconds=timeout, clock=self.clock
        )
        self.started.append(collector)
        collector.start()
        until(lambda: collector.ready)
        return collector


def works(collector: WorkloadCollector) -> bool:
    last = collector.last_round()
    assert last is not None
    return last.success
