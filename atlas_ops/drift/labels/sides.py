"""Reads predictions, or labels, once, and lays them down on disk in parts by their identifier. Called by `labels.join`.

What lies there is the identifier's hash (by Python's, whose key is another one in each process), a number, and a time: no identifier
and no text. A part of one side has all its partners in the same part of the other, so memory need hold one part at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.reading import values
from atlas_ops.drift.reading.kinds import Kind, kind
from atlas_ops.errors import DataError

PARTS = 64
"""Of a billion rows of 24 bytes, a part holds 375 MB."""
MOST_CLASSES = 1000
"""Different values beyond which text is no class."""
ROW = np.dtype([("key", "<i8"), ("value", "<f8"), ("at", "<f8")])
Rows = NDArray[np.void]
_EXACT = 2.0**53
"""Whole numbers from here on are not exact as floats."""


class Source(Protocol):
    """Where rows come from: files, or a database."""

    name: str
    """For messages."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns in batches of rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """What is read. Without a `time` rows are told by their order."""

    key: str
    value: str
    time: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(dict.fromkeys(filter(None, (self.key, self.value, self.time))))


@dataclass(kw_only=True, slots=True)
class Side:
    """One side on disk, and what was seen of it."""

    name: str
    column: str
    folder: Path
    rows: int = 0
    without_key: int = 0
    without_value: int = 0
    untimed: int = 0
    span: tuple[float, float] = (math.inf, -math.inf)
    """Least and greatest time, or number of row."""
    words: dict[str, int] | None = None
    """{class: its number on disk}; None: the values on disk are the numbers themselves."""
    different: set[float] = field(default_factory=set)
    """Different numbers, up to one more than `MOST_CLASSES`."""
    like: str = ""
    """What the first identifier is like, for a message when none has a partner."""

    def part(self, number: int) -> Rows:
        """Return the rows of one part."""
        return np.fromfile(self.folder / str(number), dtype=ROW)


def read(
    source: Source, columns: Columns, folder: Path, told: Callable[[int], None], *, threshold: float | None = None
) -> Side:
    """Lay all rows down in `folder`. `threshold`: numbers from it on become 1, others 0."""
    side = Side(name=source.name, column=columns.value, folder=folder)
    folder.mkdir()
    with ExitStack() as stack:
        files = [stack.enter_context((folder / str(number)).open("wb")) for number in range(PARTS)]
        for batch in source.batches(columns.all):
            rows = _rows(side, batch, columns, threshold)
            _spread(rows, files)
            told(batch.num_rows)
    return side


def _rows(side: Side, batch: pa.RecordBatch, columns: Columns, threshold: float | None) -> Rows:
    """Return the rows of a batch that have an identifier, a value and a time."""
    keys, keyed = _keys(side, batch.column(columns.key), columns.key)
    found = _values(side, batch.column(columns.value))
    if threshold is not None:
        if side.words is not None:
            raise DataError(
                f"{side.name}: column {side.column} holds text, and --threshold is for numbers",
                next_step="leave it out",
            )
        found = np.where(np.isnan(found), found, (found >= threshold).astype(np.float64))
    if side.words is None:
        _remember(side.different, found)
    if columns.time:
        at = values.seconds(batch.column(columns.time))
    else:
        at = np.arange(side.rows, side.rows + batch.num_rows, dtype=np.float64)
    side.rows += batch.num_rows
    valued, timed = ~np.isnan(found), ~np.isnan(at)
    side.without_key += int((~keyed).sum())
    side.without_value += int((keyed & ~valued).sum())
    side.untimed += int((keyed & valued & ~timed).sum())
    whole = keyed & valued & timed
    if whole.any():
        side.span = (min(side.span[0], float(at[whole].min())), max(side.span[1], float(at[whole].max())))
    rows = np.empty(int(whole.sum()), dtype=ROW)
    rows["key"], rows["value"], rows["at"] = keys[whole], found[whole], at[whole]
    return rows


def _spread(rows: Rows, files: Sequence[IO[bytes]]) -> None:
    place = rows["key"].view(np.uint64) % np.uint64(PARTS)
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(1, PARTS, dtype=np.uint64))
    for file, part in zip(files, np.split(rows[order], ends), strict=True):
        file.write(part.tobytes())


def _keys(side: Side, column: pa.Array, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the hash of each identifier, and which rows have one."""
    texts = _texts(side, column, name)
    hashes = np.fromiter((hash(text) if text else 0 for text in texts), dtype=np.int64, count=len(texts))
    keyed = np.fromiter((bool(text) for text in texts), dtype=np.bool_, count=len(texts))
    return hashes, keyed


def _texts(side: Side, column: pa.Array, name: str) -> list[str | None]:
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    of = kind(plain.type)
    if of is Kind.TEXT:
        texts: list[str | None] = pc.utf8_trim_whitespace(plain).to_pylist()
        side.like = side.like or next((f"text of {len(text)} characters" for text in texts if text), "")
        return texts
    if of is Kind.EMPTY:
        return [None] * len(plain)
    if of is not Kind.NUMBER:
        raise DataError(
            f"{side.name}: column {name} holds {of.value}, expected identifiers", next_step="name another with --key"
        )
    side.like = "a whole number"
    if pa.types.is_integer(plain.type):
        return list(pc.cast(plain, pa.string()).to_pylist())
    numbers = values.numbers(plain)
    known = ~np.isnan(numbers)
    if bool((np.abs(numbers[known]) >= _EXACT).any() or (numbers[known] % 1 != 0).any()):
        raise DataError(
            f"{side.name}: column {name} holds identifiers as floating-point numbers, which have lost digits",
            next_step="write them as text or as whole numbers",
        )
    return [str(int(number)) if number == number else None for number in numbers.tolist()]


def _values(side: Side, column: pa.Array) -> Floats:
    """Return numbers as they are, and of text the number of its class; NaN where there is none."""
    of = kind(column.type)
    if of is Kind.EMPTY:
        return np.full(len(column), np.nan)
    if of is Kind.TEXT:
        if side.different:
            raise _mixed(side)
        return _classes(side, column)
    if of not in (Kind.NUMBER, Kind.YES_NO):
        raise DataError(
            f"{side.name}: column {side.column} holds {of.value}, expected classes or numbers",
            next_step="name another column",
        )
    if side.words is not None:
        raise _mixed(side)
    found = values.numbers(pc.cast(column, pa.uint8()) if of is Kind.YES_NO else column)
    return np.where(np.isfinite(found), found, np.nan)


def _classes(side: Side, column: pa.Array) -> Floats:
    side.words = {} if side.words is None else side.words
    words, places = values.words(column)
    known = side.words
    codes = [math.nan if word is None else float(known.setdefault(word, len(known))) for word in words]
    if len(known) > MOST_CLASSES:
        raise DataError(
            f"{side.name}: column {side.column} has more than {MOST_CLASSES:,} different texts, which are no classes",
            next_step="name a column of classes or of numbers",
        )
    return np.array(codes)[places]


def _mixed(side: Side) -> DataError:
    return DataError(
        f"{side.name}: column {side.column} holds text in some rows and numbers in others",
        next_step="write its values in one way",
    )


def _remember(different: set[float], found: Floats) -> None:
    if len(different) <= MOST_CLASSES:
        unique = np.unique(found[~np.isnan(found)])
        different.update(_first(unique.tolist(), MOST_CLASSES + 1))


def _first(found: Iterable[float], most: int) -> list[float]:
    return [value for value, _ in zip(found, range(most), strict=False)]
