"""What is told by other ways than the channel of pages, each of it once. Called by `pager.ways.teller` and `pager.oncall`.

A telling is due until it is told; when its incident is over, that is told, too. One that is no longer of use is withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, insert, or_, select, update

from atlas_ops.catalog.model import Severity
from atlas_ops.pager.incident import Kind
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.inbox import tell
from atlas_ops.pager.store.rows import headline_of
from atlas_ops.pager.store.tables import EVENTS, INCIDENTS, STORMS, TELLINGS
from atlas_ops.pager.ways.telling import Batch, Reason, Telling, Way, key_of, ways_to
from atlas_ops.settings.people import Target

LEASE_SECONDS = 120.0
"""Longer than any way takes to send, or to give up."""
SETTLE_SECONDS = 10.0
"""How long a receiver may still be busy with a message of a pager that was killed."""
MOST = 1000
"""Incidents in one message."""


class State(Enum):
    """How far a telling has come."""

    DUE = "due"
    TOLD = "told"
    OVER_DUE = "over_due"
    """It was told, and the incident is over, which is to be told as well."""
    OVER_TOLD = "over_told"
    WITHDRAWN = "withdrawn"


_NEXT = {State.DUE: State.TOLD, State.OVER_DUE: State.OVER_TOLD}
_PENDING = TELLINGS.c.state.in_([state.value for state in _NEXT])
_ITS_INCIDENT = INCIDENTS.c.id == TELLINGS.c.incident
_OVER = INCIDENTS.c.until.is_not(None)
_IN_SLACK = or_(INCIDENTS.c.ts != "", exists().where(STORMS.c.id == INCIDENTS.c.storm, STORMS.c.ts != ""))
_UNHEARD = (EVENTS.c.incident == INCIDENTS.c.id, EVENTS.c.mention != "", EVENTS.c.number > INCIDENTS.c.sent_event)
"""Calls of somebody in an incident's thread that Slack does not have."""


