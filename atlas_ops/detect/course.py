"""What one detector said of one feature, window by window: whether it finds drift, and since when. Called by `score`, `cold` and `atlas-ops watch`.

Drift is found at the limit and lasts until the score falls below 0.7 of it, so that a score which hovers does not come and go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_ops.detect.statistics import Floats
from atlas_ops.detect.windows import STEP

CLEAR_SHARE = 0.7
_RISEN = 0.5
"""Share of the limit from which on a score that ends in drift has begun to rise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """`share[t]` is the score as a share of its limit (1 and above is drift); `found[t]` is 1 while drift is found."""

    times: Floats
    share: Floats
    found: Floats

    @property
    def now(self) -> bool:
        """Whether drift is found in the last window."""
        return bool(self.found.size and self.found[-1])

    @property
    def rising_since(self) -> float | None:
        """When the score of the drift that lasts rose above half of the limit (Unix seconds); None: there is no drift.

        Nearer to what happened than when drift was found, but a guess; it is never after that.
        """
        if not self.now:
            return None
        outside = np.flatnonzero((self.share < _RISEN) & (self.found == 0))
        return float(self.times[outside[-1] + 1 if outside.size else 0]) - STEP


def course(times: Floats, scores: Floats, limit: float = 1.0) -> Course:
    """Return the course of scores against their limit; with an infinite limit there is never drift."""
    share = scores / limit
    return Course(times=times, share=share, found=drifted(share, 1.0))


def drifted(scores: Floats, limit: float) -> Floats:
    """Return 1 while drift is found: from the limit on, until the score is below 0.7 of it."""
    found, inside = np.zeros(len(scores)), False
    for place, value in enumerate(scores):
        inside = value >= limit or (inside and value >= CLEAR_SHARE * limit)
        found[place] = inside
    return found
