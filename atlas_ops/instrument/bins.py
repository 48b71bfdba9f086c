"""Which bin of a reference a value falls into, one value at a time and without numpy: the same bins as those of `detect.features`.

Used by `features`. A value of a type that cannot be counted raises TypeError or ValueError, or whatever it raises itself.
"""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist
from typing import Any, Protocol

from atlas_ops.catalog.checksum import bins_checksum

MISSING, BELOW, ABOVE, OTHER, UNSEEN = "missing", "below", "above", "other", "unseen"
_NORMAL = NormalDist()
_OUTSIDE = 2.5
"""Score of what lies outside of the range: that of the outermost hundredth of it."""


class Bins(Protocol):
    """The frozen bins of one feature."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the bins, in the order of their counts; the last one is that of missing values."""
        ...

    @property
    def checksum(self) -> int:
        """A number that other bins have not."""
        ...

    def place(self, value: Any) -> int:
        """Return the place of a value's bin."""
        ...

    def scores(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Return what a value in each bin adds to the statistic of location; nothing where there is no order."""
        ...


@dataclass(frozen=True, slots=True)
class Numbers:
    """Bins of a number: the range of the reference is cut at rising edges."""

    edges: tuple[float, ...]

    @property
    def inner(self) -> int:
        """How many bins lie inside of the range."""
        return len(self.edges) - 1

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the bins."""
        return (*(f"{rank:02d}" for rank in range(self.inner)), BELOW, ABOVE, MISSING)

    @property
    def checksum(self) -> int:
        """A number that other bins have not."""
        return bins_checksum(self.edges)

    def place(self, value: Any) -> int:
        """Return the place of a number's bin; None and NaN are missing, infinite ones out of range."""
        number = _number(value)
        if number != number:
            return self.inner + 2
        if number > self.edges[-1]:
            return self.inner + 1
        # The last bin holds its upper edge as well: it is the greatest value of the reference.
        rank = bisect_right(self.edges, number, hi=self.inner)
        return rank - 1 if rank else self.inner

    def scores(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Return normal scores: the quantile of each bin's middle, standardised."""
        inner = shares[: self.inner]
        total = sum(inner) or 1.0
        reached, scores = 0.0, []
        for share in inner:
            middle = (reached + share / 2) / total
            scores.append(_NORMAL.inv_cdf(min(max(middle, 0.005), 0.995)))
            reached += share
        mean = sum(score * share for score, share in zip(scores, inner, strict=True)) / total
        scores = [score - mean for score in scores]
        deviation = math.sqrt(sum(one**2 * share for one, share in zip(scores, inner, strict=True)) / total) or 1.0
        return (*(score / deviation for score in scores), -_OUTSIDE, _OUTSIDE, 0.0)


@dataclass(frozen=True, slots=True)
class Words:
    """Bins of a category. `known` are the hashes of those without a bin of their own; None: too many to remember."""

    named: dict[str, int]
    """{category: its place}."""
    known: frozenset[int] | None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the bins. A category that is called like one of the last three stands in quotes."""
        rest = (OTHER, UNSEEN, MISSING)
        return (*(f'"{name}"' if name in rest else name for name in self.named), *rest)

    @property
    def checksum(self) -> int:
        """A number that other bins have not."""
        return bins_checksum(tuple(self.named), self.known)

    def place(self, value: Any) -> int:
        """Return the place of a category's bin; None, NaN and "" are missing."""
        word, inner = _word(value), len(self.named)
        if word is None:
            return inner + 2
        place = self.named.get(word)
        if place is not None:
            return place
        return inner if self.known is None or hash_of(word) in self.known else inner + 1

    def scores(self, shares: Sequence[float]) -> tuple[float, ...]:  # noqa: ARG002 - categories have no order
        """Return nothing."""
        return ()


def hash_of(word: str) -> int:
    """Return the number by which a reference remembers a category."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if value is None:
        return math.nan
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str | bytes | bytearray):
        raise TypeError  # "3.5" is not what the reference had, even if it could be read
    try:
        return float(value)
    except OverflowError:  # an int beyond all floats
        return math.inf if value > 0 else -math.inf


def _word(value: Any) -> str | None:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return str(value) or None
    item = getattr(value, "item", None)
    if callable(item):  # a scalar of numpy or of a tensor library
        value = item()
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | list | tuple | dict | set | frozenset):
        raise TypeError
    if isinstance(value, float):
        if value != value:
            return None
        if value.is_integer():
            return str(int(value))  # as a column of whole numbers with a hole in it, which is one of floats
    return str(value) or None
