"""What a feature's values are counted into: frozen bins, and the one function that counts. Used by everything in this package.

Bins never change once a reference has them, so counts of any pods and times add up. Values that are missing, outside of the
reference's range or of a category that it never had are bins of their own: they are often the first sign of a broken input.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
"""Values in each bin of one feature. Counts of parts add up to the counts of the whole, bit for bit."""
MISSING, BELOW, ABOVE, OTHER, UNSEEN = "missing", "below", "above", "other", "unseen"
MOST_KNOWN = 10_000
"""Categories that are remembered beyond the named ones; with more, an unseen one counts as `other`."""
LONGEST_NAME = 200
"""Characters of a category that may have a bin of its own: a longer one counts as `other`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Numeric:
    """A number. `edges` rise: the first and last are the range of the reference, those between cut it into equal shares."""

    name: str
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse edges that do not rise."""
        if len(self.edges) < 2 or any(not low < high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"feature {self.name}: expected at least two edges that rise, found {self.edges}")

    @property
    def inner(self) -> int:
        """How many bins lie inside of the range."""
        return len(self.edges) - 1

    @property
    def bins(self) -> tuple[str, ...]:
        """Names of the bins, in the order of their counts: those of the range by rank, then the rest."""
        return (*(f"{rank:02d}" for rank in range(self.inner)), BELOW, ABOVE, MISSING)

    def places(self, values: Any) -> NDArray[np.int64]:
        """Return the place of each value's bin: of an array of numbers, NaN where one is missing. Infinite ones are out of range."""
        numbers = np.asarray(values, dtype=np.float64).ravel()
        ranks = np.zeros(numbers.size, dtype=np.uint16)
        for reached in self._reached(numbers):
            ranks += reached
        places = np.array([self.inner, *range(self.inner), self.inner + 1])[ranks]
        places[np.isnan(numbers)] = self.inner + 2
        return places

    def count(self, values: Any) -> Counts:
        """Count values in their bins."""
        numbers = np.asarray(values, dtype=np.float64).ravel()
        reached = [np.count_nonzero(one) for one in self._reached(numbers)]
        missing = np.count_nonzero(np.isnan(numbers))
        inside = [here - above for here, above in pairwise(reached)]
        return np.array([*inside, numbers.size - missing - reached[0], reached[-1], missing], dtype=np.int64)

    def _reached(self, numbers: NDArray[np.float64]) -> Iterator[NDArray[np.bool_]]:
        """Yield which numbers reach each edge: for some ten edges several times as fast as a binary search for each number.

        The last bin holds its upper edge as well: it is the greatest value of the reference.
        """
        for edge in self.edges[:-1]:
            yield numbers >= edge
        yield numbers > self.edges[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """A word out of a set. `names` have bins of their own; `known` are the hashes of the others that the reference had."""

    name: str
    names: tuple[str, ...]
    known: frozenset[int] | None = frozenset()
    """None: there were too many to remember, so what is not named is `other`."""

    @property
    def inner(self) -> int:
        """How many categories have a bin of their own."""
        return len(self.names)

    @property
    def bins(self) -> tuple[str, ...]:
        """Names of the bins, in the order of their counts. A category that is called like one of the last three stands in quotes."""
        rest = (OTHER, UNSEEN, MISSING)
        return (*(f'"{name}"' if name in rest else name for name in self.names), *rest)

    def count(self, values: Any) -> Counts:
        """Count values: anything with a text form; None, NaN and "" are missing."""
        counts = np.zeros(len(self.bins), dtype=np.int64)
        words, times = _tallied(values)
        np.add.at(counts, self.places(words), np.asarray(times, dtype=np.int64))
        return counts

    def places(self, words: Sequence[str | None]) -> NDArray[np.int64]:
        """Return the place of each word's bin; None is missing. Made for the different words of a batch, not for its rows."""
        named = {name: place for place, name in enumerate(self.names)}
        return np.fromiter((self._place(word, named) for word in words), dtype=np.int64, count=len(words))

    def _place(self, word: str | None, places: dict[str, int]) -> int:
        if word is None:
            return self.inner + 2
        if word in places:
            return places[word]
        return self.inner + (0 if self.known is None or hash_of(word) in self.known else 1)


Feature = Numeric | Category


def hash_of(word: str) -> int:
    """Return the number by which a category is remembered: the same on every machine."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def word_of(value: object) -> str | None:
    """Return a category as text; None when it is missing."""
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with a hole in it becomes one of floats
    return str(value)


def _tallied(values: Any) -> tuple[list[str | None], Sequence[int]]:
    tally: dict[str | None, int] = {}
    for value in values.tolist() if isinstance(values, np.ndarray) else values:
        word = word_of(value)
        tally[word] = tally.get(word, 0) + 1
    return list(tally), list(tally.values())


def numeric(name: str, values: Any, *, bins: int = 10) -> Numeric | None:
    """Return a feature whose bins hold equal shares of the values; None when they are all missing or all the same.

    Equal values stay together: with many of them there are fewer bins.
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    if finite.size == 0 or finite.min() == finite.max():
        return None
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, bins + 1), method="inverted_cdf"))
    if len(edges) == 2 and bins > 1:
        # Two values alone, such as 0 and 1: each gets its bin.
        edges = np.array([edges[0], edges.mean(), edges[1]])
    return Numeric(name=name, edges=tuple(float(edge) for edge in edges))


def category(name: str, values: Any, *, names: int = 20) -> Category | None:
    """Return a feature whose most frequent categories have bins of their own; None when all values are missing."""
    words, times = _tallied(values)
    tally = sorted(
        ((number, word) for word, number in zip(words, times, strict=True) if word is not None), reverse=True
    )
    if not tally:
        return None
    ordered = sorted(tally, key=lambda entry: (-entry[0], entry[1]))
    named = [word for _, word in ordered if len(word) <= LONGEST_NAME][:names]
    rest = [hash_of(word) for _, word in ordered if word not in named]
    known = frozenset(rest) if len(rest) <= MOST_KNOWN else None
    return Category(name=name, names=tuple(named), known=known)
