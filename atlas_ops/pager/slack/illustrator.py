"""Gives messages in Slack their chart, after they were posted: no page waits for a picture. Started by `atlas_ops.cli.pager`.

One thread. Each incident has one chart, of the time of its page; trouble with it is said once in the log and costs the
page nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from atlas_ops.pager import times
from atlas_ops.pager.charts.charts import Charts, available
from atlas_ops.pager.job import Job
from atlas_ops.pager.slack.client import Later, Refused, Slack
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
EVERY_SECONDS = 5.0
_TRIES = 3
_MOST = 10
"""Charts in one round, the newest first; of a storm few messages are left, and few charts."""
SETTLE_SECONDS = 3.0
"""Slack looks at a file for a moment before it shows it in a message."""


class Illustrator(Job):
    """`without` says why messages have no charts; empty while they have. `changed` is called after each chart."""

    def __init__(
        self,
        store: Store,
        slack: Slack,
        charts: Charts,
        *,
        changed: Callable[[], None],
        settle_seconds: float = SETTLE_SECONDS,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        super().__init__("charts in Slack", self._round, every_seconds=every_seconds)
        self._store = store
        self._slack = slack
        self._charts = charts
        self._changed = changed
        self._settle = settle_seconds
        self._tries: dict[str, int] = {}
        self._not_before = 0.0
        self.without = ""

    @property
    def trouble(self) -> str:
        """What does not work, for the console; empty: nothing."""
        return f"Messages in Slack have no charts: {self.without}" if self.without else ""

    def _round(self) -> None:
        if not available():
            self._without("the extra is not installed: pip install 'atlas-ops[charts]'")
        if time.monotonic() < self._not_before:
            return
        wanted = () if self._ends() else self._store.charts.wanted(_MOST)
        self._tries = {incident: self._tries.get(incident, 0) for incident in wanted}
        for incident in wanted:
            if self._ends():
                return
            if self._store.charts.claim(incident, time.time()):
                self._illustrate(incident)

    def _ends(self) -> bool:
        return bool(self.without) or self._stopping.is_set()

    def _illustrate(self, incident: str) -> None:
        """Draw and upload one chart."""
        work = self._store.incidents.work(incident)
        picture = self._charts.picture(work.incident) if work else None
        drawn = self._charts.drawn(picture, "png") if picture else None
        if picture is None or drawn is None:
            return
        words = f"{picture.words} (drawn at {times.moment(time.time())})"
        match self._slack.upload(f"{incident}.png", drawn, words):
            case str() as file:
                self._stopping.wait(self._settle)
                self._store.charts.record(incident, file=file, words=words, now=time.time())
                self._changed()
            case Refused() as refused:
                self._store.charts.release(incident)
                self._without(refused.advice)
            case Later() as later:
                self._later(incident, later)

    def _later(self, incident: str, later: Later) -> None:
        self._not_before = time.monotonic() + (later.wait or self._every)
        self._tries[incident] += 1
        if self._tries[incident] < _TRIES:
            self._store.charts.release(incident)
        else:
            _LOG.warning("incident %s gets no chart: %s", incident, later.detail)

    def _without(self, problem: str) -> None:
        if problem != self.without:
            _LOG.warning("messages in Slack have no charts: %s", problem)
        self.without = problem
