"""When no pager was there, or none could write: noted by the gap in what running pagers write. Called by `pager.oncall.missed`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from atlas_ops.pager.incident import Alert
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.rows import alert_of
from atlas_ops.pager.store.tables import ABSENCES, ALERTS, HEARTBEATS, INCIDENTS
from atlas_ops.pager.store.tellings import attended

_PAGERS = "pagers"
"""Name of the heartbeat of all pagers together: one that is there is enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """A time without a pager, in Unix seconds. `key` is that of the incident that tells what was missed."""

    key: str
    since: float
    until: float


class Absences:
    """What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, now: float, *, gap: float) -> None:
        """Note that a pager is there; when none was for more than `gap` seconds, that is noted as an absence."""
        row = HEARTBEATS.c.name == _PAGERS
        with self._database.writing(hold=_PAGERS) as connection:
            last = connection.scalar(select(HEARTBEATS.c.at).where(row))
            if last is None:
                connection.execute(insert(HEARTBEATS).values(name=_PAGERS, at=now))
                return
            if now - last > gap:
                _add(connection, since=float(last), until=now)
            connection.execute(update(HEARTBEATS).where(row).values(at=now))

    def unseen(self, before: float) -> tuple[Absence, ...]:
        """Return the absences that ended before a time and were not looked at, the first ones first."""
        wanted = select(ABSENCES).where(~ABSENCES.c.seen, ABSENCES.c.until <= before)
        with self._database.reading() as connection:
            return tuple(_absence(row) for row in connection.execute(wanted.order_by(ABSENCES.c.until)))

    def known(self, since: float, until: float) -> Iterator[Alert]:
        """Return the alerts of incidents that fired at any time between the two, by the alerts' own times."""
        ends = ALERTS.c.ends_at
        during = (ALERTS.c.starts_at <= until, or_(ALERTS.c.firing, ends.is_(None), ends >= since))
        with self._database.reading() as connection:
            yield from (alert_of(row) for row in connection.execute(select(ALERTS).where(*during)))

    def acknowledged(self, now: float, *, since: float) -> tuple[tuple[str, Alert], ...]:
        """Return (key, alert) of each open incident that tells what was missed, and that somebody is at.

        Of an absence that ended before `since` also without.
        """
        mine = and_(INCIDENTS.c.key == ABSENCES.c.key, INCIDENTS.c.until.is_(None))
        wanted = (
            select(ALERTS, INCIDENTS.c.key).join(INCIDENTS, INCIDENTS.c.id == ALERTS.c.incident).join(ABSENCES, mine)
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted.where(or_(attended(now), ABSENCES.c.until < since))).all()
        return tuple((str(row.key), alert_of(row)) for row in rows)

    def seen(self, absence: Absence) -> None:
        """Note that what was missed in an absence has been looked for, and told where there was something."""
        with self._database.writing() as connection:
            connection.execute(update(ABSENCES).where(ABSENCES.c.key == absence.key).values(seen=True))


def _add(connection: Connection, *, since: float, until: float) -> None:
    key = hashlib.sha256(f"atlas-pager\naway\n{since:.3f}\n{until:.3f}".encode()).hexdigest()
    connection.execute(insert(ABSENCES).values(key=key, since=since, until=until, seen=False))


def _absence(row: Row[tuple[object, ...]]) -> Absence:
    return Absence(key=str(row.key), since=float(row.since), until=float(row.until))
