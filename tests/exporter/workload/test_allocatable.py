"""How many GPUs there should be, by what the device plugin ever offered."""

from __future__ import annotations

import grpc

from atlas_ops.exporter.workload.podresources import ALLOCATABLE, LIST
from tests.exporter.workload.kubelet_standin import Kubelet
from tests.exporter.workload.messages import allocatable, pods, simple_pod
from tests.exporter.workload.rig import MIG, UUID, Rig, gpu, instance, of_pod, until, works


def test_the_most_gpus_that_were_ever_offered_are_expected(rig: Rig, server: Kubelet) -> None:
    server.answers[ALLOCATABLE] = allocatable(
        ("nvidia.com/gpu", [UUID.format(0), UUID.format(1)]),
        ("nvidia.com/gpu.shared", [f"{UUID.format(2)}::{replica}" for replica in range(4)]),
        ("nvidia.com/mig-1g.10gb", [f"nvidia3/gi{number}" for number in range(7)]),
        ("intel.com/sriov", ["0000:0a:00.0", "0000:0a:00.1"]),
    )
    collector = rig.start(server.path)
    assert collector.allocatable() == 4
    server.answers[ALLOCATABLE] = allocatable(("nvidia.com/gpu", [UUID.format(0)]))
    calls = server.calls
    until(lambda: server.calls > calls + 4)
    assert collector.allocatable() == 4, "a GPU that failed leaves the offer and is still expected"


def test_instances_count_as_one_gpu_once_the_driver_has_told_whose_they_are(rig: Rig, server: Kubelet) -> None:
    server.answers[ALLOCATABLE] = allocatable(("nvidia.com/mig-1g.10gb", [MIG.format(n) for n in range(1, 8)]))
    collector = rig.start(server.path)
    assert collector.allocatable() is None
    for number in range(1, 8):
        collector.of_gpu(gpu(0), instance(number), ())
    until(lambda: collector.allocatable() == 1)


def test_nobody_knows_the_number_without_an_offer(rig: Rig, server: Kubelet) -> None:
    server.answers[ALLOCATABLE] = allocatable(("intel.com/sriov", ["0000:0a:00.0"]))
    assert rig.start(server.path).allocatable() is None
    assert rig.start(rig.node.root / "none").allocatable() is None


def test_a_kubelet_that_knows_no_offers_still_tells_of_pods(rig: Rig, server: Kubelet) -> None:
    server.answers[LIST] = pods(simple_pod("a", UUID.format(0)))
    server.answers[ALLOCATABLE] = grpc.StatusCode.UNIMPLEMENTED
    collector = rig.start(server.path)
    assert works(collector)
    assert list(collector.of_gpu(gpu(0), None, ())) == [of_pod("a", "exclusive")]
    server.answers[ALLOCATABLE] = grpc.StatusCode.INTERNAL
    until(lambda: not works(collector))
