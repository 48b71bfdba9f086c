"""Slows down who guesses tokens. Asked by `access.gate` before and after each attempt; safe to use from many threads."""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST_FAILURES = 10
"""Wrong tokens from one address within `SECONDS`."""
SECONDS = 300.0
_REMEMBERED = 10_000
"""Addresses; the longest-known is forgotten first."""


class Throttle:
    """Counts wrong tokens by the sender's address."""

    def __init__(self, most: int = MOST_FAILURES, seconds: float = SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, sender: str, now: float) -> float:
        """Return for how many seconds no token of this sender is looked at; 0: it is."""
        with self._lock:
            recent = self._recent(sender, now)
            return recent[-self._most] + self._seconds - now if len(recent) >= self._most else 0.0

    def failed(self, sender: str, now: float) -> None:
        """Note a wrong token; `now`: seconds of any clock that does not jump."""
        with self._lock:
            self._failures[sender] = [*self._recent(sender, now), now][-self._most :]
            self._failures.move_to_end(sender)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def _recent(self, sender: str, now: float) -> list[float]:
        return [at for at in self._failures.get(sender, ()) if at > now - self._seconds]
