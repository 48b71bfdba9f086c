"""What becomes of the file in which a pager keeps everything: another program's, a damaged one, one that is taken away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.store import sqlite
from atlas_ops.pager.store.store import Store
from tests.pager.notes import alert, notification


@pytest.mark.parametrize("content", [b"hello, this is no database at all" * 100, b"SQLite format 3\x00" + b"x" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(EnvironmentProblem, match=r"notes\.txt"):
        Store(path)
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "grafana.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE alerts (id INTEGER)")
    with pytest.raises(EnvironmentProblem, match="of another program"):
        Store(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("alerts",)]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_takes_nothing_more(tmp_path: Path, replaced: bool) -> None:
    """SQLite goes on with a file that nobody finds again: what it takes is lost with the next start."""
    file = tmp_path / "pager.db"
    with closing(Store(file)) as store:
        store.inbox.accept(notification(alert()), 1.0)
        kept = file.read_bytes()
        file.unlink()
        if replaced:
            file.write_bytes(kept)
        with pytest.raises(EnvironmentProblem, match=r"pager\.db"):
            store.inbox.accept(notification(alert(pod="b"), group="two"), 2.0)
        with pytest.raises(EnvironmentProblem, match="another file"):
            store.check()


@pytest.mark.parametrize("harm", ["cut in half", "overwritten"])
def test_a_damaged_file_is_said_to_be_with_what_to_do(tmp_path: Path, harm: str) -> None:
    file = tmp_path / "pager.db"
    with closing(Store(file)) as store:
        for number in range(50):
            store.inbox.accept(notification(alert(pod=f"p{number}"), group=f"{number}"), 1.0)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if harm == "cut in half" else b"\0" * 4096 + whole[4096:])
    with pytest.raises(EnvironmentProblem) as raised:
        Store(file)
    assert "move it away" in str(raised.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="nowhere"):
        Store(tmp_path / "nowhere" / "pager.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(EnvironmentProblem, match="folder"):
        Store(tmp_path / "folder")


def test_a_second_pager_on_the_same_database_is_refused(tmp_path: Path) -> None:
    first = Store(tmp_path / "pager.db")
    with pytest.raises(EnvironmentProblem, match="another pager"):
        Store(tmp_path / "pager.db")
    first.close()
    Store(tmp_path / "pager.db").close()


def test_a_database_that_is_held_by_another_is_reported_and_used_again_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    store = Store(tmp_path / "pager.db")
    other = sqlite3.connect(tmp_path / "pager.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(EnvironmentProblem, match="locked"):
        store.inbox.accept(notification(alert()), 1.0)
    other.execute("ROLLBACK")
    other.close()
    assert store.inbox.accept(notification(alert()), 2.0)
    store.close()
