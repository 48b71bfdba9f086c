"""Storms: incidents that share one message in Slack. Called by `pager.delivery.storms`, and by the courier as an outbox."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, insert, select, update

from atlas_ops.catalog.model import Severity
from atlas_ops.pager.incident import Kind
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.inbox import tell
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.outbox import Outbox
from atlas_ops.pager.store.rows import posting_of, timeline
from atlas_ops.pager.store.tables import EVENTS, INCIDENTS, STORMS
from atlas_ops.pager.storm import Line, News, Storm, number, ordered, told

MINUTE = 60.0
_NOT_TOLD = INCIDENTS.c.sent_revision < INCIDENTS.c.revision


class Storms(Outbox):
    """The queue of storms' messages, and what storms are made of.

    Of an incident that a storm tells of, `sent_revision` says what the storm's timeline has counted, and `sent_event`
    whether it has counted it at all.
    """

    def __init__(self, database: Database, owner: str) -> None:
        super().__init__(database, owner, STORMS)

    def waiting(self) -> int:
        """Return how many storms Slack does not show as they are, and how many of their incidents are not counted."""
        uncounted = select(func.count()).where(_NOT_TOLD, INCIDENTS.c.storm != "")
        with self._database.reading() as connection:
            count = int(connection.scalar(uncounted) or 0)
        return count + super().waiting()  # in this order: nothing is overlooked that is counted meanwhile

    def current(self, lane: Lane, *, quiet: float) -> str:
        """Return the storm that takes in what is new in a lane; empty when there is none.

        A storm that nothing has joined for `quiet` seconds does so no more.
        """
        now = self._database.now()
        ours = (STORMS.c.target == lane.channel, STORMS.c.open)
        with self._database.reading() as connection:
            row = connection.execute(select(STORMS.c.id, STORMS.c.joined_at, now).where(*ours).limit(1)).one_or_none()
        if row is None:
            return ""
        if 0 <= row[2] - row.joined_at < quiet:
            return str(row.id)
        with self._database.writing() as connection:
            connection.execute(update(STORMS).where(STORMS.c.id == row.id).values(open=False))
        return ""

    def posted_within_a_minute(self, lane: Lane) -> int:
        """Return how many incidents of a lane got a message of their own within the last minute."""
        now, posted = self._database.now(), INCIDENTS.c.posted_at
        wanted = select(func.count()).where(posted > now - MINUTE, posted <= now, *self._incidents(lane))
        with self._database.reading() as connection:
            return int(connection.scalar(wanted) or 0)

    def gather(self, lane: Lane, storm: str) -> str:
        """Put every incident of a lane that waits for its first message into a storm (empty: a new one); return its id.

        What is being sent, or may have been, stays out: it has a message of its own, or will have.
        """
        waiting = (_NOT_TOLD, INCIDENTS.c.ts == "", INCIDENTS.c.attempt_at.is_(None), self._free_incidents())
        outside = (INCIDENTS.c.storm == "", *self._incidents(lane))
        chosen = select(INCIDENTS.c.id).where(*waiting, *outside).with_for_update(skip_locked=True)
        with self._database.writing(hold=f"storm {lane.channel}") as connection:
            storm = storm or self._open(connection, lane)
            joining = update(INCIDENTS).where(INCIDENTS.c.id.in_(chosen))
            joined = connection.execute(joining.values(storm=storm, claimed_by="", failures=0, retry_at=0.0)).rowcount
            if joined:
                connection.execute(update(STORMS).where(STORMS.c.id == storm).values(joined_at=self._database.now()))
        return storm

    def unfolded(self, lane: Lane, *, every: float) -> tuple[str, ...]:
        """Return the storms of a lane whose incidents have changed, and that were not added up for `every` seconds.

        A fault that pages and is new in a storm does not wait.
        """
        now = self._database.now()
        member = INCIDENTS.c.storm == STORMS.c.id
        told_of = INCIDENTS.alias()
        counted = (told_of.c.storm == STORMS.c.id, told_of.c.sent_event > 0)
        same = (*counted, told_of.c.fault == INCIDENTS.c.fault, told_of.c.severity == Severity.PAGE.value)
        fresh = exists().where(
            member,
            _NOT_TOLD,
            INCIDENTS.c.sent_event == 0,
            INCIDENTS.c.severity == Severity.PAGE.value,
            ~exists().where(*same),
        )
        due = (STORMS.c.folded_at <= now - every) | (STORMS.c.folded_at > now) | fresh
        wanted = select(STORMS.c.id).where(STORMS.c.target == lane.channel, exists().where(member, _NOT_TOLD), due)
        with self._database.reading() as connection:
            return tuple(connection.scalars(wanted))

    def fold(self, storm: str) -> None:
        """Add up what has changed in the incidents of a storm into lines of its timeline, which its message tells."""
        changed = update(INCIDENTS).where(INCIDENTS.c.storm == storm, _NOT_TOLD)
        columns = (
            INCIDENTS.c.severity,
            INCIDENTS.c.fault,
            INCIDENTS.c.place,
            INCIDENTS.c.until,
            INCIDENTS.c.sent_event,
        )
        mine = INCIDENTS.c.storm == storm
        with self._database.writing(hold=f"fold {storm}") as connection:
            counted = select(INCIDENTS.c.fault, INCIDENTS.c.severity).where(mine, INCIDENTS.c.sent_event > 0).distinct()
            before = connection.execute(counted).all()
            known = frozenset(row.fault for row in before if row.severity == Severity.PAGE.value)
            now = self._database.now()
            values = {"revision": STORMS.c.revision + 1, "changed_at": time.time(), "folded_at": now}
            connection.execute(update(STORMS).where(STORMS.c.id == storm).values(**values))
            rows = connection.execute(changed.values(sent_revision=INCIDENTS.c.revision).returning(*columns)).all()
            fresh = update(INCIDENTS).where(mine, INCIDENTS.c.sent_event == 0, INCIDENTS.c.sent_revision > 0)
            connection.execute(fresh.values(sent_event=1))
            _call(connection, storm, time.time())
            if before:  # else the message itself tells everything
                tell(connection, storm, told([_news(row) for row in rows], known), time.time())

    def storm(self, storm: str) -> Storm | None:
        """Return a storm with its incidents counted; None when there is none."""
        with self._database.reading() as connection:
            row = connection.execute(select(STORMS).where(STORMS.c.id == storm)).one_or_none()
            if row is None:
                return None
            return Storm(
                id=storm,
                since=float(row.received_at),
                lines=_lines(connection, storm),
                posting=posting_of(row),
                events=timeline(connection, storm)[0],
            )

    def _open(self, connection: Connection, lane: Lane) -> str:
        """Return the open storm of a lane, made if there is none: another pager may have been first."""
        there = select(STORMS.c.id).where(STORMS.c.target == lane.channel, STORMS.c.open).limit(1)
        if (found := connection.scalar(there)) is not None:
            return str(found)
        storm, now = secrets.token_hex(6), time.time()
        times = {"received_at": now, "changed_at": now, "joined_at": self._database.now()}
        connection.execute(insert(STORMS).values(id=storm, target=lane.channel, open=True, revision=0, **times))
        return storm

    def _free_incidents(self) -> ColumnElement[bool]:
        return (INCIDENTS.c.claimed_by.in_(("", self._owner))) | (INCIDENTS.c.claimed_until <= self._database.now())

    # --- what differs between tables ----------------------------------------------------------------------------------

    def _incidents(self, lane: Lane) -> Sequence[ColumnElement[bool]]:
        return (lane.takes(),)

    def _of(self, lane: Lane) -> Sequence[ColumnElement[bool]]:
        return (STORMS.c.target == lane.channel,)

    def _news(self) -> Sequence[ColumnElement[bool]]:
        return ()

    def _ripe(self, patience: float) -> Sequence[ColumnElement[bool]]:
        del patience
        return ()

    def _order(self) -> Sequence[ColumnElement[Any]]:
        return STORMS.c.failures, STORMS.c.changed_at


def _call(connection: Connection, storm: str, now: float) -> None:
    """Let the storm's timeline call whom those of its incidents call, once: nobody reads theirs in Slack."""
    calls = and_(
        EVENTS.c.incident.in_(select(INCIDENTS.c.id).where(INCIDENTS.c.storm == storm)), EVENTS.c.mention != ""
    )
    counted = select(EVENTS.c.mention, func.count().label("count")).where(calls).group_by(EVENTS.c.mention)
    for mention, count in connection.execute(counted.order_by(EVENTS.c.mention)).all():
        told = f"{number(count)} of this storm {'is' if count == 1 else 'are'} escalated to you"
        line = {"incident": storm, "at": now, "kind": Kind.ESCALATED.value, "text": told, "mention": mention}
        connection.execute(insert(EVENTS).values(line))
    connection.execute(update(EVENTS).where(calls).values(mention=""))


def _lines(connection: Connection, storm: str) -> tuple[Line, ...]:
    firing = INCIDENTS.c.until.is_(None)
    columns = (
        INCIDENTS.c.severity,
        INCIDENTS.c.fault,
        func.sum(case((firing, 1), else_=0)).label("firing"),
        func.count().label("total"),
        func.coalesce(func.max(case((firing, INCIDENTS.c.place))), func.max(INCIDENTS.c.place)).label("place"),
    )
    by_fault = select(*columns).where(INCIDENTS.c.storm == storm).group_by(*columns[:2])
    return ordered(
        Line(
            severity=str(row.severity),
            fault=str(row.fault),
            firing=int(row.firing),
            total=int(row.total),
            place=str(row.place),
        )
        for row in connection.execute(by_fault)
    )


def _news(row: Row[tuple[object, ...]]) -> News:
    return News(
        severity=str(row.severity),
        fault=str(row.fault),
        place=str(row.place),
        over=row.until is not None,
        first=int(row.sent_event) == 0,
    )
