"""One statistic that is not where it usually is. Made by `score` and `drift.check`, told by `drift.words`."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.detect.statistics import Statistic


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One statistic beyond its limit: `score` away from what is usual, in standard deviations or as the slower chart, where `limit` is allowed."""

    statistic: Statistic
    score: float
    limit: float
    value: float
    usual: float
    since: float | None
    """Since when (Unix seconds), as far as it can be told; None without times."""
