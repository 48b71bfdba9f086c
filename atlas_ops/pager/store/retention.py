"""Deletes what has been over for long, so that the database does not grow for ever. Called by `pager.cleanup`.

No clock alone makes anything old. The end of an incident is by Alertmanager's clock, or that of a pager; the last change of
its alerts is by `Database.now`: both have to be old. And the time that they are compared with goes on by a day at most in
a round, of which there are one or two in an hour, however many pagers there are and however often they start. So clocks
that jump a year ahead together do not take a year at once, but the oldest day in each round until they are set right;
then this time goes back with them. A pager that was off for a month makes up for it in 30 rounds. What came to an end
while all of these clocks were behind, by more than it is kept, is taken for as old as they said.

What people have still to be told stays, however old: an incident that is open, that Slack shows otherwise than it is, that
has to be told in another way, or that shares a storm with one that is young or that its message has still to tell of. What
Slack never had is not among them: the outbox does not tell such old news (`outbox.LATE_NEWS_SECONDS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, insert, or_, select, update

from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.oncall import PAGER
from atlas_ops.pager.store.tables import (
    ABSENCES,
    ALERTS,
    DEEDS,
    EVENTS,
    HEARTBEATS,
    INCIDENTS,
    SIGHTINGS,
    STORMS,
    TELLINGS,
)
from atlas_ops.pager.store.tellings import State

ROUND_SECONDS = 3600.0
"""How often it is looked for what is old."""
LONGEST_STEP_SECONDS = 86_400.0
"""How far the time by which things are old goes on in a round."""
AT_ONCE = 50
"""Incidents or storms in one transaction."""
ROWS = 1000
"""Alerts, and lines of timelines, in one transaction: webhooks may have to wait for it. One incident may have more alerts."""
_TIME, _ROUND = "retention", "retention round"
"""Heartbeats: the time by which things are old, and when the last round was."""
_TO_BE_TOLD = [state.value for state in (State.DUE, State.OVER_DUE, State.TOLD)]
"""What was told has to be told to be over as well."""
_IN_SLACK = or_(INCIDENTS.c.ts != "", INCIDENTS.c.storm != "")
_UNSENT = and_(INCIDENTS.c.sent_revision < INCIDENTS.c.revision, _IN_SLACK)


class Retention:
    """What a method wrote or deleted is on the disk, or gone from it, when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, keep: float) -> float | None:
        """Begin a round; return the time before which things are old that are kept for so many seconds.

        None when a round, maybe another pager's, began lately.
        """
        with self._database.writing(hold=_TIME) as connection:
            now = self._database.moment(connection)
            last = _noted(connection, _ROUND)
            if last is not None and 0 <= now - last < ROUND_SECONDS / 2:
                return None
            known = _noted(connection, _TIME)
            if known is None:  # a database that is older than this module
                known = connection.scalar(select(func.max(INCIDENTS.c.received_at)))
            time = now if known is None else min(now, float(known) + LONGEST_STEP_SECONDS)
            _note(connection, _ROUND, now)
            _note(connection, _TIME, time)
        return time - keep

    def delete(self, before: float) -> int:
        """Delete some of what was over before a time, in one short transaction; return how many rows, 0 when none are left."""
        with self._database.writing() as connection:
            incidents = _old_incidents(connection, before)
            if incidents:
                return _delete(connection, incidents, (ALERTS, DEEDS, TELLINGS), INCIDENTS)
            storms = _empty_storms(connection, before)
            return _delete(connection, storms, (), STORMS) + _delete_notes(connection, before)


def _old_incidents(connection: Connection, before: float) -> Sequence[str]:
    """Return incidents that can go in one transaction, those that were over first."""
    changed = exists().where(ALERTS.c.incident == INCIDENTS.c.id, ALERTS.c.changed_at >= before)
    untold = exists().where(TELLINGS.c.incident == INCIDENTS.c.id, TELLINGS.c.state.in_(_TO_BE_TOLD))
    alone = INCIDENTS.c.storm.not_in(select(STORMS.c.id).where(~_over(before)))
    old = (INCIDENTS.c.until < before, ~_UNSENT, ~changed, ~untold, alone)
    wanted = select(INCIDENTS.c.id, INCIDENTS.c.total).where(*old).order_by(INCIDENTS.c.until).limit(AT_ONCE)
    rows = connection.execute(wanted.with_for_update(skip_locked=True)).all()
    alerts = accumulate(int(row.total) for row in rows)
    return [str(row.id) for row, count in zip(rows, alerts, strict=True) if count <= ROWS or row is rows[0]]


def _empty_storms(connection: Connection, before: float) -> Sequence[str]:
    members = exists().where(INCIDENTS.c.storm == STORMS.c.id)
    wanted = select(STORMS.c.id).where(_over(before), ~members).limit(AT_ONCE)
    return connection.scalars(wanted.with_for_update(skip_locked=True)).all()


def _over(before: float) -> ColumnElement[bool]:
    """Whether a storm's message has nothing left to tell: it counts its incidents, so they go when none of them is young."""
    young = or_(INCIDENTS.c.until.is_(None), INCIDENTS.c.until >= before, _UNSENT)
    told = and_(STORMS.c.sent_revision >= STORMS.c.revision, STORMS.c.joined_at < before)
    return and_(told, ~exists().where(INCIDENTS.c.storm == STORMS.c.id, young).correlate(STORMS))


def _delete(connection: Connection, names: Sequence[str], theirs: Sequence[Table], table: Table) -> int:
    """Delete incidents or storms with their timelines and what else is theirs; of long timelines only a part."""
    lines = select(EVENTS.c.number).where(EVENTS.c.incident.in_(names)).limit(ROWS)
    gone = connection.execute(delete(EVENTS).where(EVENTS.c.number.in_(lines))).rowcount
    if gone == ROWS:
        return gone
    wanted = [delete(other).where(other.c.incident.in_(names)) for other in theirs]
    wanted.append(delete(table).where(table.c.id.in_(names)))
    return gone + sum(connection.execute(one).rowcount for one in wanted)


def _delete_notes(connection: Connection, before: float) -> int:
    """Delete some of what nobody asks for any more."""
    known = exists().where(INCIDENTS.c.id == SIGHTINGS.c.incident, INCIDENTS.c.until.is_(None))
    sighted = select(SIGHTINGS.c.incident).where(~known).limit(ROWS)
    told = exists().where(INCIDENTS.c.key == ABSENCES.c.key)
    wanted = (
        delete(SIGHTINGS).where(SIGHTINGS.c.incident.in_(sighted)),  # only of what is open it is asked who knows it
        delete(ABSENCES).where(ABSENCES.c.seen, ABSENCES.c.until < before, ~told),
        delete(HEARTBEATS).where(HEARTBEATS.c.name.startswith(PAGER), HEARTBEATS.c.at < before),
    )
    return sum(connection.execute(one).rowcount for one in wanted)


def _noted(connection: Connection, name: str) -> float | None:
    return connection.scalar(select(HEARTBEATS.c.at).where(HEARTBEATS.c.name == name))


def _note(connection: Connection, name: str, at: float) -> None:
    if connection.execute(update(HEARTBEATS).where(HEARTBEATS.c.name == name).values(at=at)).rowcount == 0:
        connection.execute(insert(HEARTBEATS).values(name=name, at=at))
