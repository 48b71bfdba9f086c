from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.detect.features import Category, Numeric, category, hash_of, numeric, word_of

NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=200)
WORDS = st.lists(st.one_of(st.none(), st.text(max_size=5), st.integers(-3, 3), st.booleans()), max_size=200)
LENGTH = Numeric(name="length", edges=(0.0, 1.0, 2.0, 5.0))
KIND = Category(name="kind", names=("a", "b"), known=frozenset({hash_of("c")}))


@given(NUMBERS)
def test_every_number_falls_into_exactly_one_bin(values: list[float]) -> None:
    counts = LENGTH.count(values)
    assert counts.sum() == len(values)
    assert len(counts) == len(LENGTH.bins)


@given(NUMBERS, NUMBERS)
def test_counts_of_parts_add_up_to_the_counts_of_the_whole(one: list[float], other: list[float]) -> None:
    assert (LENGTH.count(one) + LENGTH.count(other) == LENGTH.count(one + other)).all()


@given(WORDS, WORDS)
def test_counts_of_words_add_up_as_well(one: list[object], other: list[object]) -> None:
    assert (KIND.count(one) + KIND.count(other) == KIND.count([*one, *other])).all()
    assert KIND.count(one).sum() == len(one)


def test_a_thousand_pods_count_what_one_would() -> None:
    chance = np.random.default_rng(1)
    values = np.concatenate([chance.normal(2, 2, 50_000), [np.nan] * 7, [np.inf, -np.inf]])
    parts = np.array_split(chance.permutation(values), 1000)
    whole = LENGTH.count(values)
    assert (np.sum([LENGTH.count(part) for part in parts], axis=0) == whole).all()


def test_edges_missing_and_infinite_values_have_their_places() -> None:
    found = dict(zip(LENGTH.bins, LENGTH.count([0.0, 1.0, 5.0, 5.1, -0.1, math.nan, math.inf, -math.inf]), strict=True))
    assert found == {"00": 1, "01": 1, "02": 1, "below": 2, "above": 2, "missing": 1}


def test_categories_that_are_named_known_never_seen_and_missing_are_told_apart() -> None:
    found = dict(zip(KIND.bins, KIND.count(["a", "a", "b", "c", "new", None, "", math.nan]), strict=True))
    assert found == {"a": 2, "b": 1, "other": 1, "unseen": 1, "missing": 3}


def test_a_category_that_is_called_like_a_bin_keeps_a_name_of_its_own() -> None:
    assert Category(name="kind", names=("a", "other")).bins == ("a", '"other"', "other", "unseen", "missing")


def test_with_too_many_to_remember_nothing_is_unseen() -> None:
    made = category("id", [str(number) for number in range(20_000)], names=5)
    assert made is not None
    assert made.known is None
    assert made.count(["never there"])[made.bins.index("other")] == 1


def test_whole_numbers_with_a_hole_are_the_words_they_were() -> None:
    assert [word_of(value) for value in (1, 1.0, True, None, "x")] == ["1", "1", "True", None, "x"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=300), st.integers(2, 20))
def test_bins_of_a_reference_hold_all_of_it(values: list[float], bins: int) -> None:
    made = numeric("x", values, bins=bins)
    if made is None:
        assert len(set(values)) == 1
        return
    counts = dict(zip(made.bins, made.count(values), strict=True))
    assert counts["below"] == counts["above"] == counts["missing"] == 0
    assert made.inner <= max(bins, 2)


def test_what_has_one_value_or_none_is_no_feature() -> None:
    assert numeric("x", [1.0, 1.0, math.nan]) is None
    assert numeric("x", [math.nan, math.inf]) is None
    assert category("x", [None, ""]) is None
