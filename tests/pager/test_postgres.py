"""What is different when the database is a server."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops import postgresql
from atlas_ops.cli import main
from atlas_ops.errors import EnvironmentProblem, UsageError
from atlas_ops.pager.store import address
from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import Server
from tests.pager import postgres
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, notification

SECRET = "correct-horse-battery"


@pytest.fixture
def pair(server: postgres.Postgres) -> Iterator[tuple[Store, Store]]:
    """Two pagers on one database."""
    where = server.database()
    one, other = Store(where), Store(where)
    yield one, other
    one.close()
    other.close()


def test_a_path_is_a_file_and_an_address_a_server() -> None:
    assert address.read("atlas-pager.db", {}) == Path("atlas-pager.db")
    there = address.read("postgresql://pager@db.example.org/pager?sslmode=verify-full", {postgresql.PASSWORD: SECRET})
    assert isinstance(there, Server)
    assert (there.host, there.port, there.ssl_mode, there.password) == ("db.example.org", 5432, "verify-full", SECRET)
    socket = address.read("postgresql://pager@/pager?host=/run/postgresql", {})
    assert isinstance(socket, Server)
    assert (socket.folder, str(socket)) == ("/run/postgresql", "postgresql://pager@/run/postgresql/pager")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mysql://pager@db/pager", "no database that the pager knows"),
        ("postgresql://pager@db:port/pager", "cannot be read"),
        ("postgresql://pager@db", "the name of the database is missing"),
        ("postgresql://db/pager", "the user or the name"),
        ("postgresql://pager@db/pager?sslmode=maybe", "unknown sslmode maybe"),
        ("postgresql://pager@db/pager?connect_timeout=1", "unknown option connect_timeout"),
        (f"postgresql://pager:{SECRET}@db/pager", postgresql.PASSWORD),
    ],
)
def test_an_address_that_cannot_be_used_is_explained(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        address.read(text, {})
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_server_that_is_not_there_is_said_without_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(postgresql.PASSWORD, SECRET)
    there = f"postgresql://pager@/pager?host={tmp_path}"
    assert main(["pager", "--listen", "127.0.0.1:0", "--database", there]) == 4
    said = capsys.readouterr().err
    assert f"postgresql://pager@{tmp_path}/pager cannot be used" in said
    assert SECRET not in said


def test_a_wrong_password_or_database_is_said_in_the_servers_words(server: postgres.Postgres) -> None:
    there = dataclasses.replace(server.database(), database="elsewhere", password=SECRET)
    with pytest.raises(EnvironmentProblem, match='database "elsewhere" does not exist') as caught:
        Store(there)
    assert SECRET not in str(caught.value)


def test_the_database_of_another_program_is_left_alone(server: postgres.Postgres) -> None:
    there = server.database()
    store = Store(there)
    with store._database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE atlas_pager")
    store.close()
    with pytest.raises(EnvironmentProblem, match="of another program: it has a table absences"):
        Store(there)


def test_a_database_of_another_version_is_refused(server: postgres.Postgres) -> None:
    there = server.database()
    store = Store(there)
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE atlas_pager SET schema = 1")
    store.close()
    with pytest.raises(EnvironmentProblem, match="of another version"):
        Store(there)


def test_pagers_that_start_at_the_same_moment_make_the_tables_once(server: postgres.Postgres) -> None:
    there, stores = server.database(), list[Store]()
    threads = [threading.Thread(target=lambda: stores.append(Store(there))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert len(stores) == 4


def test_two_pagers_that_hear_of_a_group_at_the_same_moment_open_one_incident(pair: tuple[Store, Store]) -> None:
    """Each group is told to both pagers at once, as a cluster of Alertmanagers does when its members do not agree."""
    together = threading.Barrier(2)
    changed: list[bool] = []

    def hear(store: Store) -> None:
        for number in range(25):
            together.wait(10)
            changed.append(store.inbox.accept(notification(alert(), group=str(number)), time.time()))

    threads = [threading.Thread(target=hear, args=(store,)) for store in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [False] * 25 + [True] * 25
    assert len(open_incidents(pair[0])) == 25


def test_a_server_that_was_away_is_used_again_when_it_is_back(server: postgres.Postgres) -> None:
    store = Store(server.database())
    store.inbox.accept(notification(alert()), time.time())
    server.stop(signal.SIGQUIT)
    with pytest.raises(EnvironmentProblem):
        store.inbox.accept(notification(alert(pod="b"), group="two"), time.time())
    server.start()
    assert store.inbox.accept(notification(alert(pod="b"), group="two"), time.time())
    assert len(open_incidents(store)) == 2
    store.close()
