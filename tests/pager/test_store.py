from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.incident import LATE_SECONDS, Kind
from atlas_ops.pager.store import sqlite
from atlas_ops.pager.store.address import Server
from atlas_ops.pager.store.outbox import LATE_NEWS_SECONDS
from atlas_ops.pager.store.store import Store
from tests.pager.notes import LATER, alert, notification


@pytest.fixture
def store(address: Path | Server) -> Iterator[Store]:
    made = Store(address)
    yield made
    made.close()


def kinds(store: Store, incident: str) -> list[Kind]:
    work = store.incidents.work(incident)
    assert work is not None
    return [event.kind for event in work.events]


def test_an_incident_lasts_from_its_first_alert_to_its_last_resolve(store: Store) -> None:
    assert store.inbox.accept(notification(alert(pod="a")), 1.0)
    assert store.inbox.accept(notification(alert(pod="a"), alert(pod="b")), 2.0)
    (head,) = store.incidents.open()
    assert (head.firing, head.total, head.until) == (2, 2, None)
    assert store.inbox.accept(notification(alert(pod="a", firing=False), alert(pod="b")), 3.0)
    assert store.incidents.open()[0].firing == 1
    assert store.inbox.accept(notification(alert(pod="b", firing=False)), 4.0)
    assert store.incidents.open() == ()
    (resolved,) = store.incidents.recent(10)
    assert resolved.id == head.id
    assert kinds(store, head.id) == [Kind.OPENED, Kind.JOINED, Kind.ENDED, Kind.RESOLVED]


def test_the_same_webhook_twice_changes_nothing(store: Store) -> None:
    assert store.inbox.accept(notification(alert()), 1.0)
    assert not store.inbox.accept(notification(alert()), 2.0)
    assert store.inbox.accept(notification(alert(firing=False)), 3.0)
    assert not store.inbox.accept(notification(alert(firing=False)), 4.0)
    assert not store.inbox.accept(notification(alert()), 5.0)
    assert len(store.incidents.recent(10)) == 1
    assert store.incidents.open() == ()
    assert kinds(store, store.incidents.recent(1)[0].id) == [Kind.OPENED, Kind.RESOLVED]


def test_a_group_that_fires_again_after_its_resolve_is_a_new_incident(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    store.inbox.accept(notification(alert(firing=False)), 2.0)
    store.inbox.accept(notification(alert(starts=LATER)), 3.0)
    assert store.incidents.open()[0].id != store.incidents.recent(1)[0].id
    assert store.incidents.open()[0].total == 1


def test_a_false_resolve_does_not_swallow_the_alert_for_good(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    store.inbox.accept(notification(alert(firing=False)), 2.0)
    store.inbox.accept(notification(alert()), 2.0 + LATE_SECONDS + 1)
    assert len(store.incidents.open()) == 1


def test_groups_are_kept_apart(store: Store) -> None:
    store.inbox.accept(notification(alert(), group="one"), 1.0)
    store.inbox.accept(notification(alert(), group="two"), 2.0)
    assert len({head.id for head in store.incidents.open()}) == 2


def test_an_incident_first_heard_of_when_it_was_over_is_kept_as_resolved(store: Store) -> None:
    assert store.inbox.accept(notification(alert(firing=False)), 1.0)
    assert len(store.incidents.recent(1)) == 1
    assert len(store.outbox.unsent(1795515120.0)) == 1


def test_everything_survives_a_restart(address: Path | Server) -> None:
    store = Store(address)
    store.inbox.accept(notification(alert(pod="a"), alert("Watchdog")), 1.0)
    before = store.incidents.work(store.incidents.open()[0].id)
    store.close()
    again = Store(address)
    assert before == again.incidents.work(again.incidents.open()[0].id)
    assert again.inbox.heartbeat() == 1.0
    again.close()


def test_a_commit_waits_for_the_disk(store: Store) -> None:
    with store._database.reading() as connection:
        if store._database.shared:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        else:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_the_heartbeat_is_kept_and_makes_no_incident(store: Store) -> None:
    assert store.inbox.heartbeat() is None
    assert not store.inbox.accept(notification(alert("Watchdog")), 7.0)
    assert not store.inbox.accept(notification(alert("Watchdog")), 8.0)
    assert store.inbox.heartbeat() == 8.0
    assert store.incidents.open() == ()


def test_what_slack_does_not_show_yet_is_unsent(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    (head,) = store.outbox.unsent(1.0)
    work = store.incidents.work(head.id)
    assert work is not None
    store.outbox.posted(head.id, channel="C1", ts="1.0", digest="d", event=work.events[-1].number)
    store.outbox.done(head.id, revision=work.posting.revision)
    assert store.outbox.unsent(1.0) == ()
    assert store.incidents.open()[0].delivered
    assert store.outbox.channel_id() == "C1"
    store.inbox.accept(notification(alert(pod="b")), 2.0)
    assert len(store.outbox.unsent(2.0)) == 1


def test_what_changed_while_it_was_sent_stays_unsent(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    work = store.incidents.work(store.incidents.open()[0].id)
    assert work is not None
    store.inbox.accept(notification(alert(pod="b")), 2.0)
    store.outbox.done(work.incident.id, revision=work.posting.revision)
    assert len(store.outbox.unsent(2.0)) == 1


def test_what_was_over_long_before_it_could_be_sent_is_not_news(store: Store) -> None:
    store.inbox.accept(notification(alert(firing=False)), 1.0)
    over = store.incidents.recent(1)[0].until
    assert over is not None
    assert len(store.outbox.unsent(over + 60)) == 1
    assert store.outbox.unsent(over + LATE_NEWS_SECONDS + 1) == ()


def test_webhooks_of_many_groups_at_once_are_all_kept(store: Store) -> None:
    def send(number: int) -> None:
        store.inbox.accept(notification(alert(pod=f"p{number}"), group=str(number % 10)), float(number))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.incidents.open()) == 10
    assert sum(head.total for head in store.incidents.open()) == 40


def test_an_alert_named_twice_in_one_webhook_does_no_harm(store: Store) -> None:
    assert store.inbox.accept(notification(alert(fingerprint="x"), alert(fingerprint="x", firing=False)), 1.0)
    assert store.incidents.open() == ()


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "pager.db")
    token = "xoxb-1234567890-abcdefghij"
    store.inbox.accept(notification(alert(owner=token), group=f'{{owner="{token}"}}'), 1.0)
    store.close()
    assert token.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


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
