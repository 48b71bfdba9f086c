"""Turns identifiers into hashes, and values into numbers: what a side lays down on disk. Called by `labels.sides`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.labels.side import MOST_CLASSES, Side
from atlas_ops.drift.reading import values
from atlas_ops.drift.reading.kinds import Kind, kind
from atlas_ops.errors import DataError

_EXACT = 2.0**53
"""Whole numbers from here on are not exact as floats."""


def keys(side: Side, column: pa.Array, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
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


def numbers(side: Side, column: pa.Array) -> Floats:
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


def remember(different: set[float], found: Floats) -> None:
    """Add the different numbers of a batch, as long as there may be few of them."""
    if len(different) <= MOST_CLASSES:
        unique = np.unique(found[~np.isnan(found)])
        different.update(_first(unique.tolist(), MOST_CLASSES + 1))


def _first(found: Iterable[float], most: int) -> list[float]:
    return [value for value, _ in zip(found, range(most), strict=False)]
