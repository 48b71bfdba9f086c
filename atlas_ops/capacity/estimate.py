"""A number with its interval. Shared by the parts of an assessment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_ops.capacity.observed import Floats

TAIL = 0.05
"""On each side of an interval."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A value and its 90 % interval; where it is only known to be `at_least` the value, both ends are that value."""

    value: float
    low: float
    high: float
    at_least: bool = False


def bootstrapped(draws: Floats, *, at_least: bool = False) -> Estimate:
    """Return the estimate of draws, of which the first is that of all data; draws that are no number are left out."""
    value = float(draws[0])
    if at_least:
        return Estimate(value=value, low=value, high=value, at_least=True)
    known = draws[1:][np.isfinite(draws[1:])]
    low, high = np.quantile(known, (TAIL, 1 - TAIL)) if len(known) else (value, value)
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))
