"""The names that Kubernetes gives to containers and pods, read off the names of their log files.

Used by `collector` and the OOM collector. The kubelet's API knows no ids of containers; the folders of its logs do, and
listing them takes no right to read a log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.samples import Labels, labels
from atlas_ops.exporter.workload.cgroup import Place

MAX_NAMES = 20_000
"""Entries of a folder that are looked at; a node runs some hundred containers."""
SHORT_ID = 12
"""Digits of a container's id that people and `docker ps` use."""
_CONTAINER_LOG = re.compile(r"(?P<pod>[^_]+)_(?P<namespace>[^_]+)_(?P<container>.+)-(?P<id>[0-9a-f]{64})\.log\Z")
_POD_FOLDER = re.compile(r"(?P<namespace>[^_]+)_(?P<pod>[^_]+)_(?P<uid>[^_]+)\Z")


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod, by name."""

    namespace: str
    pod: str
    container: str


class ContainerNames:
    """What is known of the containers of this node. One thread refreshes; any thread may ask."""

    def __init__(self, host_root: Path) -> None:
        self._logs = host_root / "var/log"
        self._containers: Mapping[str, Container] = {}
        self._pods: Mapping[str, Container] = {}

    def refresh(self) -> None:
        """List the folders anew; what cannot be listed is as if it were empty."""
        self._containers = {
            found["id"]: Container(found["namespace"], found["pod"], found["container"])
            for name in _names(self._logs / "containers")
            if (found := _CONTAINER_LOG.match(name))
        }
        self._pods = {
            found["uid"]: Container(found["namespace"], found["pod"], "")
            for name in _names(self._logs / "pods")
            if (found := _POD_FOLDER.match(name))
        }

    def of(self, place: Place) -> Container | None:
        """Return the names of the container, those of its pod alone where that is all that is known, or None."""
        return self._containers.get(place.container_id) or self._pods.get(place.pod_uid)

    def labels(self, place: Place) -> Labels:
        """Return `conventions.WORKLOAD_LABELS` of a place, as far as they are known."""
        return workload_labels(self.of(place), place)


def workload_labels(named: Container | None, place: Place) -> Labels:
    """Return `conventions.WORKLOAD_LABELS`; an id or a unit only where Kubernetes has no name for it."""
    nameless = named is None or not named.container
    return labels(
        **{
            c.K8S_NAMESPACE: named.namespace if named else "",
            c.K8S_POD: named.pod if named else "",
            c.K8S_CONTAINER: named.container if named else "",
            c.SYSTEMD_UNIT: place.unit,
            c.CONTAINER_ID: place.container_id[:SHORT_ID] if nameless else "",
        }
    )


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry, _ in zip(entries, range(MAX_NAMES), strict=False)]
    except OSError:
        return []  # no Kubernetes, or not mounted
