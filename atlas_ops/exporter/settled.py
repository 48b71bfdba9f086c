"""How many requests were begun and never finished, although those that still run were begun and not finished, too.

Used by `decode` for runtimes that count beginnings and good ends, and no failures (KServe's python server).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0
"""A request that has not ended by then counts as failed. Longer ones are rare where this is used, and a few too many are
counted once: what is published never falls, so it cannot be counted twice."""


class Settled:
    """For each key, the smallest difference of the last minute: what ran is gone from it, what failed is not."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, deque[tuple[float, float]]] = {}
        self._told: dict[str, float] = {}

    def settle(self, key: str, difference: float) -> float:
        """Return how much of the difference counts. It never falls."""
        now = self._clock()
        seen = self._seen.setdefault(key, deque())
        while len(seen) > 1 and seen[1][0] <= now - WINDOW_SECONDS:
            seen.popleft()
        seen.append((now, difference))
        lowest = min(value for _, value in seen)
        self._told[key] = max(lowest, self._told.get(key, 0.0))
        return self._told[key]
