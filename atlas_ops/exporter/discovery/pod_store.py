"""What is known of the pods of one namespace: the model servers of each, and no more.

Filled by `reflector` from lists and watches; asked by `kubernetes`. Objects are read and let go at once, so memory
follows the servers found and not the pods that are told of.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from atlas_ops.exporter.discovery.detect import Detector
from atlas_ops.exporter.discovery.pod import read_name, read_pod
from atlas_ops.settings import Server

MAX_PODS = 1024
"""Pods that are kept. A kubelet runs 110 pods, model servers or not, unless it is told to run more."""
_log = logging.getLogger(__name__)


class _Known(NamedTuple):
    """One pod that has model servers, or mistakes in its annotations."""

    servers: tuple[Server, ...]
    mistakes: tuple[str, ...]


class PodStore:
    """The model servers of one namespace and node. One thread fills it; any may read `servers`."""

    def __init__(self, namespace: str, node: str, detector: Detector) -> None:
        self._namespace, self._node, self._detector = namespace, node, detector
        self._pods: dict[str, _Known] = {}
        self._overflowing = False
        self.servers: tuple[Server, ...] = ()
        """By the names of their pods."""

    def replace(self, pages: Iterable[Iterable[object]]) -> None:
        """Take the pods of a whole list in place of all before; when reading it fails, nothing has changed."""
        pods: dict[str, _Known] = {}
        for page in pages:
            for found in page:
                self._read(found, pods)
        self._publish(pods)

    def put(self, found: object) -> None:
        """Take a pod that is new or has changed."""
        self._read(found, self._pods)
        self._publish(self._pods)

    def remove(self, found: object) -> None:
        """Forget a pod."""
        namespace, name = read_name(found)
        if namespace == self._namespace and name in self._pods:
            del self._pods[name]
            self._publish(self._pods)

    def _read(self, found: object, pods: dict[str, _Known]) -> None:
        pod = read_pod(found)
        # The API server is asked for these alone; one that sends others is not believed.
        if pod.namespace != self._namespace or pod.node != self._node or not pod.name:
            return
        before = self._pods.get(pod.name)
        pods.pop(pod.name, None)
        known = _Known(*self._detector.servers(pod))
        if known.mistakes and not (before and before.mistakes == known.mistakes):
            _log.warning("pod %s/%s: %s", pod.namespace, pod.name, "; ".join(known.mistakes))
        if not any(known):
            return
        if len(pods) < MAX_PODS:
            pods[pod.name] = known
        elif not self._overflowing:
            self._overflowing = True
            _log.warning("namespace %s: more than %d pods; the others are not measured", self._namespace, MAX_PODS)

    def _publish(self, pods: dict[str, _Known]) -> None:
        self._pods = pods
        servers = tuple(server for name in sorted(pods) for server in pods[name].servers)
        # What has not changed stays the same tuple, so that whoever compares has little to do.
        self.servers = self.servers if servers == self.servers else servers
