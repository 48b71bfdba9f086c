"""Embeddings as a few ordinary features: which topic is nearest, how far it is, and where they lie in some random directions.

Only counts of these leave a process: they hold no text and add up like any other. Topics and distances see a new topic, directions
see a shift of all; a kernel test (MMD) sees neither at a rate that anybody could be paged with (drift reference, section 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import Category, Feature, Numeric, numeric
from atlas_ops.detect.statistics import Floats

TOPICS, DIRECTIONS = 24, 16
_ROUNDS = 25
_GREATEST = 1e100
"""The square of a greater number is no number of a computer any more."""
_SAMPLE = 20_000
"""Rows that the topics are found on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedding:
    """How embeddings of `centroids.shape[1]` numbers become features. `seed` makes the directions again."""

    name: str
    centroids: Floats
    seed: int
    features: tuple[Feature, ...]
    """`<name>.topic`, `<name>.distance` and `<name>.direction_00` to `_15`."""

    def values(self, vectors: Floats) -> dict[str, Floats]:
        """Return {name of a feature: its values} for vectors of shape (rows, dimensions).

        A vector with a NaN, or a number that is infinite or beyond any embedding (1e100), counts as missing in all of them.
        """
        whole = _whole(vectors)
        clean = np.where(whole[:, None], vectors, 0.0)
        nearest, distance = _nearest(clean, self.centroids)
        directions = clean @ _directions(self.seed, vectors.shape[1])
        found = {
            f"{self.name}.topic": np.where(whole, nearest, np.nan),
            f"{self.name}.distance": np.where(whole, distance, np.nan),
        }
        for place in range(DIRECTIONS):
            found[f"{self.name}.direction_{place:02d}"] = np.where(whole, directions[:, place], np.nan)
        return found


def embedding(name: str, vectors: Floats, *, seed: int = 1) -> Embedding | None:
    """Fit topics, distances and directions to the embeddings of a reference; None when they are all missing or all the same."""
    clean = vectors[_whole(vectors)]
    if len(clean) < 2 or np.ptp(clean, axis=0).max() == 0:
        return None
    chance = np.random.RandomState(seed)  # its stream is frozen for ever, unlike that of newer generators
    sample = clean[chance.permutation(len(clean))[:_SAMPLE]]
    made = Embedding(name=name, centroids=_topics(sample, chance), seed=seed, features=())
    values = made.values(clean)
    topic = Category(name=f"{name}.topic", names=tuple(str(place) for place in range(len(made.centroids))))
    others = [numeric(key, column) for key, column in values.items() if key != topic.name]
    features: tuple[Numeric, ...] = tuple(feature for feature in others if feature is not None)
    return Embedding(name=name, centroids=made.centroids, seed=seed, features=(topic, *features))


def _whole(vectors: Floats) -> NDArray[np.bool_]:
    return np.asarray((np.abs(vectors) <= _GREATEST).all(axis=1))  # a NaN is not


def _topics(sample: Floats, chance: np.random.RandomState) -> Floats:
    """Return the centres of k-means (Lloyd's, begun by k-means++)."""
    count = min(TOPICS, len(sample))
    centres = sample[chance.randint(len(sample))][None, :]
    while len(centres) < count:
        squares = _nearest(sample, centres)[1] ** 2
        total = squares.sum()
        if total == 0:
            break
        centres = np.vstack([centres, sample[chance.choice(len(sample), p=squares / total)]])
    for _ in range(_ROUNDS):
        nearest = _nearest(sample, centres)[0]
        moved = np.stack(
            [
                sample[nearest == place].mean(axis=0) if (nearest == place).any() else centre
                for place, centre in enumerate(centres)
            ]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    return np.asarray(np.round(centres, 6))


def _nearest(vectors: Floats, centres: Floats) -> tuple[Floats, Floats]:
    squares = (vectors**2).sum(axis=1)[:, None] - 2 * vectors @ centres.T + (centres**2).sum(axis=1)[None, :]
    nearest = squares.argmin(axis=1)
    return nearest.astype(np.float64), np.sqrt(np.maximum(squares[np.arange(len(vectors)), nearest], 0.0))


@lru_cache
def _directions(seed: int, dimensions: int) -> Floats:
    directions: Floats = np.random.RandomState(seed).standard_normal((dimensions, DIRECTIONS))
    return np.asarray(directions / np.linalg.norm(directions, axis=0))
