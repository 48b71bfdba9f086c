"""How many requests were begun and never finished, although those that still run were begun and not finished, too.

Used by `decode` for runtimes that count beginnings and good ends, and no failures (KServe's python server).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

WINDOW_SECONDS = 60.0
"""A request that has not ended by then counts as failed. Longer ones are rare where this is used, and a few too many are
counted once: what is published never falls, so it cannot be counted twice."""
MAX_KEYS = 1000
"""Beyond it the one that was asked for longest ago is forgotten: names of models may come from requests."""


@dataclass(slots=True)
class _Difference:
    seen: deque[tuple[float, float]] = field(default_factory=deque)
    """(when, how much), those of the last minute and the one before."""
    first: float = 0.0
    """What was there at the first look: of things past, so it counts at once, whatever it is made of."""
    began: float = 0.0
    lowest: float = math.inf
    """The smallest difference of the first minute; what grows beyond it has happened since."""
    told: float = 0.0


class Settled:
    """For each key, the smallest difference of the last minute: what ran is gone from it, what failed is not."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Hashable, _Difference] = {}

    def settle(self, key: Hashable, difference: float) -> float:
        """Return how much of the difference counts. It never falls. What is there at the first look counts at once."""
        now = self._clock()
        known = self._known.pop(key, _Difference(first=difference, began=now, told=difference))
        self._known[key] = known
        if len(self._known) > MAX_KEYS:
            del self._known[next(iter(self._known))]
        while len(known.seen) > 1 and known.seen[1][0] <= now - WINDOW_SECONDS:
            known.seen.popleft()
        known.seen.append((now, difference))
        lowest = min(value for _, value in known.seen)
        if now - known.began >= WINDOW_SECONDS:
            known.told = max(known.told, known.first + lowest - known.lowest)
        else:
            known.lowest = min(known.lowest, difference)
        return known.told
