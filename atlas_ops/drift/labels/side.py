"""One side of the join, predictions or labels: where its rows come from, and what lies on disk. Made by `sides`, joined by `join`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

PARTS = 64
"""Of a billion rows of 24 bytes, a part holds 375 MB."""
MOST_CLASSES = 1000
"""Different values beyond which text is no class."""
ROW = np.dtype([("key", "<i8"), ("value", "<f8"), ("at", "<f8")])
Rows = NDArray[np.void]


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
