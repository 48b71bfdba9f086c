"""A database that is a file: for one pager. Opened by `pager.store.database`.

WAL mode with `synchronous=FULL`: what was written is on the disk when the transaction ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.store import lock
from atlas_ops.pager.store.tables import METADATA, SCHEMA

BUSY_SECONDS = 5
"""How long to wait for another program that holds the file; below the 10 s after which Alertmanager gives up."""
_DAMAGE = ("malformed", "not a database")
"""What SQLite says of a damaged file."""
_APPLICATION = 0x61746C73
"""`PRAGMA application_id` of our databases ("atls"), so that another program's database is never written to."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Another text after each boot of the machine, with which its monotonic clock begins anew."""
_CLOCK = Table("clock", MetaData(), Column("boot", String, nullable=False), Column("ahead", Float, nullable=False))
"""By how much `Sqlite.now` is ahead of the monotonic clock of a boot."""


class Sqlite:
    """The database in a file, which is locked until `close`."""

    shared = False
    """Whether several pagers may use it at the same time."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._file: tuple[int, int] | None = None
        """Which file it is, by the numbers that the system has for it; None: it may not be there yet."""
        self._writing = threading.Lock()
        self._lock = lock.take(path)
        # The clock of this machine may be set meanwhile; what is planned by this one goes on.
        self._ahead = time.time() - time.monotonic()
        self.engine = _engine(path)

    def close(self) -> None:
        """Let go of the file."""
        self._lock.close()

    def now(self) -> ColumnElement[float]:
        """Return the time by which deliveries are planned, Unix seconds: one that nobody sets, until the machine is booted."""
        return literal(self._ahead + time.monotonic(), Float)

    def there(self) -> None:
        """Raise EnvironmentProblem when the file was moved or deleted: SQLite goes on, with what no start finds again."""
        if self._file is not None and self._file != _file(self._path):
            raise EnvironmentProblem(
                f"the database {self.name} is not there any more, or another file is in its place",
                next_step="put it back, or stop the pager and start it again",
            )

    def advice(self, reason: str) -> str:
        """Return what to do when the file cannot be used for a reason."""
        if any(sign in reason for sign in _DAMAGE):
            return (
                "move it away, with its -wal and -shm, and start anew: Alertmanager tells again what fires; "
                "`sqlite3 FILE .recover` may find the rest"
            )
        return "check that the path is right, that the disk has room and that nothing else holds the file"

    @contextmanager
    def one_writer(self) -> Iterator[None]:
        """Let the writers of this process queue here: SQLite has one at a time, and its own queue is not fair."""
        with self._writing:
            yield

    def hold(self, connection: Connection, what: str) -> None:
        """Nothing else writes while a transaction does."""

    def prepare(self, connection: Connection) -> None:
        """Make the tables; EnvironmentProblem when there are others."""
        application = connection.scalar(text("PRAGMA application_id"))
        schema = connection.scalar(text("PRAGMA user_version"))
        empty = not connection.scalar(text("SELECT count(*) FROM sqlite_master"))
        if not empty and (application, schema) != (_APPLICATION, SCHEMA):
            what = "of another version of atlas-ops" if application == _APPLICATION else "of another program"
            raise EnvironmentProblem(
                f"the database {self.name} is one {what}", next_step="name another file with --database"
            )
        METADATA.create_all(connection)
        self._keep_time(connection)
        connection.execute(text(f"PRAGMA application_id = {_APPLICATION}"))
        connection.execute(text(f"PRAGMA user_version = {SCHEMA}"))
        self._file = _file(self._path)

    def _keep_time(self, connection: Connection) -> None:
        """Go on with the clock of the pager before this one: the time may have been set between the two."""
        boot = _boot()
        _CLOCK.create(connection, checkfirst=True)
        ahead = connection.scalar(select(_CLOCK.c.ahead).where(_CLOCK.c.boot == boot)) if boot else None
        if ahead is not None:
            self._ahead = float(ahead)
            return
        connection.execute(delete(_CLOCK))
        connection.execute(insert(_CLOCK).values(boot=boot, ahead=self._ahead))


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _boot() -> str:
    """Return what names this boot of the machine; empty where nothing does."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    event.listen(engine, "connect", prepare)
    return engine
