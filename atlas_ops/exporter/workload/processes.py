"""What the process table says of the processes that use a GPU, kept ready so that nobody waits for it.

Called by `collector`: any thread asks, its own thread reads. A process that is asked for the first time is read at the
next call of `refresh`; one that was not asked for in a while is forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from atlas_ops.exporter.workload import cgroup
from atlas_ops.exporter.workload.cgroup import Place

MAX_PROCESSES = 4096
"""Processes that are remembered; a GPU has at most some dozen."""
FORGET_SECONDS = 60.0
_START_TIME = 19
"""Place of field 22 of /proc/<pid>/stat among the fields behind the name, which is the second."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, or the knowledge that it cannot be seen: then everything is empty."""

    name: str = ""
    """As the kernel knows it, at most 15 characters."""
    place: Place = field(default_factory=Place)


class Processes:
    """The processes that somebody asked for lately. `clock` gives seconds that never go back."""

    def __init__(self, host_root: Path, clock: Callable[[], float]) -> None:
        self._folder, self._clock = host_root / "proc", clock
        self._lock = threading.Lock()
        self._asked: dict[int, float] = {}
        self._known: Mapping[int, Process] = {}

    def of(self, pid: int) -> Process | None:
        """Return what is known of a process; None when it has not been read yet."""
        with self._lock:
            if pid in self._asked or len(self._asked) < MAX_PROCESSES:
                self._asked[pid] = self._clock()
        return self._known.get(pid)

    def read_new(self) -> None:
        """Read the processes that were asked for and are not known yet."""
        with self._lock:
            missing = [pid for pid in self._asked if pid not in self._known]
        self._known = {**self._known, **{pid: self._read(pid) for pid in missing}}

    def refresh(self) -> None:
        """Read all of them again: a process may end, change its name or group, and its number may be given away."""
        now = self._clock()
        with self._lock:
            self._asked = {pid: at for pid, at in self._asked.items() if now - at <= FORGET_SECONDS}
            pids = list(self._asked)
        self._known = {pid: self._read(pid) for pid in pids}

    def _read(self, pid: int) -> Process:
        folder = self._folder / str(pid)
        try:
            name, started = _stat(folder)
            place = cgroup.of_file((folder / "cgroup").read_text(encoding="utf-8", errors="replace"))
            if _stat(folder)[1] == started:
                return Process(name, place)
        except (OSError, ValueError, IndexError):
            pass  # it has ended, or is hidden from us
        return Process()  # or its number went to another process between the two looks


def _stat(folder: Path) -> tuple[str, str]:
    """Return name and start time of a process. The name may hold spaces and brackets."""
    text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    begin, end = text.index("("), text.rindex(")")
    return text[begin + 1 : end], text[end + 1 :].split()[_START_TIME]
