"""The detectors of the stand-in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class _Univariate:
    """One test for each feature, with Bonferroni's correction; p-values as 32-bit floats, NaN where the data has NaN."""

    def __init__(self, x_ref: Array, p_val: float = 0.05, **options: Any) -> None:
        self._reference, self._p_val, self._options = x_ref, p_val, options

    def predict(self, x: Array) -> dict[str, Any]:
        """Return what alibi-detect returns, as far as it is used."""
        pairs = zip(self._reference.T, x.T, strict=True)
        p_val = np.array([self._test(place)(one, other) for place, (one, other) in enumerate(pairs)], dtype=np.float32)
        threshold = self._p_val / len(p_val)
        return {
            "data": {"is_drift": int((p_val < threshold).any()), "p_val": p_val, "threshold": threshold},
            "meta": {},
        }

    def _test(self, place: int) -> Callable[[Array, Array], float]:
        raise NotImplementedError


class KSDrift(_Univariate):
    """For numbers."""

    def __init__(self, x_ref: Array, p_val: float = 0.05, alternative: str = "two-sided") -> None:
        super().__init__(x_ref, p_val)

    def _test(self, place: int) -> Callable[[Array, Array], float]:
        return _ks


class CVMDrift(_Univariate):
    """For numbers."""

    def __init__(self, x_ref: Array, p_val: float = 0.05) -> None:
        super().__init__(x_ref, p_val)

    def _test(self, place: int) -> Callable[[Array, Array], float]:
        return _ks


class ChiSquareDrift(_Univariate):
    """For categories, numbered from 0 on."""

    def __init__(self, x_ref: Array, p_val: float = 0.05, categories_per_feature: dict[int, int] | None = None) -> None:
        super().__init__(x_ref, p_val)
        self._categories = categories_per_feature or {}

    def _test(self, place: int) -> Callable[[Array, Array], float]:
        return lambda one, other: _chi_square(one, other, self._categories[place])


class TabularDrift(_Univariate):
    """For both."""

    def __init__(self, x_ref: Array, p_val: float = 0.05, categories_per_feature: dict[int, int] | None = None) -> None:
        super().__init__(x_ref, p_val)
        self._categories = categories_per_feature or {}

    def _test(self, place: int) -> Callable[[Array, Array], float]:
        if place not in self._categories:
            return _ks
        return lambda one, other: _chi_square(one, other, self._categories[place])


class FETDrift(_Univariate):
    """For 0 and 1."""

    def __init__(self, x_ref: Array, p_val: float = 0.05, alternative: str = "greater") -> None:
        if not np.isin(x_ref, (0, 1)).all():
            raise ValueError(
                "The `x_ref` data must consist of only (0,1)'s or (False,True)'s for the FETDrift detector."
            )
        super().__init__(x_ref, p_val)

    def _test(self, place: int) -> Callable[[Array, Array], float]:
        return lambda one, other: _chi_square(one, other, 2)


def _ks(one: Array, other: Array) -> float:
    if np.isnan(one).any() or np.isnan(other).any():
        return math.nan
    every = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(side), every, side="right") / len(side) for side in (one, other)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    root = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    return min(1.0, 2 * math.exp(-2 * (root * distance) ** 2))


def _chi_square(one: Array, other: Array, categories: int) -> float:
    table = np.array([np.bincount(side.astype(int), minlength=categories) for side in (one, other)], dtype=float)
    if not table.sum(axis=0).all():
        raise ValueError("The internally computed table of expected frequencies has a zero element at (0, 4).")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    freedom, statistic = max(categories - 1, 1), float(((table - expected) ** 2 / expected).sum())
    # Wilson and Hilferty's approximation.
    normal = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return 0.5 * math.erfc(normal / math.sqrt(2))
