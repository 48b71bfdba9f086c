"""The web-config file as it is now: read again for new connections when it, or a file that it names, has changed.

Made by the command, asked by `session` for every connection and every request. So certificates and passwords rotate
without a restart, as with every exporter of Prometheus; a broken new file leaves the old one in force.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from atlas_ops.errors import AtlasError
from atlas_ops.exporter.web import config
from atlas_ops.exporter.web.config import WebConfig
from atlas_ops.file_stamp import Stamp, stamp

_log = logging.getLogger(__name__)


class Guard:
    """Says who may come in, and how."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the file; ConfigError with its mistakes. Without a file everybody may come in."""
        self.path = path
        self.broken = False
        """Whether the file, as it is now, could not be used, and an older one is in force."""
        self._lock = threading.Lock()
        self._files: dict[Path, Stamp] = {}
        self._config = WebConfig() if path is None else self._read(path)

    def current(self) -> WebConfig:
        """Return what holds at this moment. Never raises, and never waits for another thread that reads."""
        if self.path is not None and self._changed() and self._lock.acquire(blocking=False):
            try:
                self._read_again(self.path)
            finally:
                self._lock.release()
        return self._config

    def _read_again(self, path: Path) -> None:
        try:
            self._config = self._read(path)
        except AtlasError as error:
            self.broken = True
            _log.error("the web-config file is left as it was: %s", error)
        else:
            self.broken = False
            _log.info("the web-config file %s has changed and is in force", path)

    def _changed(self) -> bool:
        return any(stamp(path) != before for path, before in self._files.items())

    def _read(self, path: Path) -> WebConfig:
        files: dict[Path, Stamp] = {}
        try:
            return config.read(path, files)
        finally:
            self._files = files
