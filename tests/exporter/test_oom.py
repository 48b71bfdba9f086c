"""OOM kills are counted for the host and for whoever was killed, over every control group that a container has had."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.collector import Collector, Paced
from atlas_ops.exporter.oom import totals as totals_module
from atlas_ops.exporter.oom import tree
from atlas_ops.exporter.oom.collector import OomCollector
from atlas_ops.exporter.oom.totals import FORGET_SECONDS, OomTotals
from atlas_ops.exporter.oom.tree import Kills
from atlas_ops.exporter.samples import Labels
from atlas_ops.exporter.workload.containers import ContainerNames
from tests.exporter.workload.node import Node, group_of, id_of, uid_of

LONE = "6d393320601b821561e43bd46f658284cb172cf297ecc3d3665be657870d32e2"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Host(Node):
    """A node whose kernel counts OOM kills, in version 2 of control groups."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.groups = root / "sys/fs/cgroup"
        self.groups.mkdir(parents=True)
        (self.groups / "cgroup.controllers").write_text("cpu memory\n")
        (root / "proc").mkdir()
        self.vmstat(0)

    def vmstat(self, kills: int) -> None:
        (self.root / "proc/vmstat").write_text(f"nr_free_pages 12\noom_kill {kills}\noom_kill_disabled 9\n")

    def count(self, path: str, kills: int) -> None:
        folder = self.groups / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.events").write_text(f"low 0\nhigh 4\nmax 9\noom 5\noom_kill {kills}\noom_group_kill 1\n")

    def container(self, pod: str, container: str, kills: int, *, generation: int = 0) -> None:
        self.count(group_of("ml", pod, container, generation), kills)

    def pod_total(self, pod: str, kills: int) -> None:
        self.count(str(Path(group_of("ml", pod, "any")).parent), kills)

    def remove(self, pod: str, container: str, *, generation: int = 0) -> None:
        shutil.rmtree(self.groups / group_of("ml", pod, container, generation).lstrip("/"))


class Rounds:
    """A collector whose rounds happen when the test says so."""

    def __init__(self, host: Host) -> None:
        self.host, self.clock = host, Clock()
        self.collector = OomCollector(host.root, "node-1", clock=self.clock)

    def next(self) -> dict[tuple[str, ...], float]:
        """{(pod, container) or (container id): kills} after one more round, every sample checked against the contract."""
        self.collector._result = self.collector._round()
        found: dict[tuple[str, ...], float] = {}
        for sample in self.collector.collect():
            names = [name for name, _ in sample.labels]
            assert names == [name for name in sample.signal.labels if name in names], "in the contract's order"
            assert sample.labels[0] == ("host_name", "node-1")
            if sample.signal is s.CONTAINER_OOM_KILLS:
                found[
                    tuple(value for name, value in sample.labels if name not in ("host_name", "k8s_namespace_name"))
                ] = sample.value
        return found

    def host_kills(self) -> float:
        return next(sample.value for sample in self.collector.collect() if sample.signal is s.HOST_OOM_KILLS)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def rounds(host: Host) -> Rounds:
    return Rounds(host)


def test_the_host_counts_every_kill(host: Host, rounds: Rounds) -> None:
    host.vmstat(3)
    rounds.next()
    assert rounds.host_kills() == 3


def test_a_kernel_that_does_not_count_tells_nothing(host: Host, rounds: Rounds) -> None:
    (host.root / "proc/vmstat").write_text("nr_free_pages 12\n")
    rounds.next()
    assert rounds.collector.collect() == []
    last = rounds.collector.last_round()
    assert last is not None
    assert last.success


def test_every_running_container_is_told_from_the_start(host: Host, rounds: Rounds) -> None:
    host.pod("ml", "llama", "vllm")
    host.pod_total("llama", 0)
    host.container("llama", "vllm", 0)
    host.count(f"/system.slice/docker-{LONE}.scope", 2)
    host.count(f"/machine.slice/libpod-{LONE[::-1]}.scope", 0)
    assert rounds.next() == {("llama", "vllm"): 0, (LONE[:12],): 2, (LONE[::-1][:12],): 0}


def test_a_kill_of_a_child_process_is_counted_once(host: Host, rounds: Rounds) -> None:
    host.pod("ml", "llama", "vllm", "sidecar")
    host.container("llama", "vllm", 0)
    host.container("llama", "sidecar", 0)
    host.pod_total("llama", 0)
    rounds.next()
    host.container("llama", "vllm", 1)
    host.pod_total("llama", 1)
    assert rounds.next() == {("llama", "vllm"): 1, ("llama", "sidecar"): 0, ("llama",): 0}


