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


def kills(collector: OomCollector) -> tuple[dict[str, float], float | None]:
    """Return {pod: kills} and the kills of the whole host, as the collector's thread has read them so far."""
    samples = collector.collect()
    pods = {dict(one.labels)["k8s_pod_name"]: one.value for one in samples if one.signal is s.CONTAINER_OOM_KILLS}
    return pods, next((one.value for one in samples if one.signal is s.HOST_OOM_KILLS), None)


def wait_for_kills(collector: OomCollector, pods: dict[str, float], host: float) -> None:
    """Return once the collector says so; it reads the files in turn, so not all of them are new at once."""
    deadline = time.monotonic() + 20
    while kills(collector) != (pods, host):
        assert time.monotonic() < deadline, kills(collector)
        time.sleep(0.01)


def test_kills_are_those_of_the_pods(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, [host_pod(0), host_pod(1)])
    tree.create()
    collector = OomCollector(tmp_path, "node-0", interval_seconds=0.01)
    collector.start()
    try:
        wait_for_kills(collector, {"llama-0": 0, "llama-1": 0}, host=0)
        tree.set_kills([2, 1], foreign=1)
        wait_for_kills(collector, {"llama-0": 2, "llama-1": 1}, host=4)
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
