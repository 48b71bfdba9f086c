from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.embedding import Embedding, embedding
from atlas_ops.detect.features import Counts


def mixture(seed: int, *, rows: int = 3000, topics: int = 6) -> NDArray[np.float64]:
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(0, 3, (8, 32))
    return np.asarray(centres[chance.integers(topics, size=rows)] + chance.normal(0, 1, (rows, 32)))


def counts(made: Embedding, vectors: NDArray[np.float64]) -> dict[str, Counts]:
    values = made.values(vectors)
    return {feature.name: feature.count(values[feature.name]) for feature in made.features}


def fitted() -> Embedding:
    made = embedding("question", mixture(1))
    assert made is not None
    return made


def test_embeddings_become_features_that_count_every_row() -> None:
    found = counts(fitted(), mixture(2))
    assert len(found) == 18
    assert {int(one.sum()) for one in found.values()} == {3000}
    assert found["question.topic"][-2] == 0  # none is unseen


def test_the_same_data_give_the_same_features_and_counts() -> None:
    one, other = fitted(), fitted()
    assert (one.centroids == other.centroids).all()
    assert all(
        (a == b).all()
        for a, b in zip(counts(one, mixture(3)).values(), counts(other, mixture(3)).values(), strict=True)
    )


def test_counts_of_parts_add_up() -> None:
    made, vectors = fitted(), mixture(4)
    whole, first, rest = counts(made, vectors), counts(made, vectors[:1111]), counts(made, vectors[1111:])
    assert all((whole[name] == first[name] + rest[name]).all() for name in whole)


def test_a_new_topic_is_far_from_all_that_are_known() -> None:
    made = fitted()
    known, new = counts(made, mixture(5)), counts(made, mixture(5, topics=8))
    far = -2  # `above`
    assert new["question.distance"][far] > 20 * max(1, known["question.distance"][far])


def test_a_vector_with_a_hole_is_missing_everywhere() -> None:
    vectors = mixture(6, rows=10)
    vectors[3, 7] = np.nan
    vectors[4, 0] = np.inf
    assert {int(one[-1]) for one in counts(fitted(), vectors).values()} == {2}


def test_embeddings_that_are_all_the_same_are_no_feature() -> None:
    assert embedding("x", np.ones((50, 4))) is None
    assert embedding("x", np.full((50, 4), np.nan)) is None
