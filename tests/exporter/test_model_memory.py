"""GPU memory of a server is that of its own processes, and of nobody else's."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.model_memory import HOLDS_SECONDS, ModelMemory
from atlas_ops.exporter.samples import Sample, labels
from tests.exporter.collectors import Steady

GIB = float(1 << 30)
POD = {"k8s_namespace_name": "chat", "k8s_pod_name": "llama-0", "k8s_container_name": "vllm"}


class Fixed(Steady):
    """A GPU collector with a process table."""

    def __init__(self, samples: list[Sample]) -> None:
        super().__init__("gpu")
        self.samples = samples

    def collect(self) -> list[Sample]:
        return self.samples


def process(size: float, pid: int | str = 7, **workload: str) -> Sample:
    return Sample(s.GPU_PROCESS_MEMORY, labels(gpu="0", uuid="GPU-1", pid=str(pid), **workload), size)


def memory(samples: list[Sample], identity: Identity, url: str = "http://10.0.0.7:8000") -> float | None:
    return ModelMemory([Fixed(samples)], identity, url).bytes()


IN_POD = Identity(server="10.0.0.7:8000", namespace="chat", pod="llama-0", container="vllm")


def test_the_processes_of_the_pod_are_added_up_over_all_gpus() -> None:
    assert memory([process(40 * GIB, **POD), process(38 * GIB, pid=8, **POD)], IN_POD) == 78 * GIB


@pytest.mark.parametrize(
    "other", [{"k8s_pod_name": "llama-1"}, {"k8s_namespace_name": "dev"}, {"k8s_container_name": "sidecar"}]
)
def test_another_pod_or_container_is_not_counted(other: dict[str, str]) -> None:
    assert memory([process(GIB, **POD | other)], IN_POD) is None


def test_a_server_whose_container_nobody_named_has_all_of_its_pod() -> None:
    anywhere = Identity(server="10.0.0.7:8000", namespace="chat", pod="llama-0")
    assert memory([process(GIB, **POD), process(GIB, **POD | {"k8s_container_name": "draft"})], anywhere) == 2 * GIB


def test_a_collector_of_gpus_that_fails_costs_the_server_nothing_else() -> None:
    class Broken(Fixed):
        def collect(self) -> list[Sample]:
            raise ZeroDivisionError

    assert ModelMemory([Broken([])], IN_POD, "http://10.0.0.7:8000").bytes() is None


def test_a_process_that_listens_on_the_port_is_the_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"
        ours = process(3 * GIB, pid=os.getpid())
        assert memory([ours, process(GIB, pid=1)], Identity(server="a"), url) == 3 * GIB
    assert memory([ours], Identity(server="a"), url) is None, "nobody listens there any more"


def test_a_child_of_the_process_that_listens_is_the_server(tmp_path: Path) -> None:
    for pid, parent in ((30, 20), (20, 10), (10, 1), (40, 1)):
        folder = tmp_path / "proc" / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "stat").write_text(f"{pid} (VLLM::Engine) S) S {parent} 1 1 0")
    (tmp_path / "proc" / "10" / "fd" / "5").symlink_to("socket:[99]")
    (tmp_path / "proc" / "net").mkdir()
    (tmp_path / "proc" / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1\n"
    )
    gpus = [Fixed([process(GIB, pid=30), process(5 * GIB, pid=40)])]
    assert ModelMemory(gpus, Identity(server="a"), "http://127.0.0.1:8000", tmp_path).bytes() == GIB


def test_a_server_on_another_machine_is_not_looked_for_here() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://10.0.0.9:{listening.getsockname()[1]}"
        assert memory([process(GIB, pid=os.getpid())], Identity(server="a"), url) is None


def test_the_process_table_is_not_read_for_every_page() -> None:
    now = [0.0]
    gpu = Fixed([process(GIB, **POD)])
    ours = ModelMemory([gpu], IN_POD, "http://10.0.0.7:8000", clock=lambda: now[0])
    assert ours.bytes() == GIB
    gpu.samples = [process(2 * GIB, **POD)]
    assert ours.bytes() == GIB
    now[0] += HOLDS_SECONDS
    assert ours.bytes() == 2 * GIB
