"""Finds results that were given twice: a run counted five times looks like five runs that agree. Called by the command."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from atlas_ops.errors import DataError


def check(paths: Sequence[Path]) -> None:
    """Raise DataError where two of some files are one, or hold the same bytes; what cannot be read is left to the reader."""
    seen: dict[Path, Path] = {}
    for path in paths:
        if not path.is_file():
            continue
        if (place := path.resolve()) in seen:
            raise _twice(path, seen[place], "are the same file")
        seen[place] = path
    by_size: dict[int, list[Path]] = {}
    for path in seen.values():
        by_size.setdefault(path.stat().st_size, []).append(path)
    for alike in by_size.values():
        if len(alike) > 1:
            _check_contents(alike)


def _check_contents(paths: Sequence[Path]) -> None:
    seen: dict[bytes, Path] = {}
    for path in paths:
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            continue
        if content in seen:
            raise _twice(path, seen[content], "hold the same bytes")
        seen[content] = path


def _twice(path: Path, other: Path, what: str) -> DataError:
    said = f"{path} is given twice" if path == other else f"{other} and {path} {what}"
    return DataError(said, next_step="give each run once, on one side: a copy of a run proves nothing")
