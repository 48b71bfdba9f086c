"""The references of a folder, one for each model; a file that has changed is read again. Called by `watch.watcher` in each round."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from atlas_ops.drift import reference as files
from atlas_ops.drift.reference import Reference
from atlas_ops.errors import ConfigError, EnvironmentProblem

_Stamp = tuple[int, int, int]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One file. `problem` says why it cannot be used; then `reference` is the one that it held before, None when it held none."""

    path: Path
    model: str
    """Of a file that cannot be read: the model that it was of before, else the file's name."""
    stamp: _Stamp | None
    reference: Reference | None = None
    problem: str = ""


class Shelf:
    """All `*.json` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: dict[Path, Kept] = {}

    def look(self) -> tuple[Kept, ...]:
        """Return what is there now, by the names of the files; EnvironmentProblem when the folder cannot be read."""
        try:
            # Names with a dot before them are drafts of `drift.reference.write`, and Kubernetes' own.
            paths = sorted(path for path in self.folder.iterdir() if path.suffix == ".json" and path.name[0] != ".")
        except OSError as error:
            raise EnvironmentProblem(
                f"{self.folder} cannot be read: {error.strerror}", next_step="give the folder of the references"
            ) from error
        self._kept = {path: self._looked(path) for path in paths}
        return tuple(self._once(list(self._kept.values())))

    def _looked(self, path: Path) -> Kept:
        known = self._kept.get(path)
        try:
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_size, status.st_ino
            if known is not None and known.stamp == stamp:
                return known
            read = files.read(path)
        except OSError as error:
            return _unusable(path, known, f"{path.name} cannot be read: {error.strerror}")
        except ConfigError as error:
            return _unusable(path, known, str(error))
        except Exception:  # noqa: BLE001 - a mistake of ours in reading one file must not stop the others
            _log.exception("%s cannot be read", path.name)
            return _unusable(path, known, "an error of atlas-ops itself; the log has it")
        return Kept(path=path, model=read.model, stamp=stamp, reference=read)

    def _once(self, kept: list[Kept]) -> list[Kept]:
        """Let no model be judged by two files: the first one, by name, counts."""
        first: dict[str, str] = {}
        found = []
        for one in kept:
            name = first.setdefault(one.model, one.path.name)
            if name != one.path.name:
                # Told under the file's own name: the model itself is judged by the other one.
                problem = (
                    f"{one.path.name} is of the model {one.model!r}, as {name} is, which counts: take one of them away"
                )
                one = Kept(path=one.path, model=one.path.stem, stamp=None, problem=problem)  # noqa: PLW2901
            found.append(one)
        return found


def _unusable(path: Path, known: Kept | None, problem: str) -> Kept:
    """Return a file that is read again in the next round: what stood in it may be half of what somebody is writing."""
    if known is None:
        return Kept(path=path, model=path.stem, stamp=None, problem=problem)
    return replace(known, stamp=None, problem=problem)
