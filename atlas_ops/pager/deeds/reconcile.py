"""Keeps what the pager says true to Alertmanager: silences may be made, changed and ended there, too.

One thread, started by `atlas_ops.cli.pager`, which asks every minute and when it is woken. Which silence holds for which
alert is Alertmanager's own word, by the alerts' fingerprints; nothing is matched here.

Alertmanager says nothing of a silenced alert, not even that it is over, nor of a group that its routes do not make any more
since they were changed. So here the end is noticed: by the alert's absence. And what was taken for over, and fires, is told anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace

from atlas_ops.alertmanager import Alert, Alertmanager, Silence
from atlas_ops.errors import AtlasError
from atlas_ops.pager import times
from atlas_ops.pager.deeds.deed import Hold
from atlas_ops.pager.incident import Notification
from atlas_ops.pager.job import Job
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.scrub import scrub_name
from atlas_ops.pager.store.deeds import Watched
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
EVERY_SECONDS = 60.0
GONE_SECONDS = 300.0
"""An alert that Alertmanager has not known for so long is over. It forgets them when it is started again; Prometheus tells
it of them again within two minutes."""
_GONE = "Alertmanager does not know of it any more"
_SAME_SECONDS = 1.0
"""Alertmanager keeps times to the millisecond."""


class Reconciler(Job):
    """`problem` says why Alertmanager cannot be asked; empty when it can. `changed` is called when Slack should show it."""

    def __init__(
        self,
        store: Store,
        alertmanager: Alertmanager,
        metrics: Metrics,
        *,
        changed: Callable[[], None],
        every_seconds: float = EVERY_SECONDS,
        gone_seconds: float = GONE_SECONDS,
    ) -> None:
        super().__init__("the comparison of silences", self._round, every_seconds=every_seconds)
        self._store = store
        self._alertmanager = alertmanager
        self._metrics = metrics
        self._changed = changed
        self._gone = gone_seconds
        self._missing: dict[tuple[str, str], float] = {}
        """Since when (monotonic) an alert of an incident has not been known to Alertmanager."""
        self._seen: Set[str] = frozenset()
        """Incidents of which this Alertmanager has known an alert: it can say nothing of those that another one told."""

    @property
    def trouble(self) -> str:
        """What does not work, for the console; empty: nothing."""
        return f"What is silenced is not known: {self.problem}" if self.problem else ""

    def _round(self) -> None:
        try:
            changed = self._reconcile(time.time())
        except AtlasError:
            self._metrics.alertmanager(up=False)
            raise
        self._metrics.alertmanager(up=True)
        if changed:
            self._changed()

    def _reconcile(self, now: float) -> bool:
        # The incidents first: an alert that comes in between must not look as if Alertmanager had forgotten it.
        incidents = self._store.deeds.watched()
        silences = {silence.id: silence for silence in self._alertmanager.silences()}
        alerts = {alert.fingerprint: alert for alert in self._alertmanager.alerts()}
        self._look(incidents, alerts)
        firing = {(one.incident, fingerprint) for one in incidents for fingerprint in one.firing}
        self._missing = {key: since for key, since in self._missing.items() if key in firing}
        changed = [self._safely(one, alerts, silences, now) for one in incidents]
        return self._take_up({fingerprint for _, fingerprint in firing}, alerts, now) or any(changed)

    def _look(self, incidents: Iterable[Watched], alerts: Mapping[str, Alert]) -> None:
        """Note which incidents this Alertmanager knows an alert of."""
        known = self._store.sightings.known(self._alertmanager.url)
        new = {one.incident for one in incidents if one.firing & alerts.keys()} - known
        if new:
            self._store.sightings.note(self._alertmanager.url, new)
        self._seen = known | new

    def _take_up(self, firing: Set[str], alerts: Mapping[str, Alert], now: float) -> bool:
        """Take up again what fires although it was taken for over; return whether anything does.

        Alertmanager itself tells of that once at most. It is not believed where that comes so soon after the end that it may
        be late mail; and it does not tell at all where it had forgotten the alert without telling an end.
        """
        active = {name: one.starts_at for name, one in alerts.items() if one.active and name not in firing}
        told = self._store.sightings.taken_for_over(active)
        for one in told:
            _LOG.warning("%s was taken for over, and Alertmanager says that it fires", one.alerts[0].fault)
            self._store.inbox.accept(one, now)
        return bool(told)

    def _safely(self, one: Watched, alerts: Mapping[str, Alert], silences: Mapping[str, Silence], now: float) -> bool:
        try:
            return self._compare(one, alerts, silences, now)
        except AtlasError:
            raise
        except Exception:  # noqa: BLE001 - one odd incident must not keep all others from being looked at
            _LOG.exception("the silences of incident %s cannot be compared", one.incident)
            return False

    def _compare(self, one: Watched, alerts: Mapping[str, Alert], silences: Mapping[str, Silence], now: float) -> bool:
        """Bring one incident in line; return whether that changed it."""
        present = [alerts[fingerprint] for fingerprint in one.firing if fingerprint in alerts]
        hold = _held(present, silences)
        ours = one.incident in self._seen or one.hold is not None
        changed = ours and self._end(one, one.firing - alerts.keys(), now)
        if hold is None and one.hold is None:
            return changed
        if hold is not None and not _same(hold, one.hold):
            told = f"{hold.who} silenced it in Alertmanager until {times.moment(hold.until)}"
        elif hold is None and any(alert.active for alert in present):
            told = "The silence has ended"
        else:  # it is as it was; or nothing fires that would tell
            return changed
        return self._store.deeds.hold(one, hold, told, now) or changed

    def _end(self, one: Watched, missing: Iterable[str], now: float) -> bool:
        """Note as over what Alertmanager has not known for long."""
        moment = time.monotonic()
        for fingerprint in one.firing:
            if fingerprint not in missing:
                self._missing.pop((one.incident, fingerprint), None)
        since = {name: self._missing.setdefault((one.incident, name), moment) for name in missing}
        over = {name for name, first in since.items() if moment - first >= self._gone}
        work = self._store.incidents.work(one.incident, alerts=None) if over else None
        if work is None:
            return False
        ended = tuple(
            replace(alert, firing=False, ends_at=now) for alert in work.incident.firing if alert.fingerprint in over
        )
        truncated = work.incident.truncated
        told = Notification(key=one.key, alerts=ended, truncated=truncated, heartbeat=False, guess=_GONE)
        return self._store.inbox.accept(told, now)


def _held(present: Iterable[Alert], silences: Mapping[str, Silence]) -> Hold | None:
    """Return the silence that ends first of those that keep the alerts quiet; None unless all of them are kept quiet."""
    holds: list[Silence] = []
    for alert in present:
        longest = max((silences[name] for name in alert.silenced_by if name in silences), key=_until, default=None)
        if longest is None:
            return None
        holds.append(longest)
    first = min(holds, key=_until, default=None)
    return Hold(until=first.until, who=scrub_name(first.created_by)) if first else None


def _until(silence: Silence) -> float:
    return silence.until


def _same(one: Hold, other: Hold | None) -> bool:
    return other is not None and one.who == other.who and abs(one.until - other.until) < _SAME_SECONDS
