"""Has what was over for long deleted, a little at a time: webhooks go before. A job of `cli.pager_parts`."""

from __future__ import annotations

import logging

from atlas_ops.pager import times
from atlas_ops.pager.job import Job
from atlas_ops.pager.store.retention import ROUND_SECONDS
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
PAUSE_SECONDS = 0.1
"""Between two transactions, so that who waits for the database has it first."""


class Cleanup(Job):
    """`keep`: for how many seconds an incident stays after its end."""

    def __init__(self, store: Store, keep: float) -> None:
        super().__init__("the cleanup of the database", self.step, every_seconds=ROUND_SECONDS)
        self._store = store
        self._keep = keep
        self._before: float | None = None
        """Before when what is deleted in the round under way was over; None: no round is."""
        self._deleted = 0

    @property
    def trouble(self) -> str:
        """What does not work, for the console; empty: nothing."""
        return f"What has been over for long is not deleted: {self.problem}" if self.problem else ""

    def step(self) -> None:
        """Begin a round, unless one is under way, and delete a little. Raises what `Store` does."""
        if self._before is None:
            self._before, self._deleted = self._store.retention.begin(self._keep), 0
        if self._before is None:
            return
        gone = self._store.retention.delete(self._before)
        self._deleted += gone
        if not gone:
            if self._deleted:
                told = "deleted %d rows of the database: what was over before %s (pager.retention)"
                _LOG.info(told, self._deleted, times.moment(self._before))
            self._before = None

    def _turn(self) -> float:
        self._once()
        return ROUND_SECONDS if self.problem or self._before is None else PAUSE_SECONDS
