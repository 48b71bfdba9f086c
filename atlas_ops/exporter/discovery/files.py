"""Finds the servers that files name, and follows the files: changed, new and removed ones count within seconds.

Made by `atlas_ops.cli.exporter_finders`, one for each entry of `discovery.files`. A file with mistakes keeps what it said
before. Files are looked at in a thread of its own, for a network file system may hang.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from atlas_ops.errors import ConfigError
from atlas_ops.exporter.discovery import file_form
from atlas_ops.exporter.discovery.report import report
from atlas_ops.exporter.samples import Sample
from atlas_ops.file_stamp import FileWatch, stamp
from atlas_ops.settings import Server

LOOK_SECONDS = 1.0
"""Between two looks. A file counts when two of them found it the same, so two seconds after it was written."""
MAX_FILES = 1000
MAX_SERVERS = 1024
"""Servers that one pattern may name; each gets a thread of its own."""
_GOODBYE_SECONDS = 2.0
_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class _File:
    """One file, and what it said when it was last without mistakes."""

    watch: FileWatch
    servers: tuple[Server, ...] = ()
    works: bool = True


class FileFinder:
    """Finds servers in the files that fit a pattern: a path with any `*` in its last part."""

    def __init__(self, pattern: str, runtimes: Sequence[str], *, look_seconds: float = LOOK_SECONDS) -> None:
        self.name = f"discovery/files/{pattern}"
        self._path, self._runtimes, self._look_seconds = Path(pattern), runtimes, look_seconds
        self._files: dict[Path, _File] = {}
        self._servers: tuple[Server, ...] = ()
        self._works, self._problem = True, ""
        self._ready, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @property
    def ready(self) -> bool:
        """Whether the files were read once."""
        return self._ready.is_set()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; one that hangs in a file system is left behind."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_GOODBYE_SECONDS)

    def found(self) -> tuple[Server, ...]:
        """Return what the files name now; never waits."""
        return self._servers

    def collect(self) -> list[Sample]:
        """Return how the source does."""
        return report(f"files/{self._path}", works=self._works, servers=len(self._servers))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except Exception:  # noqa: BLE001 (logged whole; what is known stays, and the next look may work)
                _log.exception("%s: the files could not be looked at", self.name)
                self._works = False
            self._ready.set()
            self._stopping.wait(self._look_seconds)

    def _look(self) -> None:
        paths, problem = self._paths()
        self._files |= {path: _File(watch=FileWatch(path)) for path in paths if path not in self._files}
        for path, file in list(self._files.items()):
            if file.watch.changed() or not self.ready:
                file.watch.noted()
                self._take(path, file)
        servers = tuple(server for path in sorted(self._files) for server in self._files[path].servers)
        if len(servers) > MAX_SERVERS:
            problem = f"{len(servers)} servers are named, and only the first {MAX_SERVERS} are measured"
            servers = servers[:MAX_SERVERS]
        # What has not changed stays the same tuple, so that whoever compares has little to do.
        self._servers = self._servers if servers == self._servers else servers
        self._works = not problem and all(file.works for file in self._files.values())
        self._tell(problem)

    def _paths(self) -> tuple[list[Path], str]:
        """Return the files that fit, and what is wrong with them as a whole."""
        if "*" not in self._path.name:
            return [self._path], ""
        try:
            found = sorted(path for path in self._path.parent.iterdir() if fnmatchcase(path.name, self._path.name))
        except OSError as error:
            return [], f"the folder cannot be listed: {error}"
        problem = f"{len(found)} files fit, and only the first {MAX_FILES} are read" if len(found) > MAX_FILES else ""
        return found[:MAX_FILES], problem

    def _take(self, path: Path, file: _File) -> None:
        if stamp(path) is None:
            self._remove(path, file)
            return
        try:
            file.servers = file_form.read(path, self._runtimes)
        except ConfigError as error:
            file.works = False
            _log.error("%s: the %d servers that it named before are kept: %s", self.name, len(file.servers), error)
        else:
            file.works = True
            _log.info("%s: %s names %d servers", self.name, path, len(file.servers))

    def _remove(self, path: Path, file: _File) -> None:
        """Forget a file that is gone. One that was named without a `*` should be there."""
        _log.warning("%s: %s is not there, and names no servers", self.name, path)
        file.servers, file.works = (), False
        if "*" in self._path.name:
            del self._files[path]

    def _tell(self, problem: str) -> None:
        """Log a problem when it begins, not at each look."""
        if problem and problem != self._problem:
            _log.warning("%s: %s", self.name, problem)
        self._problem = problem
