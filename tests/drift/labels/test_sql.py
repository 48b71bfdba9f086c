"""Labels out of real databases."""

from __future__ import annotations

import functools
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from atlas_ops import postgresql
from atlas_ops.drift.labels.side import Columns
from atlas_ops.drift.labels.sides import read
from atlas_ops.drift.labels.sql import Database
from atlas_ops.errors import DataError, EnvironmentProblem, UsageError
from tests.pager import postgres

COLUMNS = Columns(key="id", value="truth")
ROWS = 150_000
"""More than one batch."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a PostgreSQL server with a table of labels in a schema."""
    with postgres.running() as running:
        there = running.database()
        engine = postgresql.engine(there, name="test", timeout_seconds=30)
        with engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA late"))
            connection.execute(
                text(
                    'CREATE TABLE late."Labels" AS SELECT md5(n::text)::uuid AS id, (n % 3 = 0) AS truth, n::numeric AS amount, '
                    f"'hush-' || n AS word FROM generate_series(1, {ROWS}) AS n"
                )
            )
            connection.execute(text("CREATE SEQUENCE late.counted"))
        engine.dispose()
        yield f"postgresql://{there.user}@/{there.database}?host={there.folder}"


def database(address: str, *, query: str | None = None, table: str | None = None) -> Database:
    return Database(address, query=query, table_name=table, environment={})


def test_a_table_of_postgresql_is_read_in_batches_with_its_uuids_and_truths(server: str, tmp_path: Path) -> None:
    side = read(database(server, table="late.Labels"), COLUMNS, tmp_path / "l", lambda rows: None)
    assert (side.rows, side.different) == (ROWS, {0.0, 1.0})
    assert side.like == f"text of {len(str(uuid.uuid4()))} characters"
    sizes = [batch.num_rows for batch in database(server, table="late.Labels").batches(["id"])]
    assert max(sizes) < ROWS / 2


def test_a_query_of_postgresql_is_read_and_its_numbers_are_numbers(server: str, tmp_path: Path) -> None:
    query = 'SELECT id, amount AS truth FROM late."Labels" WHERE amount <= 10'
    side = read(database(server, query=query), COLUMNS, tmp_path / "l", lambda rows: None)
    assert side.different == set(range(1, 11))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('DELETE FROM late."Labels" RETURNING id, truth', "syntax error"),
        ("SELECT nextval('late.counted') AS id, 1 AS truth", "read-only transaction"),
        ("SELECT id, truth FROM nowhere", 'relation "nowhere" does not exist'),
        ('SELECT id, word::int AS truth FROM late."Labels"', "cannot be converted"),
        ('SELECT id FROM late."Labels"', "no column is called truth"),
    ],
)
def test_what_a_query_does_wrong_is_told_without_any_value(server: str, tmp_path: Path, query: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as told:
        read(database(server, query=query), COLUMNS, tmp_path / "l", lambda rows: None)
    assert "hush" not in str(told.value)


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="does not answer"):
        read(database("postgresql://a@127.0.0.1:1/b", table="t"), COLUMNS, tmp_path / "l", lambda rows: None)


def test_a_file_of_sqlite_is_read_and_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE labels (id INTEGER, truth TEXT)")
        connection.executemany("INSERT INTO labels VALUES (?, ?)", [(1, "yes"), (2, "no"), (3, None)])
    connection.close()
    side = read(database(f"sqlite:///{path}", table="labels"), COLUMNS, tmp_path / "l", lambda rows: None)
    assert (side.rows, side.without_value, set(side.words or ())) == (3, 1, {"yes", "no"})
    with pytest.raises(DataError, match="readonly"):
        list(database(f"sqlite:///{path}", query="DELETE FROM labels RETURNING id, truth").batches(["id", "truth"]))
    with pytest.raises(DataError, match="no such file"):
        database(f"sqlite:///{path}.not", table="labels")
    assert not (tmp_path / "labels.db.not").exists()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of SQLite with two labels."""
    path = tmp_path / "labels.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE labels (id TEXT, truth TEXT)")
        connection.executemany("INSERT INTO labels VALUES (?, ?)", [("a:b", "yes"), (":c", "no")])
    connection.close()
    return path


def test_colons_of_a_query_are_no_parameters(file: Path, tmp_path: Path) -> None:
    query = "SELECT id, truth FROM labels WHERE id IN (':c', 'a:b') AND id <> '12:30:00' AND id <> '\\:d'"
    assert read(database(f"sqlite:///{file}", query=query), COLUMNS, tmp_path / "l", lambda rows: None).rows == 2


def test_a_query_with_two_columns_of_a_name_is_ambiguous(file: Path, tmp_path: Path) -> None:
    query = "SELECT id, truth, 'no' AS truth FROM labels"
    with pytest.raises(DataError, match="several columns are called truth"):
        read(database(f"sqlite:///{file}", query=query), COLUMNS, tmp_path / "l", lambda rows: None)


def test_a_query_attaches_no_other_file(file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="attached"):
        list(database(f"sqlite:///{file}", query=f"ATTACH '{tmp_path}/new.db' AS new").batches(["id"]))
    assert not (tmp_path / "new.db").exists()


def test_a_file_that_another_program_writes_is_told_as_locked(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3.dbapi2, "connect", functools.partial(sqlite3.dbapi2.connect, timeout=0.1))
    writer = sqlite3.connect(file)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(EnvironmentProblem, match="locked by another program"):
        read(database(f"sqlite:///{file}", table="labels"), COLUMNS, tmp_path / "l", lambda rows: None)
    writer.close()


@pytest.mark.parametrize("address", ["mysql://a@b/c", "postgresql://a:hush@b/c", "postgresql://b"])
def test_addresses_that_cannot_be_used_are_refused_without_repeating_a_password(address: str) -> None:
    with pytest.raises(UsageError) as told:
        database(address, table="t")
    assert "hush" not in str(told.value)
