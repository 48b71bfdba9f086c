"""How fast and how often the pager speaks to Slack. Used by `pager.delivery.worker`."""

from __future__ import annotations

import random
from dataclasses import dataclass

from atlas_ops.pager.store.buckets import Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """The times of delivery, in seconds."""

    per_second: float = 1.0
    """Slack takes about one message per second and channel, and says that short bursts are fine."""
    burst: int = 3
    every: float = 3.0
    """A message is not changed more often than this; what happens meanwhile comes with the next change."""
    first_retry: float = 1.0
    last_retry: float = 30.0
    """The waits of an incident that fails double from the first to the last."""
    pause: float = 5.0
    """Longest pause for everything after trouble: a new page is late by no more than this once Slack is back."""
    refused: float = 60.0
    """A refusal needs a person to change something; until then one question a minute is enough."""
    settle: float = 10.0
    """How long Slack may still be busy with a message after we lost sight of it; as long as our own patience."""
    look: float = 1.0
    """How often to look whether something has become due meanwhile, while anything waits."""
    own_messages: int = 10
    """Incidents that get a message of their own within a minute; the others are gathered into a storm."""
    storm_every: float = 20.0
    """How often the message of a storm is brought up to date."""
    storm_quiet: float = 300.0
    """A storm that nothing has joined for so long takes in no more."""

    @property
    def rate(self) -> Rate:
        """The pace of one channel."""
        return Rate(per_second=self.per_second, burst=self.burst)

    def retry(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row, with up to a quarter more by chance."""
        doubled = self.first_retry * 2.0 ** min(max(failures - 1, 0), 16)
        return min(doubled, self.last_retry) * (1 + random.random() / 4)  # noqa: S311 - spreads load, guards nothing
