"""The node that does not exist, read by the exporter's own collectors."""

from __future__ import annotations

import time
from pathlib import Path

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.oom.collector import OomCollector
from atlas_ops.exporter.workload.cgroup import of_file
from atlas_ops.exporter.workload.containers import ContainerNames
from atlas_ops.stage.demo import host_pod
from atlas_ops.stage.host_tree import HostTree


def kills(collector: OomCollector, want: int) -> dict[str, float]:
    """Return {pod: kills} once the host has seen so many."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        samples = collector.collect()
        if any(one.signal is s.HOST_OOM_KILLS and one.value == want for one in samples):
            return {
                dict(one.labels)["k8s_pod_name"]: one.value for one in samples if one.signal is s.CONTAINER_OOM_KILLS
            }
        time.sleep(0.01)
    raise AssertionError(f"no {want} kills: {collector.collect()}")


def test_kills_are_those_of_the_pods(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, [host_pod(0), host_pod(1)])
    tree.create()
    collector = OomCollector(tmp_path, "node-0", interval_seconds=0.01)
    collector.start()
    try:
        assert kills(collector, 0) == {"llama-0": 0, "llama-1": 0}
        tree.set_kills([2, 1], foreign=1)
        assert kills(collector, 4) == {"llama-0": 2, "llama-1": 1}
    finally:
        collector.stop()


def test_the_processes_on_the_gpus_belong_to_the_pods(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, [host_pod(0), host_pod(1)])
    tree.create()
    names = ContainerNames(tmp_path)
    names.refresh()
    found = names.of(of_file((tmp_path / f"proc/{host_pod(1).pid}/cgroup").read_text()))
    assert found is not None
    assert (found.namespace, found.pod, found.container) == ("demo", "llama-1", "vllm")
