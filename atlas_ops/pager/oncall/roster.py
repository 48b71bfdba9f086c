"""The schedules by name, read from their files again when those change. Asked by `pager.oncall.plan`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from atlas_ops.errors import ConfigError
from atlas_ops.pager.oncall import schedule
from atlas_ops.pager.oncall.schedule import Schedule

_LOG = logging.getLogger(__name__)


class Roster:
    """Schedules by name. Raises ConfigError when a file cannot be read at first; later its last good form counts."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {name: Path(file) for name, file in files.items()}
        self._seen = {name: _stamp(path) for name, path in self._files.items()}
        self._schedules = _all(self._files)

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """The schedules as they are now."""
        for name, path in self._files.items():
            stamp = _stamp(path)
            if stamp != self._seen[name]:
                self._seen[name] = stamp
                self._read(name, path)
        return self._schedules

    def _read(self, name: str, path: Path) -> None:
        try:
            self._schedules[name] = schedule.read(path)
            _LOG.info("the schedule %s was read again", name)
        except ConfigError as error:
            _LOG.error("the schedule %s stays as it was: %s", name, error)


def _all(files: Mapping[str, Path]) -> dict[str, Schedule]:
    found: dict[str, Schedule] = {}
    errors: list[ConfigError] = []
    for name, path in files.items():
        try:
            found[name] = schedule.read(path)
        except ConfigError as error:
            errors.append(error)
    if errors:
        raise ConfigError.of_all("pager.schedules", errors)
    return found


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
