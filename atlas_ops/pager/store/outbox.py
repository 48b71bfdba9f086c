"""What has to be sent to Slack, and what was. Called by `pager.delivery`; the database is its queue.

Before a pager works on a message it claims it, for a time that it prolongs with every attempt. When it dies, the claim
ends by itself, and another pager, or the same one after its restart, goes on from what was written down.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, case, func, or_, select, update

from atlas_ops.catalog.model import Severity
from atlas_ops.pager.incident import rank
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.tables import INCIDENTS

LATE_NEWS_SECONDS = 24 * 3600.0
"""An incident that was over this long ago, and never reached Slack, is not news any more: the console has it."""
LEASE_SECONDS = 20.0
"""How long a claim lasts: twice as long as one call to Slack may take."""
LONGEST_RETRY_SECONDS = 120.0
"""Nothing waits longer for another try. A later time was planned by a clock that has been set back since."""


class Taken(Exception):
    """Another pager has claimed what this one was working on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """Something to deliver that is ours now. `failures`: tries since the last success, this one included."""

    id: str
    failures: int


class Outbox:
    """The queue of the messages of one table. What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database, owner: str, table: Table) -> None:
        self._database = database
        self._owner = owner
        self._table = table

    def waiting(self) -> int:
        """Return how many messages Slack does not show as they should be."""
        unsent = self._table.c.sent_revision < self._table.c.revision
        with self._database.reading() as connection:
            return int(connection.scalar(select(func.count()).where(unsent, *self._news())) or 0)

    def claim(self, lane: Lane, *, every: float, patience: float = 0.0) -> Claim | None:
        """Claim the most urgent message of a lane that is due; None when there is none.

        `every`: a message that Slack has is not changed again before so many seconds. `patience`: a new incident may wait
        for its diagnosis for so many seconds.
        """
        table, now = self._table, self._database.now()
        due = [
            table.c.sent_revision < table.c.revision,
            or_(table.c.retry_at <= now, table.c.retry_at > now + LONGEST_RETRY_SECONDS),
            or_(table.c.ts == "", table.c.sent_at <= now - every, table.c.sent_at > now),
            self._free(),
            *self._news(),
            *self._of(lane),
            *self._ripe(patience),
        ]
        chosen = select(table.c.id).where(*due).order_by(*self._order()).limit(1).with_for_update(skip_locked=True)
        claimed = {"claimed_by": self._owner, "claimed_until": now + LEASE_SECONDS, "failures": table.c.failures + 1}
        wanted = update(table).where(table.c.id == chosen.scalar_subquery()).values(**claimed)
        with self._database.writing() as connection:
            row = connection.execute(wanted.returning(table.c.id, table.c.failures)).one_or_none()
        return Claim(id=str(row.id), failures=int(row.failures)) if row is not None else None

    def release(self, claim: Claim, *, seconds: float = 0.0, failed: bool = True, problem: str | None = None) -> None:
        """Give a claim back, to be tried again in so many seconds. `problem`: why Slack does not have it."""
        told = {} if problem is None else {"problem": problem}
        failures = claim.failures if failed else claim.failures - 1
        retry_at = self._database.now() + min(seconds, LONGEST_RETRY_SECONDS)
        self._write(claim.id, claimed_by="", failures=failures, retry_at=retry_at, **told)

    def channel_id(self, lane: Lane) -> str:
        """Return the id of the channel that took the newest message of a lane; empty when there is none."""
        channel, newest = self._table.c.channel, self._table.c.posted_at.desc()
        wanted = select(channel).where(channel != "", *self._of(lane)).order_by(newest).limit(1)
        with self._database.reading() as connection:
            return str(connection.scalar(wanted) or "")

    def attempt(self, message: str, *, at: float | None, event: int = 0) -> None:
        """Note that a message, update or reply is being sent (`at`: since when), or that none is (None)."""
        until = self._database.now() + LEASE_SECONDS
        self._write(message, attempt_at=at, attempt_event=event, claimed_until=until)

    def posted(self, message: str, *, channel: str, ts: str, digest: str, event: int) -> None:
        """Note that Slack has the first message, which tells everything up to `event`."""
        now = self._database.now()
        place = {"channel": channel, "ts": ts, "digest": digest, "posted_at": now, "sent_at": now}
        self._write(message, **place, sent_event=event, attempt_at=None, problem="")

    def updated(self, message: str, *, digest: str) -> None:
        """Note in which form Slack shows the message; an empty digest: nobody knows."""
        self._write(message, digest=digest, sent_at=self._database.now(), attempt_at=None, problem="")

    def replied(self, message: str, *, event: int) -> None:
        """Note that the thread tells everything up to `event`."""
        self._write(message, sent_event=event, attempt_at=None, problem="")

    def done(self, message: str, *, revision: int) -> None:
        """Note that Slack shows everything of a revision, and let go of it."""
        self._write(message, sent_revision=revision, problem="", claimed_by="", failures=0, retry_at=0.0)

    def lost(self, message: str) -> None:
        """Note that the message is not in Slack any more, so that it is sent anew."""
        self._write(message, channel="", ts="", digest="", attempt_at=None)

    def abandon(self) -> None:
        """Free what any pager had claimed: for a database that one alone uses, which died with its claims."""
        with self._database.writing() as connection:
            connection.execute(update(self._table).values(claimed_by="", retry_at=0.0))

    def _write(self, message: str, **values: object) -> None:
        """Change what is ours; Taken when it is not any more."""
        row = (self._table.c.id == message, self._table.c.claimed_by == self._owner)
        with self._database.writing() as connection:
            if connection.execute(update(self._table).where(*row).values(**values)).rowcount == 0:
                raise Taken(message)

    def _free(self) -> ColumnElement[bool]:
        now, until = self._database.now(), self._table.c.claimed_until
        ours = self._table.c.claimed_by.in_(("", self._owner))
        return or_(ours, until <= now, until > now + LEASE_SECONDS)

    # --- what differs between tables ----------------------------------------------------------------------------------

    def _of(self, lane: Lane) -> Sequence[ColumnElement[bool]]:
        """Return the conditions on what a lane takes."""
        return (lane.takes(),)

    def _news(self) -> Sequence[ColumnElement[bool]]:
        """Return the conditions on what is told at all, and by a message of its own."""
        late = time.time() - LATE_NEWS_SECONDS
        news = or_(INCIDENTS.c.until.is_(None), INCIDENTS.c.ts != "", INCIDENTS.c.until > late)
        return INCIDENTS.c.storm == "", news

    def _ripe(self, patience: float) -> Sequence[ColumnElement[bool]]:
        """Return the conditions on what need not wait for its diagnosis."""
        now, received = time.time(), INCIDENTS.c.received_at
        diagnosed = or_(INCIDENTS.c.ts != "", INCIDENTS.c.diagnosed_at.is_not(None))
        return (or_(diagnosed, received <= now - patience, received > now),) if patience else ()

    def _order(self) -> Sequence[ColumnElement[Any]]:
        """Return the order of urgency: what has failed comes after what has not, so that one cannot hold up all."""
        grave = case(*((INCIDENTS.c.severity == one.value, rank(one.value)) for one in Severity), else_=len(Severity))
        return INCIDENTS.c.failures, grave, INCIDENTS.c.until.is_not(None), INCIDENTS.c.changed_at
