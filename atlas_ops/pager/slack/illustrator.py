"""Gives messages in Slack their chart, after they were posted: no page waits for a picture. Started by `atlas_ops.cli.pager`.

One thread. Each incident has one chart, of the time of its page; trouble with it is said once in the log and costs the
page nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from atlas_ops.errors import AtlasError
from atlas_ops.pager import times
from atlas_ops.pager.charts import charts
from atlas_ops.pager.charts.charts import Charts
from atlas_ops.pager.slack.client import Later, Refused, Slack
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 5.0
_LATER_SECONDS = 30.0
_TRIES = 3
_MOST = 10
"""Charts in one round, the newest first; of a storm few messages are left, and few charts."""
SETTLE_SECONDS = 3.0
"""Slack looks at a file for a moment before it shows it in a message."""


class Illustrator:
    """`problem` says why messages have no charts; empty when they have."""

    def __init__(
        self,
        store: Store,
        slack: Slack,
        charts: Charts,
        *,
        changed: Callable[[], None],
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._store = store
        self._slack = slack
        self._charts = charts
        self._changed = changed
        self._settle = settle_seconds
        self._tries: dict[str, int] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="illustrator", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begin to draw, if this pager can."""
        if charts.available():
            self._thread.start()
        else:
            self._without("the extra is not installed: pip install 'atlas-ops[charts]'")

    def wake(self) -> None:
        """Say that there may be a new message."""
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Stop after the chart that is under way; leave it behind when it takes longer than `seconds`."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set() and not self.problem:
            self._wake.clear()
            self._wake.wait(self._safe_round())

    def _safe_round(self) -> float:
        try:
            return self._round()
        except AtlasError as error:
            _LOG.warning("charts have to wait: %s", error.message)
        except Exception:  # noqa: BLE001 - one odd incident must not cost the others their charts
            _LOG.exception("a chart could not be made")
        return _LATER_SECONDS

    def _round(self) -> float:
        wanted = self._store.charts.wanted(_MOST)
        self._tries = {incident: self._tries.get(incident, 0) for incident in wanted}
        for incident in wanted:
            if self._stopping.is_set() or self.problem:
                return 0.0
            if self._store.charts.claim(incident, time.time()) and (wait := self._illustrate(incident)):
                return wait
        return _IDLE_SECONDS

    def _illustrate(self, incident: str) -> float:
        """Draw and upload one chart; return how long to wait when Slack does not take it now, else 0."""
        work = self._store.incidents.work(incident)
        picture = self._charts.picture(work.incident) if work else None
        drawn = self._charts.drawn(picture, "png") if picture else None
        if picture is None or drawn is None:
            return 0.0
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
                return self._later(incident, later)
        return 0.0

    def _later(self, incident: str, later: Later) -> float:
        self._tries[incident] += 1
        if self._tries[incident] < _TRIES:
            self._store.charts.release(incident)
        else:
            _LOG.warning("incident %s gets no chart: %s", incident, later.detail)
        return later.wait or _LATER_SECONDS

    def _without(self, problem: str) -> None:
        _LOG.warning("messages in Slack have no charts: %s", problem)
        self.problem = problem
