"""Which incidents an Alertmanager has known of, and what it says fires although it was taken for over. Called by `pager.deeds.reconcile`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Row, Select, insert, or_, select

from atlas_ops.pager import incident as rules
from atlas_ops.pager.incident import Notification
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.rows import alert_of
from atlas_ops.pager.store.tables import ALERTS, INCIDENTS, SIGHTINGS

_DAY = 86_400.0
"""How far back what was taken for over is looked for: Alertmanager repeats what fires within a day."""
_BATCH = 500
_SAME_SECONDS = 1.0
"""Webhooks tell times to the nanosecond, Alertmanager's API to the millisecond."""

_Row = Row[tuple[object, ...]]


class Sightings:
    """What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, alertmanager: str) -> frozenset[str]:
        """Return the open incidents of which the Alertmanager at an address has known an alert."""
        with self._database.reading() as connection:
            return frozenset(connection.scalars(_known(alertmanager)))

    def note(self, alertmanager: str, incidents: Iterable[str]) -> None:
        """Note open incidents of which the Alertmanager at an address knows an alert."""
        with self._database.writing(hold="sightings") as connection:
            there = frozenset(connection.scalars(_known(alertmanager)))
            rows = [{"incident": one, "alertmanager": alertmanager} for one in incidents if one not in there]
            if rows:
                connection.execute(insert(SIGHTINGS), rows)

    def taken_for_over(self, active: Mapping[str, float]) -> Sequence[Notification]:
        """Return, by group, the alerts that the pager takes for over although they fire since the same start.

        `active`: {fingerprint: Unix time of its start}. What ended so lately that a webhook of it may be late mail
        (`incident.LATE_SECONDS`) is left for later.
        """
        newest = self._newest(list(active))
        over = [row for row in newest if abs(float(row.starts_at) - active[str(row.fingerprint)]) < _SAME_SECONDS]
        groups: dict[str, list[_Row]] = {}
        for row in over:
            groups.setdefault(str(row.key), []).append(row)
        return [_still(key, rows) for key, rows in groups.items()]

    def _newest(self, fingerprints: Sequence[str]) -> Sequence[_Row]:
        """Return what is last known of alerts in each group that had them within a day, where that is their end."""
        since, found = time.time() - _DAY, dict[tuple[str, str], _Row]()
        columns = (ALERTS, INCIDENTS.c.key, INCIDENTS.c.until, INCIDENTS.c.truncated)
        lately = or_(INCIDENTS.c.until.is_(None), INCIDENTS.c.until > since)
        wanted = select(*columns).join(INCIDENTS, INCIDENTS.c.id == ALERTS.c.incident).where(lately)
        with self._database.reading() as connection:
            moment = self._database.moment(connection)
            for first in range(0, len(fingerprints), _BATCH):
                names = ALERTS.c.fingerprint.in_(fingerprints[first : first + _BATCH])
                for row in connection.execute(wanted.where(names).order_by(ALERTS.c.changed_at)):
                    found[str(row.key), str(row.fingerprint)] = row
        return [row for row in found.values() if not row.firing and moment - row.changed_at >= rules.LATE_SECONDS]


def _known(alertmanager: str) -> Select[str]:
    theirs = (SIGHTINGS.c.alertmanager == alertmanager, INCIDENTS.c.until.is_(None))
    return select(SIGHTINGS.c.incident).join(INCIDENTS, INCIDENTS.c.id == SIGHTINGS.c.incident).where(*theirs)


def _still(key: str, rows: Sequence[_Row]) -> Notification:
    """Return what a webhook would say that tells of these alerts."""
    alerts = tuple(replace(alert_of(row), firing=True, ends_at=None) for row in rows)
    truncated = max((int(row.truncated) for row in rows if row.until is None), default=0)
    return Notification(key=key, alerts=alerts, truncated=truncated, heartbeat=False)
