"""How fast and how often the pager speaks to Slack. Used by `pager.delivery.worker`."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """The times of delivery, in seconds."""

    per_second: float = 1.0
    """Slack takes about one message per second and channel, and says that short bursts are fine."""
    burst: int = 3
    first_retry: float = 1.0
    last_retry: float = 30.0
    """The waits of an incident that fails double from the first to the last."""
    pause: float = 5.0
    """Longest pause for everything after trouble: a new page is late by no more than this once Slack is back."""
    refused: float = 60.0
    """A refusal needs a person to change something; until then one question a minute is enough."""
    settle: float = 10.0
    """How long Slack may still be busy with a message after we lost sight of it; as long as our own patience."""

    def retry(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row, with up to a quarter more by chance."""
        doubled = self.first_retry * 2.0 ** min(max(failures - 1, 0), 16)
        return min(doubled, self.last_retry) * (1 + random.random() / 4)  # noqa: S311 - spreads load, guards nothing


class Bucket:
    """Lets a burst through, then so many per second."""

    def __init__(self, pace: Pace, now: float) -> None:
        self._pace = pace
        self._tokens = float(pace.burst)
        self._at = now

    def wait(self, now: float) -> float:
        """Return how long to wait before the next message; 0 when it may go now."""
        self._tokens = min(float(self._pace.burst), self._tokens + (now - self._at) * self._pace.per_second)
        self._at = now
        return max(0.0, (1 - self._tokens) / self._pace.per_second)

    def take(self) -> None:
        """Count a message that goes."""
        self._tokens -= 1