def test_a_container_that_comes_back_in_a_new_group_goes_on_counting(host: Host, rounds: Rounds) -> None:
    host.pod("ml", "llama", "vllm", "sidecar")
    host.container("llama", "sidecar", 0)
    host.container("llama", "vllm", 1)
    host.pod_total("llama", 1)
    rounds.next()
    # Killed with its first process: its group is gone before anybody saw it count.
    host.remove("llama", "vllm")
    host.pod_total("llama", 2)
    assert rounds.next()["llama", "vllm"] == 2
    host.pod("ml", "llama", "vllm", generation=1)
    host.container("llama", "vllm", 0, generation=1)
    assert rounds.next()["llama", "vllm"] == 2
    host.container("llama", "vllm", 1, generation=1)
    host.pod_total("llama", 3)
    assert rounds.next() == {("llama", "vllm"): 3, ("llama", "sidecar"): 0, ("llama",): 0}


def test_a_container_that_lives_shorter_than_a_round_is_counted_when_it_is_alone(host: Host, rounds: Rounds) -> None:
    host.pod("ml", "llama", "vllm")
    host.container("llama", "vllm", 0)
    host.container("llama", "sandbox", 0)
    host.pod_total("llama", 0)
    rounds.next()
    host.remove("llama", "vllm")
    host.pod_total("llama", 1)
    rounds.next()
    host.pod_total("llama", 4)
    assert rounds.next() == {("llama", "vllm"): 4}


def test_kills_that_nobody_saw_are_the_pods_where_several_containers_may_have_been_hit(
    host: Host, rounds: Rounds
) -> None:
    host.pod("ml", "llama", "vllm", "sidecar")
    host.container("llama", "vllm", 0)
    host.container("llama", "sidecar", 0)
    host.pod_total("llama", 5)
    assert rounds.next() == {("llama", "vllm"): 0, ("llama", "sidecar"): 0, ("llama",): 5}


def test_the_count_goes_on_when_a_pod_of_the_same_name_is_made_anew(host: Host, rounds: Rounds) -> None:
    host.pod("ml", "llama", "vllm")
    host.container("llama", "vllm", 2)
    host.pod_total("llama", 2)
    rounds.next()
    host.container("llama", "vllm", 1)
    host.pod_total("llama", 1)
    assert rounds.next() == {("llama", "vllm"): 3}


def test_a_pod_without_a_name_is_counted_on_the_host(host: Host, rounds: Rounds) -> None:
    host.container("llama", "vllm", 1)
    host.pod_total("llama", 1)
    assert rounds.next() == {(): 1}


def test_a_pod_that_is_gone_is_forgotten_after_a_while(host: Host, rounds: Rounds) -> None:
    host.pod("ml", "llama", "vllm")
    host.container("llama", "vllm", 1)
    host.pod_total("llama", 1)
    rounds.next()
    shutil.rmtree(host.groups / "kubepods.slice")
    rounds.clock.now += FORGET_SECONDS
    assert rounds.next() == {("llama", "vllm"): 1}
    rounds.clock.now += 1
    assert rounds.next() == {}


