"""Result files as text: opened, unpacked, and errors that say file and line. Used by the readers beside it."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from atlas_ops.errors import DataError

_GZIP = b"\x1f\x8b"
Record = Mapping[str, Any]
MOST = 1e15
"""No time, no moment and no count is larger, in whatever unit: sums of numbers below it stay finite."""


def opened(path: Path) -> IO[str]:
    """Open a file, gzipped or not; DataError when it cannot be read."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        if packed:
            return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", next_step="check the path") from error


def records(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield the JSON objects of a file of JSON lines with their line numbers; DataError for a line that is none."""
    with opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, _record(path, number, line)


def _record(path: Path, number: int, line: str) -> Record:
    try:
        found = json.loads(line)
    except ValueError as error:
        cut = "" if line.endswith("\n") else "; the file ends in the middle of it: was the run cut off?"
        raise wrong(path, number, f"no JSON ({error}){cut}") from error
    if not isinstance(found, dict):
        raise wrong(path, number, f"found {type(found).__name__}, expected a JSON object")
    return found


def rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows of a CSV file with their line numbers; DataError for one of another length than the header."""
    with opened(path) as file:
        reader = csv.DictReader(file)
        for row in reader:
            if None in row or None in row.values():
                count = len(reader.fieldnames or ())
                raise wrong(path, reader.line_num, f"a row of another length than the {count} columns of the header")
            yield reader.line_num, row


def wrong(path: Path, number: int, text: str) -> DataError:
    """Return an error about a line."""
    return DataError(f"{path}: line {number}: {text}", next_step="repeat that run, or mend the file")


def short(value: object) -> str:
    """Return what was found as an error says it: a megabyte of it helps nobody."""
    found = repr(value)
    return found if len(found) <= 80 else f"{found[:80]}..."


def seconds(path: Path, number: int, record: Record, key: str, unit: float = 1.0) -> float:
    """Return a time in seconds, NaN where there is none; DataError when it is negative or no number. `unit` is the file's, in seconds."""
    value = record.get(key)
    if value is None or value == "":
        return math.nan
    try:
        found = float(value) * unit
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong(path, number, f"{key}: found {short(value)}, expected a number") from error
    if not 0 <= found < MOST:
        raise wrong(
            path, number, f"{key}: found {short(value)}, expected a time of 0 or more (a clock that was set back?)"
        )
    return found
