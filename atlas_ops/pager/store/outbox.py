"""What has to be sent to Slack, and what was. Called by `pager.delivery`; the database is its queue."""

from __future__ import annotations

from sqlalchemy import select, update

from atlas_ops.pager.incident import Headline
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.rows import headline_of
from atlas_ops.pager.store.tables import INCIDENTS

LATE_NEWS_SECONDS = 24 * 3600.0
"""An incident that was over this long ago, and never reached Slack, is not news any more: the console has it."""


class Outbox:
    """The queue of the worker. What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unsent(self, now: float) -> tuple[Headline, ...]:
        """Return the incidents of which Slack does not show the present state, the oldest change first."""
        news = INCIDENTS.c.until.is_(None) | (INCIDENTS.c.ts != "") | (INCIDENTS.c.until > now - LATE_NEWS_SECONDS)
        wanted = select(INCIDENTS).where(INCIDENTS.c.sent_revision < INCIDENTS.c.revision, news)
        with self._database.reading() as connection:
            return tuple(headline_of(row) for row in connection.execute(wanted.order_by(INCIDENTS.c.changed_at)))

    def channel_id(self) -> str:
        """Return the id of the channel that took the newest message; empty when there is none."""
        wanted = select(INCIDENTS.c.channel).where(INCIDENTS.c.channel != "").order_by(INCIDENTS.c.received_at.desc())
        with self._database.reading() as connection:
            return str(connection.scalar(wanted.limit(1)) or "")

    def attempt(self, incident: str, *, at: float | None, event: int = 0) -> None:
        """Note that a message or reply is being sent (`at`: since when), or that none is (None)."""
        self._write(incident, attempt_at=at, attempt_event=event)

    def posted(self, incident: str, *, channel: str, ts: str, digest: str, event: int) -> None:
        """Note that Slack has the first message, which tells everything up to `event`."""
        self._write(incident, channel=channel, ts=ts, digest=digest, sent_event=event, attempt_at=None, problem="")

    def updated(self, incident: str, *, digest: str) -> None:
        """Note that Slack shows the message in its present form."""
        self._write(incident, digest=digest, problem="")

    def replied(self, incident: str, *, event: int) -> None:
        """Note that the thread tells everything up to `event`."""
        self._write(incident, sent_event=event, attempt_at=None, problem="")

    def done(self, incident: str, *, revision: int) -> None:
        """Note that Slack shows everything of a revision."""
        self._write(incident, sent_revision=revision, problem="")

    def lost(self, incident: str) -> None:
        """Note that the message is not in Slack any more, so that it is sent anew."""
        self._write(incident, channel="", ts="", digest="", attempt_at=None)

    def problem(self, incident: str, text: str) -> None:
        """Note why an incident's message is not in Slack."""
        self._write(incident, problem=text)

    def _write(self, incident: str, **values: str | float | None) -> None:
        with self._database.writing() as connection:
            connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident).values(**values))
