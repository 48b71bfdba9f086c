"""The files of a node that does not exist, as far as the exporter reads them: processes, control groups, names of containers.

Written by `stage.conductor` for the demo: so the simulated processes on the GPUs belong to pods, and the kernel's kills are
counted where a kernel counts them. The exporter is told of it by `exporter.host_root`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_GROUP = "kubepods.slice/kubepods-burstable.slice"
_STAT = "(VLLM::EngineCor) S 1" + " 0" * 48
"""What follows the number in /proc/<pid>/stat: name, state, parent, and 48 numbers that nobody asks for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """One pod with one container and one process that uses a GPU."""

    namespace: str
    name: str
    container: str
    uid: str
    container_id: str
    """64 hexadecimal digits."""
    pid: int


class HostTree:
    """The files below `root`."""

    def __init__(self, root: Path, pods: Sequence[Pod]) -> None:
        self.root = root
        self._pods = pods

    def create(self) -> None:
        """Write everything; nobody was killed yet."""
        self._write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n")
        for pod in self._pods:
            self._write(f"proc/{pod.pid}/stat", f"{pod.pid} {_STAT}\n")
            self._write(f"proc/{pod.pid}/cgroup", f"0::/{_group(pod)}\n")
            self._write(f"var/log/containers/{pod.name}_{pod.namespace}_{pod.container}-{pod.container_id}.log", "")
            (self.root / f"var/log/pods/{pod.namespace}_{pod.name}_{pod.uid}").mkdir(parents=True, exist_ok=True)
        self.set_kills([0] * len(self._pods))

    def set_kills(self, kills: Sequence[int], *, foreign: int = 0) -> None:
        """Let the kernel have killed so many processes of each pod, and `foreign` ones, for want of memory."""
        self._write("proc/vmstat", f"nr_free_pages 1000000\noom_kill {sum(kills) + foreign}\n")
        for pod, count in zip(self._pods, kills, strict=True):
            events = f"low 0\nhigh 0\nmax {count}\noom {count}\noom_kill {count}\noom_group_kill 0\n"
            group = _group(pod)
            for place in (group, group.rpartition("/")[0]):
                self._write(f"sys/fs/cgroup/{place}/memory.events", events)

    def _write(self, path: str, text: str) -> None:
        """Put a whole file in the place of another: nobody reads half of one."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(target.name + ".new")
        new.write_text(text)
        new.replace(target)


def _group(pod: Pod) -> str:
    uid = pod.uid.replace("-", "_")
    return f"{_GROUP}/kubepods-burstable-pod{uid}.slice/cri-containerd-{pod.container_id}.scope"
