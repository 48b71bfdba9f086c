"""How something is compared with its own past: with the day that ended an hour ago, and with the same time yesterday.

The hour keeps a fault out of its own baseline. Called by the faults of capacity, cost and drift whose values differ so much
from model to model that no fixed limit fits.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog.model import Recording
from atlas_ops.catalog.parameters import Timing

_HOUR = 3600.0
_DAY = 24 * _HOUR
STEP_SECONDS = 300.0
"""How often a day is looked at. Every evaluation would cost twenty times as much and say the same."""
_ENOUGH = 12
"""Looks that make a past: an hour of them."""
_THINNED = 5
"""Of so many evaluations one is kept."""


def usual(name: str, recorded: str, timing: Timing) -> Recording:
    """Return the recording of what `recorded` usually was: its median over a day that ended an hour ago.

    The median keeps a fault out of its own baseline for half a day more. There is none while there is
    less than an hour of past.
    """
    past = f"{day(recorded, timing)} offset {timing.window(_HOUR)}"
    return Recording(name=name, expr=f"quantile_over_time(0.5, {past})\nand\ncount_over_time({past}) >= {_ENOUGH}")


def thinned(name: str, recorded: str, timing: Timing) -> Recording:
    """Return the recording of `recorded` every ten minutes, of which `mean` reads a day cheaply."""
    return Recording(name=name, expr=promql.thinned(recorded, timing.unhurried_seconds, of=_THINNED))


def mean(thinned_name: str, timing: Timing) -> str:
    """Return the mean over a day that ended an hour ago, or over what there is of it, of what `thinned` recorded."""
    return f"avg_over_time({thinned_name}[{timing.window(_DAY)}] offset {timing.window(_HOUR)})"


def day(recorded: str, timing: Timing) -> str:
    """Return the range of the last day of an expression, one look every five minutes."""
    return f"{recorded}[{timing.window(_DAY)}:{timing.window(STEP_SECONDS)}]"


def fallen(recorded: str, usually: str, ratio: float, timing: Timing) -> str:
    """Return the condition that `recorded` is below a share of what it usually is, and was not so yesterday at this time.

    The second half is for what happens every day: a nightly batch without shared prompts is no fault.
    """
    least = f"{promql.number(ratio)} * {usually}"
    return f"{recorded} < {least}\nunless\n{recorded} offset {timing.window(_DAY)} < {least}"
