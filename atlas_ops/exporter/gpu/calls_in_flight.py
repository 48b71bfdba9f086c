"""Driver calls about one GPU that have not returned: how old the oldest is, and which question hangs.

Every thread of `gpu.worker` makes its calls through here; the page tells the age, and the watchdog acts on it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CallsInFlight:
    """The calls that are under way, in any thread. `clock` is in seconds and never runs backwards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._since: dict[int, float] = {}

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count the block as a call."""
        number = next(self._numbers)
        self._since[number] = self._clock()
        try:
            yield
        finally:
            del self._since[number]

    def oldest_seconds(self, now: float) -> float:
        """Return the age of the oldest call; 0 when there is none."""
        since = list(self._since.values())
        return max(0.0, now - min(since)) if since else 0.0
