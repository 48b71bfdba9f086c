"""Embeddings as the features that `detect.embedding` makes of them. The one part of `instrument` that needs numpy.

Loaded by `features` when a reference has embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atlas_ops.detect import embedding
from atlas_ops.detect.statistics import Floats
from atlas_ops.instrument.reference import Embedding


class Vectors:
    """Turns the embeddings of one column into values of its features."""

    def __init__(self, name: str, of: Embedding) -> None:
        self._made = embedding.Embedding(name=name, centroids=np.array(of.centroids), seed=of.seed, features=())

    def row(self, value: Any) -> Floats:
        """Return an embedding as numbers, all NaN when it is missing or of another length; TypeError or ValueError for others."""
        dimensions = self._made.centroids.shape[1]
        row = np.full(dimensions, np.nan) if value is None else np.asarray(value, dtype=np.float64).ravel()
        return row if len(row) == dimensions else np.full(dimensions, np.nan)

    def values(self, rows: Sequence[Floats]) -> Mapping[str, list[float]]:
        """Return {feature: its value for each row}."""
        return {name: values.tolist() for name, values in self._made.values(np.array(rows)).items()} if rows else {}
