"""A database on a PostgreSQL server: for pagers that share the work. Opened by `pager.store.database`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    Table,
    cast,
    event,
    extract,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from atlas_ops import postgresql
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.store.tables import METADATA, SCHEMA
from atlas_ops.postgresql import Server

TIMEOUT_SECONDS = 5
"""How long to wait for the server; below the 10 s after which Alertmanager gives up."""
_MARK = Table("atlas_pager", MetaData(), Column("schema", Integer, nullable=False))
"""Says that the tables are ours, and of which version."""
# A pager that died in the middle of something must not keep the others waiting for long.
_SESSION = (
    "SET synchronous_commit = on",
    f"SET statement_timeout = '{TIMEOUT_SECONDS}s'",
    f"SET idle_in_transaction_session_timeout = '{2 * TIMEOUT_SECONDS}s'",
)


class Postgres:
    """The database on a server."""

    shared = True
    """Whether several pagers may use it at the same time."""

    def __init__(self, server: Server) -> None:
        self.name = str(server)
        self.engine = _engine(server)

    def close(self) -> None:
        """Nothing is held between transactions."""

    def there(self) -> None:
        """Raise nothing: the server itself says what is not there."""

    def advice(self, reason: str) -> str:
        """Return what to do when the database cannot be used."""
        del reason
        return "check that the server runs, that its disk has room, and that the user may create tables in the database"

    def now(self) -> ColumnElement[float]:
        """Return the time by which deliveries are planned, Unix seconds: the server's, for all pagers the same."""
        return cast(extract("epoch", func.clock_timestamp()), Float)

    @contextmanager
    def one_writer(self) -> Iterator[None]:
        """Let writers write at the same time; they wait for each other where they must, see `hold`."""
        yield

    def hold(self, connection: Connection, what: str) -> None:
        """Wait until nobody else holds `what`, in any pager, and hold it to the end of the transaction."""
        number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(number)))

    def prepare(self, connection: Connection) -> None:
        """Make the tables; EnvironmentProblem when there are others."""
        self.hold(connection, "schema")
        there = set(inspect(connection).get_table_names())
        if _MARK.name not in there:
            if taken := sorted(there & set(METADATA.tables)):
                raise self._foreign(f"of another program: it has a table {taken[0]}")
            _MARK.create(connection)
            connection.execute(insert(_MARK).values(schema=SCHEMA))
        elif connection.scalar(select(_MARK.c.schema)) != SCHEMA:
            raise self._foreign("of another version of atlas-ops")
        METADATA.create_all(connection)

    def _foreign(self, what: str) -> EnvironmentProblem:
        return EnvironmentProblem(f"the database {self.name} is one {what}", next_step="name another with --database")


def _engine(server: Server) -> Engine:
    engine = postgresql.engine(server, name="atlas-ops pager", timeout_seconds=TIMEOUT_SECONDS)
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for setting in _SESSION:
        cursor.execute(setting)
    cursor.close()
    connection.commit()
