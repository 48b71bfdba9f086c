"""What the control groups of this moment say about OOM kills, gathered by pod.

Called by `collector` once for each round. Version 2 counts in `memory.events`, for a group and everything below it, and
keeps what groups that are gone have counted (docs.kernel.org/admin-guide/cgroup-v2.html). That is the only trace of a
container whose first process was killed: its own group is gone before anybody can look. Version 1 counts in
`memory.oom_control`, for the group alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from atlas_ops.exporter.workload import cgroup

MAX_GROUPS = 20_000
"""Groups that are looked at; a busy node has some hundred."""
MAX_DEPTH = 10
"""A pod's container in a cluster that runs in a container lies six levels deep."""
KEY = "oom_kill"
"""The kernel's word in /proc/vmstat and in control groups."""


@dataclass(slots=True)
class Kills:
    """The counts of one pod, or (uid empty) of all containers outside of pods."""

    subtree: int | None = None
    """Kills in the pod since it began, those in groups that are gone included; None where nothing counts them."""
    containers: dict[str, int] = field(default_factory=dict)
    """{container id: kills since its group was made}."""


def scan(root: Path) -> dict[str, Kills]:
    """Return {uid of the pod: its counts} below `/sys/fs/cgroup`; OSError when it cannot be listed, or a group is closed to us."""
    version_2 = (root / "cgroup.controllers").exists()
    root, file = (root, "memory.events") if version_2 else (root / "memory", "memory.oom_control")
    found: dict[str, Kills] = {}
    pods: list[tuple[str, Path]] = []
    for group, place in _groups(root):
        if place.container_id:
            kills = _counter_of_group(group / file)
            if kills is not None:
                found.setdefault(place.pod_uid, Kills()).containers[place.container_id] = kills
        else:
            pods.append((place.pod_uid, group))
    for uid, group in pods:  # after their containers, so that they never know less
        subtree = _counter_of_group(group / file)
        if subtree is not None:
            found.setdefault(uid, Kills()).subtree = subtree if version_2 else None
    return found


def counter(file: Path, key: str) -> int | None:
    """Return the number behind `key` in a file of `key number` lines; None where it is missing, OSError as it comes."""
    lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    value = next((line.split()[-1] for line in lines if line.startswith(f"{key} ")), "")
    return int(value) if value.isdecimal() else None


def _counter_of_group(file: Path) -> int | None:
    try:
        return counter(file, KEY)
    except PermissionError:
        raise
    except OSError:
        return None  # the group is gone, or memory is not counted for it


def _groups(root: Path) -> Iterator[tuple[Path, cgroup.Place]]:
    """Yield the groups of pods and containers; what a container has inside of it is part of it."""
    waiting = [(root, 0, "")]
    looked_at = 0
    while waiting and looked_at < MAX_GROUPS:
        folder, depth, pod = waiting.pop()
        for name in _folders(folder, must_exist=not depth):
            looked_at += 1
            place = cgroup.of_path(name)
            uid = pod or place.pod_uid
            if place.container_id or place.pod_uid:
                yield folder / name, cgroup.Place(pod_uid=uid, container_id=place.container_id)
            if not place.container_id and depth < MAX_DEPTH:
                waiting.append((folder / name, depth + 1, uid))


def _folders(folder: Path, *, must_exist: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        if must_exist or isinstance(error, PermissionError):
            raise
        return []  # the group is gone
