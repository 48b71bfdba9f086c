"""The database itself: opened, read and written. Used by the modules beside this one.

What was written is on the disk when `writing` is left, on either kind: a file (`sqlite`) or a server (`postgresql`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.store.postgresql import Postgres
from atlas_ops.pager.store.sqlite import Sqlite
from atlas_ops.pager.store.tables import HEARTBEATS
from atlas_ops.postgresql import Server


class Database:
    """The database at an address; its tables are made when they are not there.

    Everything raises EnvironmentProblem when the database cannot be used.
    """

    def __init__(self, address: Path | Server) -> None:
        self._kind = Postgres(address) if isinstance(address, Server) else Sqlite(address)
        try:
            with self._reported(), self._kind.engine.begin() as connection:
                self._kind.prepare(connection)
        except EnvironmentProblem:
            self.close()
            raise

    @property
    def shared(self) -> bool:
        """Whether other pagers may use it at the same time."""
        return self._kind.shared

    def close(self) -> None:
        """Close the database and let go of it."""
        self._kind.engine.dispose()
        self._kind.close()

    def check(self) -> None:
        """Raise EnvironmentProblem when the database cannot be read."""
        self._kind.there()
        with self.reading() as connection:
            connection.execute(select(func.count()).select_from(HEARTBEATS))

    def now(self) -> ColumnElement[float]:
        """Return the time by which deliveries are planned, Unix seconds, the same for everybody who uses the database."""
        return self._kind.now()

    def moment(self, connection: Connection) -> float:
        """Return what `now` is at this moment."""
        return float(connection.scalar(select(self.now())) or 0.0)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Return a connection to read with."""
        with self._reported(), self._kind.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, hold: str = "") -> Iterator[Connection]:
        """Return a connection whose changes are on the disk when this is left without an error.

        Who reads something and writes what follows from it names it in `hold`: nobody else, in any pager, is inside
        with the same name meanwhile.
        """
        self._kind.there()
        with self._reported(), self._kind.one_writer(), self._kind.engine.begin() as connection:
            if hold:
                self._kind.hold(connection, hold)
            yield connection

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = _reason(error)
            raise EnvironmentProblem(
                f"the database {self._kind.name} cannot be used: {reason}", next_step=self._kind.advice(reason)
            ) from error


def _reason(error: SQLAlchemyError) -> str:
    """Return what the driver says, without the statement and its values."""
    said: BaseException | None = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first = said
    while said is not None:
        # What a server said hides behind "network error" where it hung up at once.
        if said.args and isinstance(said.args[0], dict):
            return str(said.args[0].get("M", ""))
        said = said.__context__
    return str(first)
