"""Whose a GPU and a process are: by the kubelet, by the process table, and what holds when the kubelet is away."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from pathlib import Path

import grpc
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.collector import Collector, Paced
from atlas_ops.exporter.gpu.backend import Workloads
from atlas_ops.exporter.workload.collector import MAX_WORKLOADS, WorkloadCollector
from atlas_ops.exporter.workload.kubelet import KEEP_SECONDS
from atlas_ops.exporter.workload.podresources import LIST
from tests.exporter.workload import messages
from tests.exporter.workload.kubelet_standin import Kubelet, raw_server
from tests.exporter.workload.messages import container, pod, pods, simple_pod
from tests.exporter.workload.node import group_of
from tests.exporter.workload.rig import MIG, UUID, Rig, gpu, instance, of_pod, until, works


def test_it_is_a_collector_and_knows_workloads(rig: Rig) -> None:
    found: Collector = WorkloadCollector(rig.node.root, rig.node.root / "none")
    workloads: Workloads = WorkloadCollector(rig.node.root, rig.node.root / "none")
    assert isinstance(found, Paced)
    assert (workloads.of_process(1), list(workloads.of_gpu(gpu(0), None, [1]))) == ((), [])
    assert found.collect() == []
    assert found.last_round() is None


# --- by the kubelet ---------------------------------------------------------------------------------------------------
def test_a_node_without_pods_has_idle_gpus(rig: Rig, server: Kubelet) -> None:
    collector = rig.start(server.path)
    assert list(collector.of_gpu(gpu(0), None, ())) == []
    assert works(collector)


def test_each_of_eight_pods_is_told_on_its_gpu(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(*(simple_pod(f"llama-{index}", UUID.format(index)) for index in range(8)))
    collector = rig.start(server.path)
    for index in range(8):
        assert list(collector.of_gpu(gpu(index), None, ())) == [of_pod(f"llama-{index}", "exclusive")]


def test_twenty_thousand_pods_are_no_limit(rig: Rig, server: Kubelet) -> None:
    answer = pods(
        *(simple_pod(f"llama-{n:05}-with-a-name-as-long-as-names-are", UUID.format(n)) for n in range(20_000))
    )
    assert len(answer) > 2_500_000
    server.answers[LIST] = answer
    collector = rig.start(server.path, interval=600.0)
    assert dict(collector.of_gpu(gpu(19_999), None, ())[0])["k8s_pod_name"].startswith("llama-19999")


def test_a_pod_with_several_gpus_is_told_on_each(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(simple_pod("trainer", UUID.format(0), UUID.format(1), "nvidia2"))
    collector = rig.start(server.path)
    for index in range(3):
        assert list(collector.of_gpu(gpu(index), None, ())) == [of_pod("trainer", "exclusive")]


def test_labels_stand_in_the_order_of_the_contract(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(simple_pod("llama", UUID.format(0)))
    rig.node.process(7, "python3", "/system.slice/docker-" + "a" * 64 + ".scope")
    collector = rig.start(server.path)
    until(lambda: collector.of_process(7))
    for signal, found in (
        (s.GPU_WORKLOAD_INFO, collector.of_gpu(gpu(0), None, ())[0]),
        (s.GPU_WORKLOAD_INFO, collector.of_gpu(gpu(1), None, [7])[0]),
        (s.GPU_PROCESS_MEMORY, collector.of_process(7)),
    ):
        names = [name for name, _ in found]
        assert names == [name for name in signal.labels if name in names]
        assert len(names) >= 2


def test_time_slices_and_mps_share_a_gpu_even_when_one_pod_is_alone(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(
        simple_pod("a", f"{UUID.format(0)}::0", resource="nvidia.com/gpu.shared"),
        simple_pod("b", f"{UUID.format(0)}::2", f"{UUID.format(0)}::3", resource="nvidia.com/gpu.shared"),
        simple_pod("c", f"{UUID.format(1)}::1"),
    )
    collector = rig.start(server.path)
    assert list(collector.of_gpu(gpu(0), None, ())) == [of_pod("a", "shared"), of_pod("b", "shared")]
    assert list(collector.of_gpu(gpu(1), None, ())) == [of_pod("c", "shared")]


def test_an_instance_belongs_to_its_pod_and_the_whole_gpu_to_nobody(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(
        simple_pod("small", MIG.format(1), resource="nvidia.com/mig-1g.10gb"),
        simple_pod("gke", "nvidia0/gi2"),
    )
    collector = rig.start(server.path)
    assert list(collector.of_gpu(gpu(0), instance(1), ())) == [of_pod("small", "exclusive")]
    assert list(collector.of_gpu(gpu(0), instance(2), ())) == [of_pod("gke", "exclusive")]
    assert list(collector.of_gpu(gpu(0), instance(3), ())) == []
    assert list(collector.of_gpu(gpu(0), None, ())) == []


def test_who_has_the_whole_gpu_has_its_instances(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(simple_pod("all", UUID.format(0)))
    collector = rig.start(server.path)
    assert list(collector.of_gpu(gpu(0), instance(1), ())) == [of_pod("all", "exclusive")]


def test_a_claim_may_be_shared_by_containers(rig: Rig, server: Kubelet) -> None:
    claims = [("gpu.nvidia.com", "gpu-0", ["k8s.gpu.nvidia.com/claim=x-gpu-0"])]
    server.answers[LIST] = pods(
        pod("ml", "dra", container("one", claims=claims), container("two", claims=claims)),
        pod("ml", "own", container("main", claims=[("gpu.nvidia.com", "gpu-1", ())])),
    )
    collector = rig.start(server.path)
    assert list(collector.of_gpu(gpu(0), None, ())) == [of_pod("dra", "shared", "one"), of_pod("dra", "shared", "two")]
    assert list(collector.of_gpu(gpu(1), None, ())) == [of_pod("own", "exclusive")]


def test_a_pod_that_has_ended_does_not_share_the_gpu_with_its_successor(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(simple_pod("job-1", UUID.format(0)), simple_pod("job-2", UUID.format(0)))
    for name in ("job-1", "job-2"):
        rig.node.pod("ml", name, "main")
    rig.node.process(7, "python3", group_of("ml", "job-2", "main"))
    collector = rig.start(server.path)
    until(lambda: collector.of_process(7))
    assert list(collector.of_gpu(gpu(0), None, [7])) == [of_pod("job-2", "exclusive")]
    assert len(collector.of_gpu(gpu(0), None, ())) == 2, "without a process nobody can tell"


def test_workloads_of_a_gpu_are_bounded(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(*(simple_pod(f"p-{n}", f"{UUID.format(0)}::{n}") for n in range(MAX_WORKLOADS + 1)))
    collector = rig.start(server.path)
    assert len(collector.of_gpu(gpu(0), None, ())) == MAX_WORKLOADS


# --- by the process table ---------------------------------------------------------------------------------------------
def test_a_process_in_a_pod_is_told_with_its_names(rig: Rig) -> None:
    rig.node.pod("ml", "llama-0", "vllm", "sidecar")
    rig.node.process(7, "VLLM::EngineCor", group_of("ml", "llama-0", "vllm"))
    collector = rig.start(rig.node.root / "none")
    until(lambda: collector.of_process(7))
    assert dict(collector.of_process(7)) == {
        "process": "VLLM::EngineCor",
        "k8s_namespace_name": "ml",
        "k8s_pod_name": "llama-0",
        "k8s_container_name": "vllm",
    }


def test_a_new_process_in_a_new_pod_is_known_long_before_the_next_round(rig: Rig) -> None:
    collector = rig.start(rig.node.root / "none", interval=3600.0)
    rig.node.pod("ml", "llama-1", "vllm")
    rig.node.process(8, "python3", group_of("ml", "llama-1", "vllm"))
    until(lambda: collector.of_process(8))
    assert dict(collector.of_process(8))["k8s_pod_name"] == "llama-1"


def test_where_only_the_pod_has_a_name_the_container_is_told_by_its_id(rig: Rig) -> None:
    rig.node.pod("ml", "llama-0")
    rig.node.process(7, "python3", group_of("ml", "llama-0", "vllm"))
    collector = rig.start(rig.node.root / "none")
    until(lambda: collector.of_process(7))
    found = dict(collector.of_process(7))
    assert (found["k8s_pod_name"], len(found["container_id"])) == ("llama-0", 12)
    assert "k8s_container_name" not in found


def test_outside_kubernetes_a_gpu_is_told_by_its_processes(rig: Rig) -> None:
    own = "6d393320601b821561e43bd46f658284cb172cf297ecc3d3665be657870d32e2"
    rig.node.process(1, "vllm", "/system.slice/vllm.service")
    rig.node.process(2, "worker", "/system.slice/vllm.service")
    rig.node.process(3, "triton", f"/system.slice/docker-{own}.scope")
    rig.node.process(4, "bash", "/")
    collector = rig.start(rig.node.root / "none")
    until(lambda: all(collector.of_process(pid) for pid in range(1, 5)))
    unit, container_id = ("systemd_unit", "vllm.service"), ("container_id", own[:12])
    assert list(collector.of_gpu(gpu(0), None, [1, 2, 4])) == [(unit, ("sharing", "exclusive"))]
    assert list(collector.of_gpu(gpu(0), None, [1, 3])) == [
        (unit, ("sharing", "shared")),
        (container_id, ("sharing", "shared")),
    ]
    assert list(collector.of_gpu(gpu(0), None, [4, 99])) == []
    assert works(collector)


def test_a_gpu_that_no_pod_asked_for_is_told_by_its_processes(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(simple_pod("a", UUID.format(0)))
    rig.node.process(1, "Xorg", "/system.slice/gdm.service")
    collector = rig.start(server.path)
    until(lambda: collector.of_process(1))
    assert list(collector.of_gpu(gpu(1), None, [1])) == [(("systemd_unit", "gdm.service"), ("sharing", "exclusive"))]


# --- when the kubelet is away -----------------------------------------------------------------------------------------
def test_the_last_word_of_a_kubelet_holds_for_a_while_and_is_then_dropped(
    rig: Rig, server: Kubelet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.answers[LIST] = pods(simple_pod("a", UUID.format(0)))
    collector = rig.start(server.path)
    server.stop()
    until(lambda: not works(collector))
    until(lambda: collector._failures > 5)
    assert list(collector.of_gpu(gpu(0), None, ())) == [of_pod("a", "exclusive")]
    rig.clock.ahead = KEEP_SECONDS + 1
    assert list(collector.of_gpu(gpu(0), None, ())) == []
    server.answers[LIST] = pods(simple_pod("b", UUID.format(0)))
    server.start()
    until(lambda: works(collector))
    assert list(collector.of_gpu(gpu(0), None, ())) == [of_pod("b", "exclusive")]
    told = [record.message for record in caplog.records if "kubelet" in record.message]
    assert len(told) == 2, "once that it is away, once that it is back"
    assert "does not say who holds which GPU" in told[0]
    assert told[1] == "the kubelet answers again"


def test_a_missing_socket_is_no_failure_and_is_looked_for_again(
    rig: Rig, server: Kubelet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.stop()
    collector = rig.start(server.path)
    first = collector.last_round()
    until(lambda: collector.last_round() != first)
    assert works(collector)
    assert [record.levelname for record in caplog.records if "kubelet" in record.message] == ["INFO"]
    server.answers[LIST] = pods(simple_pod("a", UUID.format(0)))
    server.start()
    until(lambda: list(collector.of_gpu(gpu(0), None, ())) == [of_pod("a", "exclusive")])


def test_a_socket_that_is_for_root_only_is_no_failure_of_an_exporter_without_root(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    socket, stat = tmp_path / "pod-resources" / "kubelet.sock", Path.stat

    def refused(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self == socket:
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refused)
    collector = rig.start(socket)
    first = collector.last_round()
    until(lambda: collector.last_round() != first)
    assert works(collector)
    (line,) = (record.message for record in caplog.records if str(socket) in record.message)
    assert "is for user 0 only" in line


@pytest.mark.parametrize("answer", [b"\xff\xff\xff", messages.field(1, b"\x0a\x7fshort"), grpc.StatusCode.INTERNAL])
def test_garbage_and_refusals_keep_the_last_word(rig: Rig, server: Kubelet, answer: bytes | grpc.StatusCode) -> None:
    server.answers[LIST] = pods(simple_pod("a", UUID.format(0)))
    collector = rig.start(server.path)
    server.answers[LIST] = answer
    until(lambda: not works(collector))
    assert list(collector.of_gpu(gpu(0), None, ())) == [of_pod("a", "exclusive")]
    server.answers[LIST] = pods()
    until(lambda: works(collector))
    assert list(collector.of_gpu(gpu(0), None, ())) == []


def test_a_kubelet_that_hangs_holds_up_nobody(rig: Rig) -> None:
    asked = threading.Event()

    def hang(connection: socket.socket) -> None:
        while connection.recv(65536):
            asked.set()

    with raw_server(hang) as path:
        collector = WorkloadCollector(rig.node.root, path, timeout_seconds=600)
        collector.start()
        assert asked.wait(20)
        assert (collector.of_process(1), list(collector.of_gpu(gpu(0), None, [1]))) == ((), [])
        assert not collector.ready
        collector.stop()
        assert not collector._thread.is_alive(), "a call in flight ends with the collector"


def test_a_mistake_of_ours_is_a_failed_round_and_ends_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = rig.start(rig.node.root / "none")
    monkeypatch.setattr(collector._names, "refresh", lambda: 1 / 0)
    until(lambda: not works(collector))
    monkeypatch.undo()
    until(lambda: works(collector))


def test_rounds_come_often_enough_to_count_as_fresh_and_not_in_step() -> None:
    collector = WorkloadCollector(Path("none"), Path("none"))
    delays = set()
    for collector._failures in range(12):
        delay = collector._delay()
        assert delay <= 2 * collector.interval_seconds
        delays.add(delay)
    assert len(delays) == 12
    collector._failures = 1
    assert collector._delay() <= 1.0, "a kubelet that restarts is back within seconds"
