"""A number with its interval. Shared by the parts of an assessment."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from atlas_ops.capacity.observed import Floats

TAIL = 0.05
"""On each side of an interval."""
_WIDER = 1.5
"""Some tens of blocks are few, and work that wanders makes them less than that: draws alone hold 75 % where they say 90 %, and half as
wide again they hold 90 % (`python -m benchmarks.capacity`)."""


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
    if value <= 0 or not len(known):
        return Estimate(value=value, low=value, high=value)
    low, high = (value * (max(end, 0.0) / value) ** _WIDER for end in np.quantile(known, (TAIL, 1 - TAIL)).tolist())
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def either(one: Estimate, other: Estimate) -> Estimate:
    """Return the first with an interval that holds those of both, where nothing says which of two models is right."""
    return replace(one, low=min(one.low, other.low), high=max(one.high, other.high))
