"""Quantiles of Student's t are those of printed tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.detect.student import t_below, t_quantile

# NIST/SEMATECH e-Handbook 1.3.6.7.2, and to more digits R 4.3: qt(p, df).
TABLE = (
    (0.9, 1, 3.0776835372), (0.975, 1, 12.7062047362), (0.999, 1, 318.3088389855),
    (0.95, 2, 2.9199855804), (0.995, 3, 5.8409093097), (0.975, 4, 2.7764451052), (0.999, 7, 4.7852896286),
    (0.95, 10, 1.8124611228), (0.99, 14, 2.6244940676), (0.995, 30, 2.7499956536), (0.9995, 120, 3.3734537667),
)  # fmt: skip


@pytest.mark.parametrize(("probability", "freedom", "expected"), TABLE)
def test_quantiles_are_those_of_the_tables(probability: float, freedom: float, expected: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(expected, abs=1e-6)
    assert t_quantile(1 - probability, freedom) == pytest.approx(-expected, abs=1e-6)


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.5, 0.6, 0.99])
def test_one_and_two_degrees_of_freedom_have_closed_forms(probability: float) -> None:
    cauchy = math.tan(math.pi * (probability - 0.5))
    two = (2 * probability - 1) * math.sqrt(2 / (4 * probability * (1 - probability)))
    assert t_quantile(probability, 1) == pytest.approx(cauchy, rel=1e-9, abs=1e-12)
    assert t_quantile(probability, 2) == pytest.approx(two, rel=1e-9, abs=1e-12)


def test_with_many_degrees_of_freedom_it_is_normal() -> None:
    assert t_quantile(0.975, 1e7) == pytest.approx(1.959963984540, abs=1e-6)


@given(probability=st.floats(1e-6, 1 - 1e-6), freedom=st.floats(1.0, 500.0))
def test_it_is_the_inverse_of_the_distribution(probability: float, freedom: float) -> None:
    assert t_below(t_quantile(probability, freedom), freedom) == pytest.approx(probability, abs=1e-9)


@pytest.mark.parametrize(
    ("probability", "freedom"), [(0.0, 3), (1.0, 3), (float("nan"), 3), (0.9, 0), (0.9, float("nan"))]
)
def test_nonsense_is_refused(probability: float, freedom: float) -> None:
    with pytest.raises(ValueError, match=r"to lie between|to be above"):
        t_quantile(probability, freedom)
