"""A database on a PostgreSQL server: for pagers that share the work. Opened by `pager.store.database`."""

from __future__ import annotations

import hashlib
import ssl
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
    Integer,
    MetaData,
    Table,
    cast,
    create_engine,
    event,
    extract,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.store.address import Server
from atlas_ops.pager.store.tables import METADATA, SCHEMA

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

    advice = "check that the server runs, that its disk has room, and that the user may create tables in the database"
    shared = True
    """Whether several pagers may use it at the same time."""

    def __init__(self, server: Server) -> None:
        self.name = str(server)
        self.engine = _engine(server)

    def close(self) -> None:
        """Nothing is held between transactions."""

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
    url = URL.create(
        "postgresql+pg8000",
        username=server.user,
        password=server.password or None,
        host=server.host or None,
        port=server.port if server.host else None,
        database=server.database,
    )
    arguments: dict[str, object] = {"timeout": TIMEOUT_SECONDS, "application_name": "atlas-ops pager"}
    if server.folder:
        arguments["unix_sock"] = str(Path(server.folder) / f".s.PGSQL.{server.port}")
    else:
        arguments["ssl_context"] = _tls(server)
    try:
        engine = create_engine(url, connect_args=arguments, pool_pre_ping=True, pool_timeout=TIMEOUT_SECONDS)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            "the driver of PostgreSQL is not installed", next_step="pip install 'atlas-ops[postgres]'"
        ) from error
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for setting in _SESSION:
        cursor.execute(setting)
    cursor.close()
    connection.commit()


def _tls(server: Server) -> ssl.SSLContext | bool | None:
    """Return what pg8000 takes: False for none, None for whatever the server has, True or a context for TLS."""
    match server.ssl_mode:
        case "disable":
            return False
        case "prefer":
            return None
        case "require":
            return True
    try:
        return ssl.create_default_context(cafile=server.ssl_root or None)
    except (OSError, ssl.SSLError) as error:
        raise EnvironmentProblem(
            f"the certificates in {server.ssl_root} cannot be read: {error}", next_step="check sslrootcert"
        ) from error
