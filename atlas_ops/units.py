"""How numbers, shares and times are written for people, three digits of them. Shared by the pager and the reports of gate and capacity."""

from __future__ import annotations

_COUNTABLE = 1e15
"""From here on digits tell nobody anything, and a double does not know them all."""


def number(value: float) -> str:
    """Return a number; whole ones and those from a thousand on without a fraction."""
    if not abs(value) < _COUNTABLE:  # nor what is no number
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def percent(share: float) -> str:
    """Return a share as per cent."""
    return f"{number(round(100 * float(share), 9))} %"


def seconds(value: float) -> str:
    """Return a time in seconds, below one in milliseconds."""
    return f"{value * 1000:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"
