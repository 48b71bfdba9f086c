"""The pace of each channel, shared by all pagers: Slack counts what a channel gets, not who sent it.

Called by `pager.delivery`, and by whatever else posts to a channel. The pace is kept in the database rather than split
between pagers, so that one alone has all of it, however many there were before.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.tables import BUCKETS

LONGEST_PAUSE_SECONDS = 300.0
"""What Slack asks to wait is usually below a minute. A longer pause than this was planned by a clock that is set back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """So many messages at once, then so many per second."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class _Level:
    tokens: float
    now: float
    pause: float


class Buckets:
    """One bucket for each channel."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wait(self, channel: str, rate: Rate) -> float:
        """Return how long to wait before the next message; 0 when it may go now."""
        with self._database.reading() as connection:
            level = self._level(connection, channel, rate)
        return max(0.0, level.pause, (1 - level.tokens) / rate.per_second)

    def take(self, channel: str, rate: Rate) -> None:
        """Count a message that goes, whether or not it had to wait: the next one waits for it then."""
        with self._database.writing(hold=f"bucket {channel}") as connection:
            level = self._level(connection, channel, rate)
            _write(connection, channel, tokens=level.tokens - 1, at=level.now)

    def pause(self, channel: str, seconds: float) -> None:
        """Let nothing go for so long: Slack asks for it."""
        with self._database.writing(hold=f"bucket {channel}") as connection:
            now = self._database.moment(connection)
            _write(connection, channel, not_before=now + min(seconds, LONGEST_PAUSE_SECONDS))

    def _level(self, connection: Connection, channel: str, rate: Rate) -> _Level:
        now = self._database.moment(connection)
        row = connection.execute(select(BUCKETS).where(BUCKETS.c.channel == channel)).one_or_none()
        if row is None:
            return _Level(tokens=float(rate.burst), now=now, pause=0.0)
        since = now - float(row.at) if row.at <= now else float("inf")  # the clock was set back
        pause = float(row.not_before) - now
        return _Level(
            tokens=min(float(rate.burst), float(row.tokens) + since * rate.per_second),
            now=now,
            pause=pause if pause <= LONGEST_PAUSE_SECONDS else 0.0,
        )


def _write(connection: Connection, channel: str, **values: float) -> None:
    if connection.execute(update(BUCKETS).where(BUCKETS.c.channel == channel).values(**values)).rowcount == 0:
        first = {"tokens": 0.0, "at": values.get("not_before", 0.0), "not_before": 0.0}
        connection.execute(insert(BUCKETS).values(channel=channel, **(first | values)))
