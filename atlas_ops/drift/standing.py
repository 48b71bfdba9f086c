"""What comes of a look at drift. Used by `drift.check`, its reports and `atlas_ops.watch`."""

from __future__ import annotations

from enum import Enum


class Standing(Enum):
    """What came of it; the value is the exit code."""

    NO_DRIFT = 0
    DRIFT = 1
    CANNOT_TELL = 3