class Tellings:
    """What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recover(self) -> None:
        """Let go of what a pager had claimed that was killed, when no other pager can have claimed it."""
        if self._database.shared:
            return
        with self._database.writing() as connection:
            now = self._database.now()
            again = case((TELLINGS.c.unsure, now + SETTLE_SECONDS), else_=now)
            connection.execute(update(TELLINGS).where(_PENDING).values(claimed_until=0.0, retry_at=again))

    def tell_of_undelivered(self, target: Target, *, before: float, now: float) -> int:
        """Have a target told of the open pages that Slack does not have, or not what calls somebody in their thread.

        Those that came before a time, and calls from before it; return how many.
        """
        told = exists().where(TELLINGS.c.incident == INCIDENTS.c.id, TELLINGS.c.target == target.name)
        unheard = exists().where(*_UNHEARD, EVENTS.c.at <= before)
        late = or_(and_(INCIDENTS.c.received_at <= before, ~_IN_SLACK), unheard)
        pages = (~_OVER, INCIDENTS.c.severity == Severity.PAGE.value, ~attended(now))
        wanted = select(INCIDENTS.c.id).where(*pages, late, ~told).order_by(INCIDENTS.c.received_at)
        with self._database.reading() as connection:
            incidents = connection.scalars(wanted.limit(MOST)).all()
        if incidents:
            with self._database.writing(hold="tellings") as connection:
                for incident in incidents:
                    add(connection, incident, Reason.SLACK_DOWN, target, now)
        return len(incidents)

    def tell_of(self, incident: str, reason: Reason, target: Target, now: float) -> None:
        """Have a target told of an incident, unless that was done."""
        with self._database.writing(hold="tellings") as connection:
            add(connection, incident, reason, target, now)

    def sweep(self, now: float) -> None:
        """Withdraw what is no longer of use, and make due what tells of the end."""
        taken = and_(_IN_SLACK, ~exists().where(*_UNHEARD))
        of_no_use = or_(_OVER, attended(now), and_(TELLINGS.c.reason == Reason.SLACK_DOWN.value, taken))
        with self._database.writing(hold="tellings") as connection:
            free = TELLINGS.c.claimed_until <= self._database.now()
            _move(connection, State.DUE, State.WITHDRAWN, free, of_no_use)
            fresh = {"batch": "", "unsure": False, "failures": 0, "retry_at": 0.0, "made_at": now}
            _move(connection, State.TOLD, State.OVER_DUE, free, _OVER, **fresh)

    def pending(self) -> tuple[tuple[str, Way], ...]:
        """Return the targets that have to be told something, each with the way."""
        wanted = (
            select(TELLINGS.c.target, TELLINGS.c.way).where(_PENDING).distinct().order_by(*TELLINGS.c["target", "way"])
        )
        with self._database.reading() as connection:
            return tuple((str(row.target), Way(row.way)) for row in connection.execute(wanted))

    def claim(self, target: str, way: Way) -> Batch | None:
        """Take what one message can tell a target, so that no other pager does; None when nothing is due."""
        with self._database.writing(hold="tellings") as connection:
            now = self._database.now()
            mine = and_(_PENDING, TELLINGS.c.target == target, TELLINGS.c.way == way.value)
            due = and_(mine, TELLINGS.c.claimed_until <= now, TELLINGS.c.retry_at <= now)
            order = (TELLINGS.c.batch == "", TELLINGS.c.made_at, TELLINGS.c.key)
            head = connection.execute(select(TELLINGS).where(due).order_by(*order).limit(1)).one_or_none()
            if head is None:
                return None
            same = and_(due, TELLINGS.c.state == head.state, TELLINGS.c.batch == head.batch)
            rows = connection.execute(_with_incident(same).order_by(*order).limit(MOST)).all()
            batch = _batch(head, rows)
            claim = {"batch": batch.id, "unsure": True, "claimed_until": now + LEASE_SECONDS}
            connection.execute(update(TELLINGS).where(_those(batch)).values(claim))
        return batch

    def told(self, batch: Batch, text: str, now: float) -> None:
        """Note that a message was sent; `text` is said in the timelines, unless it told that they are over."""
        before = State.OVER_DUE if batch.over else State.DUE
        done = {"state": _NEXT[before].value, "unsure": False, "problem": "", "claimed_until": 0.0}
        with self._database.writing(hold="tellings") as connection:
            connection.execute(update(TELLINGS).where(_those(batch)).values(done))
            for incident in [] if batch.over else sorted({one.incident.id for one in batch.tellings}):
                row = INCIDENTS.c.id == incident
                connection.execute(
                    update(INCIDENTS).where(row).values(revision=INCIDENTS.c.revision + 1, changed_at=now)
                )
                tell(connection, incident, [(Kind.TOLD, text)], now)

    def failed(self, batch: Batch, problem: str, *, wait: float, unsure: bool) -> None:
        """Note that a message was not sent (or, `unsure`, that it may have been), and is tried again in `wait` seconds."""
        with self._database.writing() as connection:
            again = {"retry_at": self._database.now() + wait, "claimed_until": 0.0, "failures": TELLINGS.c.failures + 1}
            noted = {"problem": problem, "unsure": unsure}
            connection.execute(update(TELLINGS).where(_those(batch)).values(again | noted))

    def withdraw(self, batch: Batch, problem: str) -> None:
        """Note that a message is not sent, for `problem`."""
        gone = {"state": State.WITHDRAWN.value, "problem": problem, "claimed_until": 0.0}
        with self._database.writing() as connection:
            connection.execute(update(TELLINGS).where(_those(batch)).values(gone))

    def problems(self) -> tuple[str, ...]:
        """Return what keeps messages from being sent, each once."""
        wanted = select(TELLINGS.c.problem).where(_PENDING, TELLINGS.c.problem != "").distinct()
        with self._database.reading() as connection:
            return tuple(sorted(connection.scalars(wanted)))


def add(connection: Connection, incident: str, reason: Reason, target: Target, now: float, number: int = 0) -> None:
    """Have a target told of an incident by all its ways, unless that was done. Within a transaction that holds `tellings`."""
    rows = {key_of(incident, reason, number, target.name, way): way for way in ways_to(target)}
    there = set(connection.scalars(select(TELLINGS.c.key).where(TELLINGS.c.key.in_(rows))))
    values = {
        "incident": incident,
        "reason": reason.value,
        "target": target.name,
        "state": State.DUE.value,
        "made_at": now,
    }
    new = [values | {"key": key, "way": way.value} for key, way in rows.items() if key not in there]
    if new:
        connection.execute(insert(TELLINGS), new)


def attended(now: float) -> ColumnElement[bool]:
    """Whether somebody is at an incident: it was acknowledged, or is silenced."""
    silenced = and_(INCIDENTS.c.silenced_until.is_not(None), INCIDENTS.c.silenced_until > now)
    return or_(INCIDENTS.c.acknowledged_by != "", silenced)


def _move(
    connection: Connection,
    old: State,
    new: State,
    free: ColumnElement[bool],
    when: ColumnElement[bool],
    **values: object,
) -> None:
    wanted = and_(TELLINGS.c.state == old.value, free, exists().where(_ITS_INCIDENT, when))
    connection.execute(update(TELLINGS).where(wanted).values(state=new.value, **values))


def _with_incident(wanted: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    columns = (TELLINGS.c.key.label("telling"), TELLINGS.c.reason, TELLINGS.c.unsure, TELLINGS.c.failures)
    return select(INCIDENTS, *columns).join(TELLINGS, _ITS_INCIDENT).where(wanted)


def _batch(head: Row[tuple[object, ...]], rows: Sequence[Row[tuple[object, ...]]]) -> Batch:
    over = head.state == State.OVER_DUE.value
    return Batch(
        id=str(head.batch) or f"{head.key}{'-over' if over else ''}",
        target=str(head.target),
        way=Way(head.way),
        over=over,
        tellings=tuple(_telling(row) for row in rows),
        unsure=bool(head.unsure),
        failures=int(head.failures),
    )


def _telling(row: Row[tuple[object, ...]]) -> Telling:
    return Telling(key=str(row.telling), incident=headline_of(row), reason=Reason(row.reason))


def _those(batch: Batch) -> ColumnElement[bool]:
    keys: Iterable[str] = [telling.key for telling in batch.tellings]
    return TELLINGS.c.key.in_(keys)
