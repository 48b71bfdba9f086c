"""Keeps incidents in one SQL database, so that no crash loses a page. The only importer of SQLAlchemy.

Called by `pager.app` (accept, read) and `pager.delivery.worker` (what has to be sent, what was sent). SQLite in WAL mode with
`synchronous=FULL`: what a method wrote is on the disk when it returns. Every method raises EnvironmentProblem when the
database cannot do it.
"""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    JSON,
    URL,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.incident import (
    Alert,
    Change,
    Event,
    Headline,
    Incident,
    Kind,
    Notification,
    Posting,
    Work,
    merge,
    ordered,
)
from atlas_ops.pager.store import lock
from atlas_ops.pager.timeline import add_up, lines, opening

BUSY_SECONDS = 5
"""How long to wait for another program that holds the database; below the 10 s after which Alertmanager gives up."""
LATE_NEWS_SECONDS = 24 * 3600.0
"""An incident that was over this long ago, and never reached Slack, is not news any more: the console has it."""
_APPLICATION = 0x61746C73
"""`PRAGMA application_id` of our databases ("atls"), so that another program's database is never written to."""
_SCHEMA = 1

_METADATA = MetaData()
_INCIDENTS = Table(
    "incidents",
    _METADATA,
    Column("id", String, primary_key=True),
    Column("key", String, nullable=False, index=True),
    Column("fault", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("model", String, nullable=False),
    Column("place", String, nullable=False),
    Column("summary", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float, index=True),
    Column("firing", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("truncated", Integer, nullable=False),
    Column("received_at", Float, nullable=False, index=True),
    Column("heard_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    # Each change counts `revision` up; what Slack shows is `sent_revision`, and the thread tells up to `sent_event`.
    Column("revision", Integer, nullable=False),
    Column("sent_revision", Integer, nullable=False, default=0),
    Column("sent_event", Integer, nullable=False, default=0),
    Column("channel", String, nullable=False, default=""),
    Column("ts", String, nullable=False, default=""),
    Column("digest", String, nullable=False, default=""),
    # Written before a message is sent, cleared after: what it finds here, a restarted pager has to ask Slack about.
    Column("attempt_at", Float),
    Column("attempt_event", Integer, nullable=False, default=0),
    Column("problem", String, nullable=False, default=""),
)
_ALERTS = Table(
    "alerts",
    _METADATA,
    Column("incident", String, primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("firing", Boolean, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("generator_url", String, nullable=False),
    Column("changed_at", Float, nullable=False),
)
_EVENTS = Table(
    "events",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("incident", String, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", String, nullable=False),
)
_HEARTBEATS = Table(
    "heartbeats", _METADATA, Column("name", String, primary_key=True), Column("at", Float, nullable=False)
)


class Store:
    """The database at a path; created when it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._lock = lock.take(path)
        self._engine = _engine(path)
        try:
            with self._reported(), self._engine.begin() as connection:
                self._prepare(connection)
        except EnvironmentProblem:
            self.close()
            raise

    def close(self) -> None:
        """Close the database and let go of it."""
        self._engine.dispose()
        self._lock.close()

    def check(self) -> None:
        """Raise EnvironmentProblem when the database cannot be read."""
        with self._reading() as connection:
            connection.execute(select(func.count()).select_from(_HEARTBEATS))

    def accept(self, notification: Notification, now: float) -> bool:
        """Write what a webhook changes; return whether it changed anything. When this returns, it is on the disk."""
        with self._reported(), self._writing, self._engine.begin() as connection:
            if notification.heartbeat:
                _beat(connection, now)
            return bool(notification.alerts) and _accept(connection, notification, now)

    def heartbeat(self) -> float | None:
        """Return when the last heartbeat came, or None when none ever did."""
        with self._reading() as connection:
            return connection.scalar(select(_HEARTBEATS.c.at))

    def open(self) -> tuple[Headline, ...]:
        """Return the incidents that are not resolved, the newest first."""
        wanted = select(_INCIDENTS).where(_INCIDENTS.c.until.is_(None)).order_by(_INCIDENTS.c.received_at.desc())
        with self._reading() as connection:
            return tuple(_headline(row) for row in connection.execute(wanted))

    def recent(self, limit: int) -> tuple[Headline, ...]:
        """Return the incidents that were resolved last."""
        wanted = select(_INCIDENTS).where(_INCIDENTS.c.until.is_not(None)).order_by(_INCIDENTS.c.until.desc())
        with self._reading() as connection:
            return tuple(_headline(row) for row in connection.execute(wanted.limit(limit)))

    def work(self, incident: str) -> Work | None:
        """Return an incident with its timeline and how far it has come to Slack; None when there is none."""
        with self._reading() as connection:
            row = connection.execute(select(_INCIDENTS).where(_INCIDENTS.c.id == incident)).one_or_none()
            if row is None:
                return None
            alerts = ordered([_alert(found) for found in connection.execute(_alerts_of(incident))])
            events = connection.execute(
                select(_EVENTS).where(_EVENTS.c.incident == incident).order_by(_EVENTS.c.number)
            )
            return Work(
                incident=Incident(headline=_headline(row), alerts=alerts, truncated=int(row.truncated)),
                posting=_posting(row),
                events=tuple(_event(found) for found in events),
            )

    def unsent(self, now: float) -> tuple[Headline, ...]:
        """Return the incidents of which Slack does not show the present state, the oldest change first."""
        news = _INCIDENTS.c.until.is_(None) | (_INCIDENTS.c.ts != "") | (_INCIDENTS.c.until > now - LATE_NEWS_SECONDS)
        wanted = select(_INCIDENTS).where(_INCIDENTS.c.sent_revision < _INCIDENTS.c.revision, news)
        with self._reading() as connection:
            return tuple(_headline(row) for row in connection.execute(wanted.order_by(_INCIDENTS.c.changed_at)))

    def channel_id(self) -> str:
        """Return the id of the channel that took the newest message; empty when there is none."""
        wanted = (
            select(_INCIDENTS.c.channel).where(_INCIDENTS.c.channel != "").order_by(_INCIDENTS.c.received_at.desc())
        )
        with self._reading() as connection:
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
        with self._reported(), self._writing, self._engine.begin() as connection:
            connection.execute(update(_INCIDENTS).where(_INCIDENTS.c.id == incident).values(**values))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._reported(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise EnvironmentProblem(
                f"the database {self._path} cannot be used: {reason}",
                next_step="check that the path is right, that the disk has room and that nothing else holds the file",
            ) from error

    def _prepare(self, connection: Connection) -> None:
        application = connection.scalar(text("PRAGMA application_id"))
        schema = connection.scalar(text("PRAGMA user_version"))
        empty = not connection.scalar(text("SELECT count(*) FROM sqlite_master"))
        if not empty and (application, schema) != (_APPLICATION, _SCHEMA):
            what = "of another version of atlas-ops" if application == _APPLICATION else "of another program"
            raise EnvironmentProblem(
                f"the database {self._path} is one {what}", next_step="name another file with --database"
            )
        _METADATA.create_all(connection)
        connection.execute(text(f"PRAGMA application_id = {_APPLICATION}"))
        connection.execute(text(f"PRAGMA user_version = {_SCHEMA}"))


def _engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    event.listen(engine, "connect", prepare)
    return engine


def _beat(connection: Connection, now: float) -> None:
    if connection.execute(update(_HEARTBEATS).values(at=now)).rowcount == 0:
        connection.execute(insert(_HEARTBEATS).values(name="alertmanager", at=now))


def _accept(connection: Connection, notification: Notification, now: float) -> bool:
    newest = select(_INCIDENTS).where(_INCIDENTS.c.key == notification.key).order_by(_INCIDENTS.c.received_at.desc())
    row = connection.execute(newest.limit(1)).one_or_none()
    known: dict[str, Alert] = {}
    ages: dict[str, float] = {}
    if row is not None:
        for found in connection.execute(_alerts_of(row.id)):
            known[found.fingerprint] = _alert(found)
            ages[found.fingerprint] = now - found.changed_at
        connection.execute(update(_INCIDENTS).where(_INCIDENTS.c.id == row.id).values(heard_at=now))
    change = merge(known, notification.alerts, ages=ages)
    news = row is not None and row.until is None and row.truncated != notification.truncated
    if not change.alerts and not news:
        return False
    if row is not None and row.until is None:
        _change(connection, str(row.id), change, known, notification.truncated, now)
    else:
        _open(connection, notification.key, change, notification.truncated, now)
    return True


def _open(connection: Connection, key: str, change: Change, truncated: int, now: float) -> None:
    incident = secrets.token_hex(6)  # 48 bits: short enough to read out, too many to guess
    values = dataclasses.asdict(add_up(change.alerts, now)) | {"truncated": truncated, "revision": 1}
    times = {"received_at": now, "heard_at": now, "changed_at": now}
    connection.execute(insert(_INCIDENTS).values(id=incident, key=key, **values, **times))
    _write_alerts(connection, incident, change.alerts, now)
    _tell(connection, incident, opening(change), now)


def _change(
    connection: Connection, incident: str, change: Change, known: Mapping[str, Alert], truncated: int, now: float
) -> None:
    _write_alerts(connection, incident, change.alerts, now)
    after = add_up(list({**known, **{alert.fingerprint: alert for alert in change.alerts}}.values()), now)
    values = dataclasses.asdict(after) | {"truncated": truncated, "changed_at": now}
    row = _INCIDENTS.c.id == incident
    connection.execute(update(_INCIDENTS).where(row).values(revision=_INCIDENTS.c.revision + 1, **values))
    _tell(connection, incident, lines(change, after), now)


def _write_alerts(connection: Connection, incident: str, alerts: Sequence[Alert], now: float) -> None:
    if not alerts:
        return
    old = _ALERTS.delete().where(_ALERTS.c.incident == incident, _ALERTS.c.fingerprint == bindparam("old"))
    connection.execute(old, [{"old": alert.fingerprint} for alert in alerts])
    rows = [dataclasses.asdict(alert) | {"incident": incident, "changed_at": now} for alert in alerts]
    connection.execute(insert(_ALERTS), rows)


def _tell(connection: Connection, incident: str, told: Iterable[tuple[Kind, str]], now: float) -> None:
    rows = [{"incident": incident, "at": now, "kind": kind.value, "text": words} for kind, words in told]
    if rows:
        connection.execute(insert(_EVENTS), rows)


def _alerts_of(incident: str) -> Select[tuple[object, ...]]:
    return select(_ALERTS).where(_ALERTS.c.incident == incident)


def _alert(row: Row[tuple[object, ...]]) -> Alert:
    return Alert(
        fingerprint=str(row.fingerprint),
        firing=bool(row.firing),
        starts_at=float(row.starts_at),
        ends_at=None if row.ends_at is None else float(row.ends_at),
        labels=dict(row.labels),
        annotations=dict(row.annotations),
        generator_url=str(row.generator_url),
    )


def _event(row: Row[tuple[object, ...]]) -> Event:
    return Event(number=int(row.number), at=float(row.at), kind=Kind(row.kind), text=str(row.text))


def _headline(row: Row[tuple[object, ...]]) -> Headline:
    return Headline(
        id=str(row.id),
        fault=str(row.fault),
        severity=str(row.severity),
        model=str(row.model),
        place=str(row.place),
        summary=str(row.summary),
        since=float(row.since),
        until=None if row.until is None else float(row.until),
        firing=int(row.firing),
        total=int(row.total),
        heard_at=float(row.heard_at),
        problem=str(row.problem),
        delivered=int(row.sent_revision) >= int(row.revision),
    )


def _posting(row: Row[tuple[object, ...]]) -> Posting:
    return Posting(
        revision=int(row.revision),
        changed_at=float(row.changed_at),
        received_at=float(row.received_at),
        channel=str(row.channel),
        ts=str(row.ts),
        digest=str(row.digest),
        sent_event=int(row.sent_event),
        attempt_at=None if row.attempt_at is None else float(row.attempt_at),
        attempt_event=int(row.attempt_event),
        problem=str(row.problem),
    )
