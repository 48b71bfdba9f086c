"""The process table is read by its own thread, for those who are asked for, and pids that change hands are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_ops.exporter.workload import cgroup
from atlas_ops.exporter.workload.processes import FORGET_SECONDS, MAX_PROCESSES, Process, Processes
from tests.exporter.workload.node import Node


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def name(found: Process | None) -> str:
    assert found is not None
    return found.name


def test_nobody_waits_for_the_disk(node: Node) -> None:
    node.process(1, "vllm", "/system.slice/vllm.service")
    processes = Processes(node.root, Clock())
    assert processes.of(1) is None
    processes.read_new()
    found = processes.of(1)
    assert name(found) == "vllm"
    assert found is not None
    assert found.place.unit == "vllm.service"


def test_a_name_may_hold_anything(node: Node) -> None:
    node.process(1, "a) S (b) c", "/")
    processes = Processes(node.root, Clock())
    processes.of(1)
    processes.read_new()
    assert name(processes.of(1)) == "a) S (b) c"


def test_what_is_known_is_not_read_again_before_the_next_refresh(node: Node) -> None:
    node.process(1, "old", "/")
    processes = Processes(node.root, Clock())
    processes.of(1)
    processes.of(2)
    processes.read_new()
    node.process(1, "new", "/")
    node.process(2, "late", "/")
    processes.read_new()
    assert (name(processes.of(1)), name(processes.of(2))) == ("old", ""), "an absent one is remembered as well"
    processes.refresh()
    assert (name(processes.of(1)), name(processes.of(2))) == ("new", "late")


def test_a_process_that_has_ended_is_nobody(node: Node) -> None:
    node.process(1, "vllm", "/")
    processes = Processes(node.root, Clock())
    processes.of(1)
    processes.read_new()
    node.end(1)
    processes.refresh()
    assert processes.of(1) == Process()


def test_a_pid_that_changes_hands_while_it_is_read_is_nobody(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.process(1, "old", "/system.slice/old.service", started=1)
    of_file = cgroup.of_file

    def change_hands(text: str) -> cgroup.Place:
        node.process(1, "new", "/system.slice/new.service", started=2)
        return of_file(text)

    monkeypatch.setattr(cgroup, "of_file", change_hands)
    processes = Processes(node.root, Clock())
    processes.of(1)
    processes.read_new()
    assert processes.of(1) == Process()
    processes.refresh()
    assert name(processes.of(1)) == "new"


@pytest.mark.parametrize("text", ["", "1 vllm S", "1 (vllm) S 2 3"])
def test_a_file_that_is_no_process_is_nobody(node: Node, text: str) -> None:
    node.process(1, "vllm", "/")
    (node.root / "proc/1/stat").write_text(text)
    processes = Processes(node.root, Clock())
    processes.of(1)
    processes.read_new()
    assert processes.of(1) == Process()


def test_who_is_not_asked_for_is_forgotten(node: Node) -> None:
    clock = Clock()
    processes = Processes(node.root, clock)
    processes.of(1)
    processes.read_new()
    clock.now += FORGET_SECONDS
    processes.of(2)
    clock.now += 1
    processes.refresh()
    assert processes.of(2) == Process()
    assert processes.of(1) is None


def test_the_memory_for_processes_is_bounded(node: Node) -> None:
    processes = Processes(node.root, Clock())
    for pid in range(MAX_PROCESSES + 1):
        processes.of(pid)
    processes.read_new()
    assert processes.of(MAX_PROCESSES - 1) == Process()
    assert processes.of(MAX_PROCESSES) is None
