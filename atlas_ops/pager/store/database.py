"""The database itself: opened, prepared, read and written. Used by the modules beside this one.

SQLite in WAL mode with `synchronous=FULL`: what was written is on the disk when `writing` is left.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.store import lock
from atlas_ops.pager.store.tables import HEARTBEATS, METADATA

BUSY_SECONDS = 5
"""How long to wait for another program that holds the database; below the 10 s after which Alertmanager gives up."""
_APPLICATION = 0x61746C73
"""`PRAGMA application_id` of our databases ("atls"), so that another program's database is never written to."""
_SCHEMA = 2


class Database:
    """The database at a path; created when it is not there. Raises EnvironmentProblem when it cannot be used."""

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
        with self.reading() as connection:
            connection.execute(select(func.count()).select_from(HEARTBEATS))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Return a connection to read with."""
        with self._reported(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Return a connection whose changes are on the disk when this is left without an error."""
        with self._reported(), self._writing, self._engine.begin() as connection:
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
        METADATA.create_all(connection)
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
