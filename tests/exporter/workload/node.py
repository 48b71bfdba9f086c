"""The files of a host that does not exist: processes, control groups and the names of logs, below a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path


class Node:
    """Writes below `root` what the kernel and the kubelet of a node would show."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, name: str, group: str, *, started: int = 1000) -> None:
        folder = self.root / "proc" / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stat").write_text(f"{pid} ({name}) S {' '.join('7' * 18)} {started} 8 9 10\n")
        (folder / "cgroup").write_text(f"0::{group}\n")

    def end(self, pid: int) -> None:
        folder = self.root / "proc" / str(pid)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    def pod(self, namespace: str, pod: str, *containers: str, generation: int = 0) -> None:
        """The logs of a running pod."""
        logs = self.root / "var/log"
        (logs / "pods" / f"{namespace}_{pod}_{uid_of(namespace, pod)}").mkdir(parents=True, exist_ok=True)
        (logs / "containers").mkdir(exist_ok=True)
        for container in containers:
            own = id_of(namespace, pod, container, generation)
            (logs / "containers" / f"{pod}_{namespace}_{container}-{own}.log").touch()


def uid_of(namespace: str, pod: str) -> str:
    digits = _digest(namespace, pod)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def id_of(namespace: str, pod: str, container: str, generation: int = 0) -> str:
    return _digest(namespace, pod, container, str(generation))


def group_of(namespace: str, pod: str, container: str, generation: int = 0) -> str:
    """The path of a container's group, as the systemd driver spells it."""
    slice_name = f"kubepods-burstable-pod{uid_of(namespace, pod).replace('-', '_')}.slice"
    own = id_of(namespace, pod, container, generation)
    return f"/kubepods.slice/kubepods-burstable.slice/{slice_name}/cri-containerd-{own}.scope"


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()
