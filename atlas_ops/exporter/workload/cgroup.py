"""Whose a control group is, told by its path alone: a container, a pod, or a unit of systemd.

Called by `processes` with what /proc/<pid>/cgroup says and by the OOM collector with folders of the tree. Every
runtime spells its groups in its own way, and in a private namespace the path of another group begins with `/..`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_POD = re.compile(r"(?:\A|-)pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?\Z")
"""`pod<uid>` (cgroupfs) or `kubepods-burstable-pod<uid>.slice` (systemd, with underscores). The uid of a static pod is a
hash without dashes."""
_CONTAINER = re.compile(r"(?:\A|[-:])(?P<id>[0-9a-f]{64})(?:\.scope)?\Z")
"""`<id>` (cgroupfs), `cri-containerd-<id>.scope`, `crio-<id>.scope`, `docker-<id>.scope`, `libpod-<id>.scope`."""
_HELPER = "conmon"
"""Podman's and CRI-O's watcher has a group named after the container, but is none of its processes."""
_SESSION = re.compile(r"session-[0-9a-z]+\.scope\Z")
_DELETED = " (deleted)"
"""The kernel's note behind the path of a group that is gone while a process of it still ends."""
_UNIT_ENDINGS = (".service", ".scope")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process or a group belongs; what the path does not tell is empty."""

    pod_uid: str = ""
    container_id: str = ""
    """64 hexadecimal digits."""
    unit: str = ""
    """Outside containers: the service or scope of systemd; the user's slice for a login session."""


def of_path(path: str) -> Place:
    """Return the place of a path such as `/kubepods.slice/…/cri-containerd-<id>.scope`."""
    parts = [part for piece in path.removesuffix(_DELETED).split("/") for part in _split_colons(piece)]
    pods = [(index, uid) for index, part in enumerate(parts) if (uid := pod_uid(part))]
    below = parts[pods[0][0] :] if pods else parts
    # The first container is the one that the node's runtime knows; those inside of it are its own affair.
    container = next((found for part in below if (found := container_id(part))), "")
    if pods or container:
        return Place(pod_uid=pods[0][1] if pods else "", container_id=container)
    return Place(unit=_unit(parts))


def of_file(text: str) -> Place:
    """Return the place that a /proc/<pid>/cgroup tells, in version 1 or 2."""
    places = [of_path(line.split(":", 2)[2]) for line in text.splitlines() if line.count(":") >= 2]
    named = (place for place in places if place.container_id or place.pod_uid)
    return next(named, next((place for place in places if place.unit), Place()))


def container_id(part: str) -> str:
    """Return the id of the container whose group has this name; empty when it is none."""
    found = _CONTAINER.search(part)
    return found["id"] if found and _HELPER not in part else ""


def pod_uid(part: str) -> str:
    """Return the uid of the pod whose group has this name; empty when it is none."""
    found = _POD.search(part)
    return found["uid"].replace("_", "-") if found else ""


def _split_colons(part: str) -> list[str]:
    # containerd without the systemd driver below a kubelet with it: `kubepods-pod<uid>.slice:cri-containerd:<id>`
    return part.split(":") if ".slice:" in part else [part]


def _unit(parts: list[str]) -> str:
    """Return the innermost unit that means something to a person."""
    units = [part for part in parts if part.endswith(_UNIT_ENDINGS) and part != "init.scope"]
    if not units:
        return ""
    if _SESSION.match(units[-1]):  # a number for each login
        return next((part for part in reversed(parts) if part.endswith(".slice")), "")
    return units[-1]
