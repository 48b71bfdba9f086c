"""References as `drift fit` writes them, of features that a test makes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from atlas_ops.detect.embedding import Embedding
from atlas_ops.detect.features import Feature
from atlas_ops.drift import reference


def written(
    folder: Path,
    *features: Feature,
    counts: Mapping[str, Sequence[int]] | None = None,
    embeddings: tuple[Embedding, ...] = (),
    model: str = "m",
) -> Path:
    """Write a reference, by default with five rows in each bin."""
    rows = {f.name: np.array((counts or {}).get(f.name, [5] * len(f.bins)), dtype=np.int64) for f in features}
    made = reference.Reference(
        model=model, made_at=0.0, start=None, end=None, rows=100, features=features, counts=rows, embeddings=embeddings
    )
    reference.write(made, folder / f"{model}.json")
    return folder / f"{model}.json"
