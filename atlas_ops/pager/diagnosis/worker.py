"""Diagnoses each new incident while its message is on the way, a few at a time.

Started by `atlas_ops.cli.pager`; woken by `pager.app` with each webhook. What it finds is written down, and the delivery
takes it from there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from atlas_ops.errors import AtlasError
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.diagnosis.ask import SECONDS, Query, diagnose
from atlas_ops.pager.diagnosis.verdict import Diagnosis
from atlas_ops.pager.incident import Headline
from atlas_ops.pager.job import Job
from atlas_ops.pager.runbooks.values import values
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 5.0
AT_ONCE = 4
"""Incidents that are asked about at the same time: each may take its five seconds, and the last of a storm waits for all."""


class Diagnostician(Job):
    """Asks the checks of the runbooks. `told` is called after each diagnosis: it wakes the delivery."""

    def __init__(
        self,
        store: Store,
        composer: Composer,
        query: Query,
        *,
        told: Callable[[], None] = lambda: None,
        seconds: float = SECONDS,
    ) -> None:
        super().__init__("diagnosis", self._diagnose, every_seconds=_IDLE_SECONDS)
        self._store = store
        self._composer = composer
        self._query = query
        self._told = told
        self._seconds = seconds

    def _diagnose(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="diagnosis") as hands:
            while not self._stopping.is_set() and (wanted := self._store.diagnoses.wanted()):
                list(hands.map(self._attend, wanted[:AT_ONCE]))

    def _attend(self, head: Headline) -> None:
        found = None
        try:
            found = self._ask(head)
        except AtlasError:
            raise
        except Exception:  # noqa: BLE001 - asked again for ever, one odd incident would keep all others from being asked about
            _LOG.exception("incident %s (%s) cannot be diagnosed", head.id, head.fault)
        self._store.diagnoses.record(head.id, found, time.time())
        self._told()

    def _ask(self, head: Headline) -> Diagnosis | None:
        """Return what the checks find; None when the runbook has none."""
        work = self._store.incidents.work(head.id)
        checks = self._composer.checks(head.fault)
        if work is None or not checks:
            return None
        return diagnose(checks, values(work.incident.lead), self._query, seconds=self._seconds)
