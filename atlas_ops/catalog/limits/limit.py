"""What a limit is: a number with its unit, the range that makes sense, and the reason of its default.

Used by the families' modules beside this one, and by `atlas_ops.settings`, which reads them from the user's file.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitInfo:
    """What a user has to know about a limit before changing it."""

    unit: str
    above: float
    below: float
    reason: str


def limit(default: float, unit: str, above: float, below: float, reason: str) -> float:
    """Return a field of a class of limits: a default that must stay between `above` and `below`, exclusive."""
    # dataclasses.field is typed as its default, which is what a reader of Limits sees.
    info = LimitInfo(unit=unit, above=above, below=below, reason=reason)
    value: float = field(default=float(default), metadata={"limit": info})
    return value