def test_version_1_counts_in_its_own_file(host: Host, rounds: Rounds) -> None:
    (host.groups / "cgroup.controllers").unlink()
    host.pod("ml", "llama", "vllm")
    pod = host.groups / "memory/kubepods" / f"pod{uid_of('ml', 'llama')}"
    group = pod / id_of("ml", "llama", "vllm")
    group.mkdir(parents=True)
    (pod / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert rounds.next() == {("llama", "vllm"): 2}
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert rounds.next() == {("llama", "vllm"): 3}, "a count that fell began anew"
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\n")
    assert rounds.next() == {("llama", "vllm"): 3}, "a kernel before 4.13"


@pytest.mark.parametrize(
    "path",
    [
        f"/kubepods/burstable/pod{uid_of('ml', 'llama')}/{id_of('ml', 'llama', 'vllm')}",
        f"/system.slice/containerd.service/kubepods-pod{uid_of('ml', 'llama').replace('-', '_')}.slice:cri-containerd:{id_of('ml', 'llama', 'vllm')}",
        f"/docker/{LONE[:60]}/kubelet.slice/kubelet-kubepods.slice/pod{uid_of('ml', 'llama')}/{id_of('ml', 'llama', 'vllm')}",
    ],
)
def test_containers_are_found_in_every_layout_of_the_tree(host: Host, rounds: Rounds, path: str) -> None:
    host.pod("ml", "llama", "vllm")
    host.count(path, 1)
    host.count(f"{path}/inside/docker/{LONE}", 1)
    assert rounds.next() == {("llama", "vllm"): 1}, "what is inside of a container is part of it"


@pytest.mark.parametrize(
    ("missing", "still_told"), [("proc/vmstat", s.CONTAINER_OOM_KILLS), ("sys/fs/cgroup", s.HOST_OOM_KILLS)]
)
def test_what_cannot_be_read_is_said_once_and_costs_nothing_else(
    host: Host, rounds: Rounds, caplog: pytest.LogCaptureFixture, missing: str, still_told: Signal
) -> None:
    host.vmstat(1)
    host.count(f"/docker/{LONE}", 1)
    elsewhere = (host.root / missing).with_name("elsewhere")
    (host.root / missing).rename(elsewhere)
    rounds.next()
    rounds.next()
    assert [sample.signal for sample in rounds.collector.collect()] == [still_told]
    last = rounds.collector.last_round()
    assert last is not None
    assert not last.success
    assert [missing in record.message for record in caplog.records] == [True]
    elsewhere.rename(host.root / missing)
    assert rounds.next() == {(LONE[:12],): 1}
    assert rounds.host_kills() == 1


def test_a_tree_that_is_closed_to_us_is_said_once(
    host: Host, rounds: Rounds, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.count(f"/docker/{LONE}", 1)
    read_text = Path.read_text

    def refuse(self: Path, **how: str) -> str:
        if self.name == "memory.events":  # root, as which tests often run, is refused nothing
            raise PermissionError(13, "Permission denied", str(self))
        return read_text(self, **how)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert rounds.next() == rounds.next() == {}
    assert rounds.host_kills() == 0
    (record,) = caplog.records
    assert "Permission denied" in record.message
    assert "let this user read it" in record.message


def test_series_are_bounded_and_what_is_gone_makes_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals_module, "MAX_SERIES", 2)
    clock = Clock()
    totals = OomTotals(ContainerNames(host.root), clock)

    def told(**containers: int) -> dict[str, int]:
        clock.now += 1
        found = totals.update({"": Kills(containers={name * 64: kills for name, kills in containers.items()})})
        return {dict(who).get("container_id", "other")[0]: kills for who, kills in found}

    assert told(a=1, b=0) == {"a": 1, "b": 0}
    assert told(a=1, b=0, c=0) == {"a": 1, "b": 0}, "nothing to tell of c"
    assert told(a=1, b=0, c=0, d=2) == {"a": 1, "b": 0, "o": 2}
    assert told(a=1, b=0) == {"a": 1, "b": 0, "o": 2}
    assert told(b=0) == {"a": 1, "b": 0, "o": 2}, "a is gone"
    assert told(b=0, e=1) == {"b": 0, "e": 1, "o": 2}, "and makes room"
    assert told(b=0, f=1) == {"b": 0, "e": 1, "o": 3}, "e has gone only now"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> ContainerNames:
    """The names of a pod of two containers that may be restarted forty times."""
    node = Node(tmp_path_factory.mktemp("node"))
    for generation in range(41):
        node.pod("ml", "llama", "vllm", "sidecar", generation=generation)
    found = ContainerNames(node.root)
    found.refresh()
    return found


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["child", "seen late", "whole", "unseen", "restart"]), st.sampled_from(["vllm", "sidecar"])
    ),
    max_size=40,
)


@given(EVENTS)
def test_totals_never_fall_and_add_up_to_what_the_pod_has_counted(
    names: ContainerNames, events: list[tuple[str, str]]
) -> None:
    totals = OomTotals(names, Clock())
    pod = 0
    running = {"vllm": (0, 0), "sidecar": (0, 0)}
    before: dict[Labels, int] = {}
    for generation, (event, name) in enumerate(events, start=1):
        shown = dict(running)  # the containers are looked at before their pod
        own, kills = running[name]
        running[name] = (own, kills + 1) if event in ("child", "seen late") else running[name]
        running[name] = (generation, 0) if event in ("whole", "restart") else running[name]
        pod += event != "restart"
        shown = shown if event == "seen late" else dict(running)
        counts = {id_of("ml", "llama", name, own): kills for name, (own, kills) in shown.items()}
        found = dict(totals.update({uid_of("ml", "llama"): Kills(subtree=pod, containers=counts)}))
        assert all(found[who] >= kills for who, kills in before.items())
        assert sum(found.values()) == pod
        before = found


def test_the_thread_keeps_rounds_until_it_is_stopped(host: Host) -> None:
    collector: Collector = OomCollector(host.root, "node-1", interval_seconds=0.01)
    assert isinstance(collector, Paced)
    assert (collector.ready, collector.last_round(), collector.collect()) == (False, None, [])
    collector.start()
    until(lambda: collector.ready)
    host.vmstat(7)
    until(lambda: [sample.value for sample in collector.collect()] == [7])
    collector.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "oom"]


def test_a_mistake_of_ours_is_a_failed_round_and_ends_nothing(
    host: Host, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "scan", lambda _root: 1 / 0)
    rounds.next()
    last = rounds.collector.last_round()
    assert last is not None
    assert not last.success
    assert rounds.host_kills() == 0


def test_a_tree_of_this_machine_can_be_read() -> None:
    assert isinstance(tree.scan(Path("/sys/fs/cgroup")), dict)
    assert tree.counter(Path("/proc/vmstat"), tree.KEY) is not None


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "this never became true"
        time.sleep(0.002)
