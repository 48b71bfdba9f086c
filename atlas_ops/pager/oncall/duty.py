"""What is done again and again for those on call: steps of escalations, pages that Slack does not take, and what is told of both.

Made by `atlas_ops.cli.pager_oncall`; runs in a `pager.job.Job`.
"""

from __future__ import annotations

import time

from atlas_ops.pager.oncall.escalation import Escalation
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.ways.teller import Teller
from atlas_ops.settings.people import Target

EVERY_SECONDS = 1.0


class Duty:
    """`fallback` is told of a page that Slack has not taken for `fallback_seconds`."""

    def __init__(
        self, store: Store, escalation: Escalation, teller: Teller, fallback: Target, fallback_seconds: float
    ) -> None:
        self._store = store
        self._escalation = escalation
        self._teller = teller
        self._fallback = fallback
        self._fallback_seconds = fallback_seconds
        store.tellings.recover()

    def round(self) -> None:
        """Do all of it once."""
        self._escalation.round()
        if self._fallback.reachable:
            now = time.time()
            self._store.tellings.tell_of_undelivered(self._fallback, before=now - self._fallback_seconds, now=now)
        self._teller.round()
