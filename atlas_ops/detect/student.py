"""Quantiles of Student's t distribution, so that a gate needs no scipy. Called by `gate`.

The distribution function is the regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun, 26.7.1 and
26.5.8; Lentz's evaluation); its inverse is found by Newton's method. Against printed tables the error is below 1e-6.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_EXACT = 1e-15
_MOST_TERMS = 10_000
_MOST_STEPS = 100
_NORMAL = NormalDist()


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: float) -> float:
    """Return t with P(T <= t) = `probability`, for 0 < probability < 1 and `freedom` > 0 degrees of freedom (not only whole ones)."""
    if not 0 < probability < 1:
        raise ValueError(f"the probability has to lie between 0 and 1, not {probability}")
    if not freedom > 0:
        raise ValueError(f"the degrees of freedom have to be above 0, not {freedom}")
    if probability == 0.5:
        return 0.0
    if probability > 0.5:
        return -t_quantile(1 - probability, freedom)
    # Left of 0 the distribution function is convex, and the normal quantile lies right of t's: no step goes too far.
    t = _NORMAL.inv_cdf(probability)
    for _ in range(_MOST_STEPS):
        step = (t_below(t, freedom) - probability) / _density(t, freedom)
        t -= step
        if abs(step) <= _EXACT * abs(t):
            break
    return t


def t_below(t: float, freedom: float) -> float:
    """Return P(T <= t)."""
    half = 0.5 * _beta_share(freedom / (freedom + t * t), freedom / 2, 0.5)
    return half if t <= 0 else 1 - half


def _density(t: float, freedom: float) -> float:
    half = (freedom + 1) / 2
    front = math.lgamma(half) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return math.exp(front - half * math.log1p(t * t / freedom))


def _beta_share(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):  # there the continued fraction is slow
        return 1 - _beta_share(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction 1 + d1/(1 + d2/(1 + ...)) of the incomplete beta function."""
    value = numerator = 1.0
    denominator = 0.0
    for term in range(1, _MOST_TERMS):
        m, odd = divmod(term, 2)
        if odd:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / _above_zero(1 + d * denominator)
        numerator = _above_zero(1 + d / numerator)
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < _EXACT:
            break
    return value


def _above_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
