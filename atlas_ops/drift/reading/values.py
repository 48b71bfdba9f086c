"""Turns columns of Arrow into what `detect` counts: numbers, times in seconds, words and vectors. Called by `survey` and `counting`."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from atlas_ops.detect.features import word_of
from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.reading.kinds import Kind, kind

_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""(from this number on, divided by): a Unix time of our century in nanoseconds, microseconds, milliseconds; below, in seconds."""
_TIMES = (pa.timestamp("us", tz="UTC"), pa.timestamp("us"))
_ZONED = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
"""What text of a time with a zone looks like."""


def numbers(column: pa.Array) -> Floats:
    """Return numbers as floats, NaN where one is missing."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if not pa.types.is_float64(plain.type):
        plain = pc.cast(plain, pa.float64(), safe=False)
    return np.asarray(plain.to_numpy(zero_copy_only=False), dtype=np.float64)


def seconds(column: pa.Array) -> Floats:
    """Return times as Unix seconds, NaN where one is missing or is no time. Without a zone they count as UTC.

    Text is read as ISO 8601; a number is taken by its size for seconds, milliseconds, microseconds or nanoseconds.
    """
    of = kind(column.type)
    if of is Kind.TEXT:
        column = _parsed(column)
        of = Kind.TIME
    if of is Kind.TIME:
        micros = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
        return numbers(micros) / 1e6
    if of is not Kind.NUMBER:
        return np.full(len(column), np.nan)
    found = numbers(column)
    for least, divisor in _UNITS:
        found = np.where(np.abs(found) >= least, found / divisor, found)
    return np.where(np.isfinite(found), found, np.nan)


def words(column: pa.Array) -> tuple[list[str | None], NDArray[np.int64]]:
    """Return the different words of a column, the first of them None, and for each row the place of its word in them."""
    if kind(column.type) is Kind.NUMBER:
        unique, places = np.unique(numbers(column), return_inverse=True)
        return [None, *map(word_of, unique.tolist())], places.astype(np.int64) + 1
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    places = coded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return [None, *map(word_of, coded.dictionary.to_pylist())], np.asarray(places + 1, dtype=np.int64)


def lengths(column: pa.Array) -> NDArray[np.int64]:
    """Return how many numbers each list has, -1 where one is missing."""
    if pa.types.is_null(column.type):
        return np.full(len(column), -1)
    return np.asarray(pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def vectors(column: pa.Array, dimensions: int) -> Floats:
    """Return lists of numbers as an array of shape (rows, dimensions); NaN in all places of one that is missing or of another length."""
    whole = lengths(column) == dimensions
    found = np.full((len(column), dimensions), np.nan)
    if whole.any():
        flat = numbers(column.filter(pa.array(whole)).flatten())
        found[whole] = flat.reshape(-1, dimensions)
    return found


def _parsed(column: pa.Array) -> pa.Array:
    """Return text as times, null where it is none; some may name a zone while others do not."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    found = _cast(plain)
    if found is not None:
        return found
    coded = plain.dictionary_encode()
    words = coded.dictionary
    zoned = pc.match_substring_regex(words, _ZONED)
    times = pc.if_else(zoned, _each(pc.if_else(zoned, words, None)), _each(pc.if_else(zoned, None, words)))
    return times.take(coded.indices)


def _each(plain: pa.Array) -> pa.Array:
    """Return text as times by halves, down to the values that are none: a few of many cost little."""
    found = _cast(plain)
    if found is not None:
        return found
    if len(plain) == 1:
        return pa.nulls(1, _TIMES[0])
    half = len(plain) // 2
    return pa.concat_arrays([_each(plain.slice(0, half)), _each(plain.slice(half))])


def _cast(plain: pa.Array) -> pa.Array | None:
    """Return the values as times in UTC, None when one of them is no time."""
    for of in _TIMES:
        with suppress(pa.ArrowInvalid):
            return pc.cast(pc.cast(plain, of), _TIMES[0])
    return None
