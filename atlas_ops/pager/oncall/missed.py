"""Tells of pages that began and ended while no pager was there, or none could write: Alertmanager tells nobody of those.

A job of `cli.pager_oncall`. That pagers are there they note in the database, so a gap is known after it. What Prometheus
then knows to have fired in it, and is in no incident, is told in one: it goes to Slack and escalates like any other,
and is over when somebody has acknowledged it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from atlas_ops.http_config import HttpConfig
from atlas_ops.pager import times
from atlas_ops.pager.incident import Alert, Notification
from atlas_ops.pager.job import Job
from atlas_ops.pager.oncall import untold
from atlas_ops.pager.store.absences import Absence
from atlas_ops.pager.store.store import Store
from atlas_ops.prometheus import Prometheus

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rhythm:
    """The times of this job, in seconds."""

    every: float = 15.0
    gap: float = 60.0
    """Who is away for no longer misses nothing: Alertmanager tries a webhook again for its group interval, a minute."""
    settle: float = 120.0
    """So long after an absence Alertmanager has told what it still tells."""
    step: float = 15.0
    """How often rules are evaluated."""


class Missed(Job):
    """`prometheus` is the address of Prometheus, `http_config` how to log in there; `changed` is called when there is something to tell."""

    def __init__(
        self,
        store: Store,
        prometheus: str,
        *,
        http_config: HttpConfig | None = None,
        changed: Callable[[], None] = lambda: None,
        rhythm: Rhythm = Rhythm(),
    ) -> None:
        super().__init__("what was missed", self.round, every_seconds=rhythm.every)
        self._store = store
        self._url, self._http_config = prometheus, http_config
        self._changed = changed
        self._rhythm = rhythm

    @property
    def trouble(self) -> str:
        """What does not work, for the console; empty: nothing."""
        return f"What fired while the pager was away is not known: {self.problem}" if self.problem else ""

    def round(self) -> None:
        """Note that a pager is there, and tell what was missed when none was. Raises what `Store` and `Prometheus` do."""
        now = time.time()
        absences = self._store.absences
        absences.beat(now, gap=self._rhythm.gap)
        for key, alert in absences.acknowledged(now, since=now - untold.DAY):
            self._accept(key, replace(alert, firing=False, ends_at=now), now)
        for absence in absences.unseen(now - self._rhythm.settle):
            if absence.until < now - untold.DAY:
                _LOG.error("what fired until %s was never known", times.moment(absence.until))
            elif missed := self._missed(absence, now):
                page = untold.page(absence, missed, self._url)
                if self._accept(absence.key, page, now):
                    _LOG.error("%s", page.summary)
            absences.seen(absence)

    def _missed(self, absence: Absence, now: float) -> Sequence[Alert]:
        """Return the pages that fired in an absence, do so no more, and are in no incident."""
        since, step = max(absence.since, absence.until - untold.DAY), self._rhythm.step
        window = f"timestamp({untold.PAGES})[{now - since:.0f}s:{step:.0f}s]"
        client = Prometheus(self._url, http_config=self._http_config)
        try:
            first, last = (client.query(f"{which}_over_time({window})", at=now) for which in ("min", "max"))
        finally:
            client.close()
        # What still fires, Alertmanager tells.
        over = [one for one in untold.alerts(first, last) if since <= (one.ends_at or now) < now - 3 * step]
        fired = [one for one in over if one.starts_at <= absence.until]
        return untold.untold(fired, self._store.absences.known(since, now)) if fired else ()

    def _accept(self, key: str, alert: Alert, now: float) -> bool:
        told = Notification(key=key, alerts=(alert,), truncated=0, heartbeat=False)
        changed = self._store.inbox.accept(told, now)
        if changed:
            self._changed()
        return changed
