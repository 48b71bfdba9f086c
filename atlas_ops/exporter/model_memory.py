"""GPU memory of a model server, from what the driver tells of each process.

Used by `watched_server` through the command, for runtimes that do not tell it. In Kubernetes a process belongs to the
server when it runs in the server's pod; elsewhere when it, or a process that started it, listens on the server's port.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.collector import Collector
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.samples import Labels

_log = logging.getLogger(__name__)

HOLDS_SECONDS = 15.0
"""How long an answer holds. Memory of a server changes while it loads, and hardly afterwards."""
_MAX_DEPTH = 8
"""Processes between the one on the GPU and the one that listens; launchers have two or three."""
_LISTENS = "0A"


class ModelMemory:
    """The memory of one server on the GPUs of these collectors."""

    def __init__(
        self,
        gpus: Sequence[Collector],
        identity: Identity,
        url: str,
        host_root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gpus, self._identity, self._clock = gpus, identity, clock
        self._proc = host_root / "proc"
        self._port = _local_port(url)
        self._until = 0.0
        self._bytes: float | None = None

    def bytes(self) -> float | None:
        """Return the bytes on all GPUs; None when no process on a GPU is known to be the server's."""
        if self._gpus and self._clock() >= self._until:
            self._until = self._clock() + HOLDS_SECONDS
            self._bytes = None
            try:
                self._bytes = self._read()
            except Exception:  # noqa: BLE001 (logged whole; GPUs that cannot be read must not cost the server's page)
                _log.exception("server %s: the memory of its processes is not known", self._identity.server)
        return self._bytes

    def _read(self) -> float | None:
        samples = [sample for gpu in self._gpus for sample in gpu.collect() if sample.signal is s.GPU_PROCESS_MEMORY]
        mine = self._is_in_pod if self._identity.pod else self._listens(_sockets(self._proc, self._port))
        found = [sample.value for sample in samples if mine(sample.labels)]
        return sum(found) if found else None

    def _is_in_pod(self, labels: Labels) -> bool:
        told, who = dict(labels), self._identity
        container = told.get(c.K8S_CONTAINER, "")
        same_pod = told.get(c.K8S_POD) == who.pod and told.get(c.K8S_NAMESPACE) == who.namespace
        # Where either does not know its container, the pod has to do.
        return same_pod and (not container or not who.container or container == who.container)

    def _listens(self, sockets: frozenset[str]) -> Callable[[Labels], bool]:
        def listens(labels: Labels) -> bool:
            pid = dict(labels).get("pid", "")
            chain = _ancestors(self._proc, pid) if sockets and pid.isdecimal() else ()
            return any(not sockets.isdisjoint(_held(self._proc, one)) for one in chain)

        return listens


def _local_port(url: str) -> int:
    """Return the port of a server on this machine; 0 for one that is elsewhere."""
    parts = urlsplit(url)
    try:
        here = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return 0
    return (parts.port or 0) if here else 0


def _sockets(proc: Path, port: int) -> frozenset[str]:
    """Return the sockets that listen on a port, as the links in /proc name them."""
    found = set()
    for table in ("tcp", "tcp6") if port else ():
        for line in _text(proc / "net" / table).splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTENS and words[1].endswith(f":{port:04X}"):
                found.add(f"socket:[{words[9]}]")
    return frozenset(found)


def _ancestors(proc: Path, pid: str) -> Iterator[str]:
    """Yield a process and those that started it."""
    for _ in range(_MAX_DEPTH):
        if pid in ("", "0", "1"):
            return
        yield pid
        # The name of the program stands in parentheses and may hold anything.
        after = _text(proc / pid / "stat").rpartition(")")[2].split()
        pid = after[1] if len(after) > 1 else ""


def _held(proc: Path, pid: str) -> Iterator[str]:
    """Yield what a process has open; nothing where we may not look."""
    try:
        for entry in (proc / pid / "fd").iterdir():
            yield str(entry.readlink())
    except OSError:
        return


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
