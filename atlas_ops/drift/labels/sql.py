"""Labels out of a database: SQLite or PostgreSQL, read-only, a batch of rows at a time. Called by `cli.drift_labels`.

No message holds a value: what a database says of values that it cannot convert is left out, and so are the parameters of a statement.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from sqlalchemy import URL, Connection, Engine, Row, TableClause, create_engine, event, quoted_name, select, table, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from atlas_ops import postgresql
from atlas_ops.drift.reading.files import ROWS
from atlas_ops.errors import DataError, EnvironmentProblem, UsageError

_SQLITE = "sqlite"
_TIMEOUT_SECONDS = 600.0
_KNOWN = "known are sqlite:////folder/file.db and postgresql://user@db.example.org/database"
_OF_DATA = "22"
"""Class of the errors of PostgreSQL whose messages hold values (data exceptions)."""


def names(address: str) -> bool:
    """Say whether a text is the address of a database and no file."""
    return "://" in address


class Database:
    """A query, or a whole table; UsageError for an address that is none."""

    def __init__(
        self, address: str, *, query: str | None, table_name: str | None, environment: Mapping[str, str]
    ) -> None:
        self.name, self._engine = _opened(address, environment)
        self._query, self._table = query, table_name

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns in batches of rows; DataError when the query fails, EnvironmentProblem when no database answers."""
        try:
            with self._engine.connect() as connection:
                yield from self._read(connection, columns)
        except SQLAlchemyError as error:
            raise self._failed(error) from None
        finally:
            self._engine.dispose()

    def _read(self, connection: Connection, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        if connection.dialect.name != _SQLITE:
            connection = connection.execution_options(postgresql_readonly=True)
        connection = connection.execution_options(stream_results=True, yield_per=ROWS)
        statement = (
            text(_literal(self._query)) if self._query else select(text("*")).select_from(_table(self._table or ""))
        )
        result = connection.execute(statement)
        there = list(result.keys())
        if missing := [name for name in columns if name not in there]:
            raise DataError(
                f"{self.name}: no column is called {', '.join(missing)}", next_step=f"it has {', '.join(there)}"
            )
        if twice := [name for name in columns if there.count(name) > 1]:
            raise DataError(
                f"{self.name}: several columns are called {', '.join(twice)}",
                next_step="name the columns in --query, such as SELECT requests.id, reviews.label FROM ...",
            )
        places = [there.index(name) for name in columns]
        for rows in result.partitions():
            yield _batch(rows, columns, places, self.name)

    def _failed(self, error: SQLAlchemyError) -> Exception:
        if getattr(getattr(error, "orig", None), "sqlite_errorcode", None) in (
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_LOCKED,
        ):
            return EnvironmentProblem(
                f"{self.name} is locked by another program", next_step="try again when it has written, or give a copy"
            )
        if (
            isinstance(error, InterfaceError | OperationalError)
            and not _code(error)
            and self._engine.dialect.name != _SQLITE
        ):
            return EnvironmentProblem(
                f"{self.name} does not answer: {_reason(error)}", next_step="check the address, and that it runs"
            )
        if _code(error)[:2] in ("08", "28", "3D"):
            return EnvironmentProblem(
                f"{self.name} lets nobody in: {_reason(error)}",
                next_step=f"check the address, and {postgresql.PASSWORD}",
            )
        return DataError(f"{self.name}: the query fails: {_reason(error)}", next_step="check --query or --table")


def _opened(address: str, environment: Mapping[str, str]) -> tuple[str, Engine]:
    scheme, _, rest = address.partition("://")
    if scheme in postgresql.SCHEMES:
        server = postgresql.server(address, environment, option="LABELS")
        return str(server), postgresql.engine(server, name="atlas-ops drift labels", timeout_seconds=_TIMEOUT_SECONDS)
    if scheme != _SQLITE:
        raise UsageError(f"LABELS: {scheme}:// is no database that is known", next_step=_KNOWN)
    path = Path(rest.removeprefix("/"))
    if not path.is_file():
        raise DataError(
            f"{path}: no such file", next_step="a path from the root has four slashes: sqlite:////folder/file.db"
        )
    url = URL.create(_SQLITE, database=f"file:{path.absolute()}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(url, hide_parameters=True)
    # A database that a query attaches would not be read-only.
    event.listen(engine, "connect", lambda connection, _: connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0))
    return str(path), engine


def _literal(query: str) -> str:
    """Return a query in which no colon is taken for a parameter; the casts of PostgreSQL are none."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", query)


def _table(name: str) -> TableClause:
    schema, _, bare = name.rpartition(".")
    return table(quoted_name(bare, quote=True), schema=quoted_name(schema, quote=True) if schema else None)


def _batch(
    rows: Sequence[Row[tuple[object, ...]]], columns: Sequence[str], places: Sequence[int], name: str
) -> pa.RecordBatch:
    try:
        arrays = [pa.array([_plain(row[place]) for row in rows]) for place in places]
    except (pa.ArrowException, TypeError, OverflowError):
        raise DataError(
            f"{name}: a column of {', '.join(columns)} holds values of several kinds, or of one that cannot be read",
            next_step="cast it in --query to text, numbers or times",
        ) from None
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _plain(value: object) -> object:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _code(error: SQLAlchemyError) -> str:
    """Return PostgreSQL's code of an error (SQLSTATE); "" without one."""
    details = (
        error.orig.args[0] if isinstance(error, DBAPIError) and error.orig is not None and error.orig.args else None
    )
    return str(details.get("C", "")) if isinstance(details, dict) else ""


def _reason(error: SQLAlchemyError) -> str:
    """Return why, in the database's words where they hold no values."""
    code = _code(error)
    if code.startswith(_OF_DATA):
        return f"a value cannot be converted (SQLSTATE {code})"
    if not isinstance(error, DBAPIError) or error.orig is None:
        return type(error).__name__
    details = error.orig.args[0] if error.orig.args else ""
    return str(details.get("M", code)) if isinstance(details, dict) else str(error.orig).splitlines()[0]
