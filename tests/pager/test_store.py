from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from atlas_ops.pager.incident import LATE_SECONDS, Kind
from atlas_ops.pager.store import sqlite
from atlas_ops.pager.store.buckets import Rate
from atlas_ops.pager.store.incidents import SHOWN_ALERTS
from atlas_ops.pager.store.lane import Lane, lanes
from atlas_ops.pager.store.outbox import LATE_NEWS_SECONDS
from atlas_ops.pager.store.rows import SHOWN_EVENTS
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import ALERTS, BUCKETS, EVENTS, INCIDENTS
from atlas_ops.postgresql import Server
from tests.pager.lists import open_incidents, past_incidents
from tests.pager.notes import LATER, alert, notification


def kinds(store: Store, incident: str) -> list[Kind]:
    work = store.incidents.work(incident)
    assert work is not None
    return [event.kind for event in work.events]


def grow_old(store: Store, seconds: float) -> None:
    """Let so long pass since every alert changed, by the clock of the database."""
    with store._database.writing() as connection:
        connection.execute(update(ALERTS).values(changed_at=ALERTS.c.changed_at - seconds))


def test_an_incident_lasts_from_its_first_alert_to_its_last_resolve(store: Store) -> None:
    assert store.inbox.accept(notification(alert(pod="a")), 1.0)
    assert store.inbox.accept(notification(alert(pod="a"), alert(pod="b")), 2.0)
    (head,) = open_incidents(store)
    assert (head.firing, head.total, head.until) == (2, 2, None)
    assert store.inbox.accept(notification(alert(pod="a", firing=False), alert(pod="b")), 3.0)
    assert open_incidents(store)[0].firing == 1
    assert store.inbox.accept(notification(alert(pod="b", firing=False)), 4.0)
    assert open_incidents(store) == ()
    (resolved,) = past_incidents(store)
    assert resolved.id == head.id
    assert kinds(store, head.id) == [Kind.OPENED, Kind.JOINED, Kind.ENDED, Kind.RESOLVED]


def test_the_same_webhook_twice_changes_nothing(store: Store) -> None:
    assert store.inbox.accept(notification(alert()), 1.0)
    assert not store.inbox.accept(notification(alert()), 2.0)
    assert store.inbox.accept(notification(alert(firing=False)), 3.0)
    assert not store.inbox.accept(notification(alert(firing=False)), 4.0)
    assert not store.inbox.accept(notification(alert()), 5.0)
    assert len(past_incidents(store)) == 1
    assert open_incidents(store) == ()
    assert kinds(store, past_incidents(store)[0].id) == [Kind.OPENED, Kind.RESOLVED]


def test_a_group_that_fires_again_after_its_resolve_is_a_new_incident(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    store.inbox.accept(notification(alert(firing=False)), 2.0)
    store.inbox.accept(notification(alert(starts=LATER)), 3.0)
    assert open_incidents(store)[0].id != past_incidents(store)[0].id
    assert open_incidents(store)[0].total == 1


def test_a_false_resolve_does_not_swallow_the_alert_for_good(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    store.inbox.accept(notification(alert(firing=False)), 2.0)
    grow_old(store, LATE_SECONDS + 1)
    store.inbox.accept(notification(alert()), 3.0)
    assert len(open_incidents(store)) == 1


def test_late_mail_is_known_as_late_although_the_clock_was_set_meanwhile(store: Store) -> None:
    now = time.time()
    store.inbox.accept(notification(alert()), now)
    store.inbox.accept(notification(alert(firing=False)), now)
    assert not store.inbox.accept(notification(alert()), now + 7200.0)
    assert not store.inbox.accept(notification(alert()), now - 7200.0)
    assert len(past_incidents(store)) == 1


def test_late_mail_is_known_as_late_by_a_pager_that_was_started_under_another_clock(
    address: Path | Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Store(address)) as first:
        first.inbox.accept(notification(alert()), time.time())
        first.inbox.accept(notification(alert(firing=False)), time.time())
    monkeypatch.setattr(time, "time", lambda: time.clock_gettime(time.CLOCK_REALTIME) + 7200.0)
    with closing(Store(address)) as second:
        assert not second.inbox.accept(notification(alert()), time.time())
        assert open_incidents(second) == ()


def test_the_clock_of_a_file_begins_anew_with_each_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ahead() -> float:
        with closing(Store(tmp_path / "pager.db")) as store, store._database.reading() as connection:
            return store._database.moment(connection) - time.monotonic()

    first = ahead()
    monkeypatch.setattr(time, "time", lambda: time.clock_gettime(time.CLOCK_REALTIME) + 7200.0)
    assert ahead() == pytest.approx(first, abs=60)
    (tmp_path / "boot").write_text("another one")
    monkeypatch.setattr(sqlite, "_BOOT", tmp_path / "boot")
    assert ahead() == pytest.approx(first + 7200.0, abs=60)


def test_groups_are_kept_apart(store: Store) -> None:
    store.inbox.accept(notification(alert(), group="one"), 1.0)
    store.inbox.accept(notification(alert(), group="two"), 2.0)
    assert len({head.id for head in open_incidents(store)}) == 2


def test_an_incident_first_heard_of_when_it_was_over_is_kept_as_resolved(store: Store) -> None:
    assert store.inbox.accept(notification(alert(firing=False)), 1.0)
    assert len(past_incidents(store)) == 1
    assert past_incidents(store)[0].firing == 0


def test_everything_survives_a_restart(address: Path | Server) -> None:
    store = Store(address)
    store.inbox.accept(notification(alert(pod="a"), alert("Watchdog")), 1.0)
    before = store.incidents.work(open_incidents(store)[0].id)
    store.close()
    again = Store(address)
    assert before == again.incidents.work(open_incidents(again)[0].id)
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
    assert open_incidents(store) == ()


LANE = Lane(channel="ml-oncall")


def claimed(store: Store) -> str:
    claim = store.outbox.claim(LANE, every=0.0)
    assert claim is not None
    return claim.id


def delivered(store: Store, incident: str) -> None:
    work = store.incidents.work(incident)
    assert work is not None
    store.outbox.posted(incident, channel="C1", ts="1.0", digest="d", event=work.events[-1].number)
    store.outbox.done(incident, revision=work.posting.revision)


def test_what_slack_does_not_show_yet_is_unsent(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    incident = claimed(store)
    delivered(store, incident)
    assert store.outbox.waiting() == 0
    assert store.outbox.claim(LANE, every=0.0) is None
    assert open_incidents(store)[0].delivered
    assert store.outbox.channel_id(LANE) == "C1"
    store.inbox.accept(notification(alert(pod="b")), 2.0)
    assert claimed(store) == incident


def test_what_changed_while_it_was_sent_stays_unsent(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    incident = claimed(store)
    work = store.incidents.work(incident)
    assert work is not None
    store.inbox.accept(notification(alert(pod="b")), 2.0)
    store.outbox.done(incident, revision=work.posting.revision)
    assert claimed(store) == incident


def test_what_was_over_long_before_it_could_be_sent_is_not_news(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.inbox.accept(notification(alert(firing=False)), 1.0)
    over = past_incidents(store)[0].until
    assert over is not None
    monkeypatch.setattr(time, "time", lambda: over + 60)
    assert store.outbox.waiting() == 1
    monkeypatch.setattr(time, "time", lambda: over + LATE_NEWS_SECONDS + 1)
    assert store.outbox.waiting() == 0
    assert store.outbox.claim(LANE, every=0.0) is None


def test_pages_are_claimed_before_tickets_and_what_failed_after_what_did_not(store: Store) -> None:
    for severity in ("ticket", "page", "info"):
        store.inbox.accept(notification(alert(severity=severity), group=severity), 1.0)
    order = [claimed(store) for _ in range(4)]
    severities = {head.id: head.severity for head in open_incidents(store)}
    assert [severities[incident] for incident in order] == ["page", "ticket", "info", "page"]


def test_each_of_two_channels_has_a_lane_of_its_own(store: Store) -> None:
    pages, tickets = lanes("ml-oncall", "ml-tickets")
    store.inbox.accept(notification(alert(severity="ticket")), 1.0)
    assert store.outbox.claim(pages, every=0.0) is None
    assert store.outbox.claim(tickets, every=0.0) is not None
    assert len(lanes("ml-oncall", "ml-oncall")) == len(lanes("ml-oncall")) == 1


def test_what_failed_waits_for_its_next_try_but_not_for_a_clock_that_was_set_back(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    claim = store.outbox.claim(LANE, every=0.0)
    assert claim is not None
    store.outbox.release(claim, seconds=60.0, problem="Slack is away")
    assert store.outbox.claim(LANE, every=0.0) is None
    assert open_incidents(store)[0].problem == "Slack is away"
    with store._database.writing() as connection:
        connection.execute(update(INCIDENTS).values(retry_at=store._database.now() + 3600.0))
    assert store.outbox.claim(LANE, every=0.0) is not None


def test_a_bucket_that_was_emptied_by_a_clock_that_was_ahead_is_full(store: Store) -> None:
    rate = Rate(per_second=0.001, burst=1)
    store.buckets.take("a", rate)
    store.buckets.pause("a", 60.0)
    assert store.buckets.wait("a", rate) > 60
    with store._database.writing() as connection:
        connection.execute(update(BUCKETS).values(at=BUCKETS.c.at + 7200, not_before=BUCKETS.c.not_before + 7200))
    assert store.buckets.wait("a", rate) == 0


def test_a_message_is_not_changed_again_at_once(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    incident = claimed(store)
    delivered(store, incident)
    store.inbox.accept(notification(alert(pod="b")), 2.0)
    assert store.outbox.claim(LANE, every=60.0) is None
    assert store.outbox.claim(LANE, every=0.0) is not None


def test_a_new_incident_waits_for_its_diagnosis_but_not_for_long(store: Store) -> None:
    store.inbox.accept(notification(alert()), time.time())
    assert store.outbox.claim(LANE, every=0.0, patience=60.0) is None
    store.diagnoses.record(open_incidents(store)[0].id, None, time.time())
    assert store.outbox.claim(LANE, every=0.0, patience=60.0) is not None
    store.inbox.accept(notification(alert(), group="old"), time.time() - 61)
    assert store.outbox.claim(LANE, every=0.0, patience=60.0) is not None


def test_of_many_alerts_the_gravest_are_read_and_the_others_counted(store: Store) -> None:
    many = [alert(pod=f"p-{number}", severity="ticket", fingerprint=f"t{number}") for number in range(SHOWN_ALERTS)]
    store.inbox.accept(notification(*many, alert(pod="grave", severity="page"), alert(firing=False)), 1.0)
    work = store.incidents.work(open_incidents(store)[0].id)
    whole = store.incidents.work(open_incidents(store)[0].id, alerts=None)
    assert work is not None
    assert whole is not None
    assert work.incident.lead.place == "grave"
    assert (len(work.incident.alerts), work.incident.truncated) == (SHOWN_ALERTS, 1)
    assert (len(whole.incident.alerts), whole.incident.truncated) == (SHOWN_ALERTS + 2, 0)
    assert work.incident.alerts == whole.incident.alerts[:SHOWN_ALERTS]


def test_of_a_long_timeline_its_beginning_its_calls_and_its_newest_lines_are_read(store: Store) -> None:
    store.inbox.accept(notification(alert()), 1.0)
    [head] = open_incidents(store)
    with store._database.writing() as connection:
        line = {"incident": head.id, "kind": Kind.JOINED.value, "mention": ""}
        lines = [line | {"at": 2.0 + number, "text": f"line {number}"} for number in range(2 * SHOWN_EVENTS)]
        lines[5]["mention"] = "U024BE7LH"
        connection.execute(insert(EVENTS), lines)
    work = store.incidents.work(head.id)
    assert work
    first, call, *newest = work.events
    assert (first.kind, call.text) == (Kind.OPENED, "line 5")
    assert [event.text for event in newest] == [line["text"] for line in lines[-SHOWN_EVENTS:]]
    assert work.events_left_out == SHOWN_EVENTS - 1


def test_a_clock_that_was_set_back_neither_loses_an_incident_nor_opens_it_twice(store: Store) -> None:
    store.inbox.accept(notification(alert()), 7200.0)
    store.inbox.accept(notification(alert(firing=False)), 7201.0)
    store.inbox.accept(notification(alert(starts=LATER)), 60.0)
    assert not store.inbox.accept(notification(alert(starts=LATER)), 61.0)
    assert store.inbox.accept(notification(alert(starts=LATER, firing=False, ends=LATER)), 62.0)
    assert open_incidents(store) == ()
    assert len(past_incidents(store)) == 2
    grow_old(store, LATE_SECONDS + 1)
    assert store.inbox.accept(notification(alert(starts=LATER)), 63.0), "a resolve that was false"


def test_webhooks_of_many_groups_at_once_are_all_kept(store: Store) -> None:
    def send(number: int) -> None:
        store.inbox.accept(notification(alert(pod=f"p{number}"), group=str(number % 10)), float(number))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(open_incidents(store)) == 10
    assert sum(head.total for head in open_incidents(store)) == 40


def test_an_alert_named_twice_in_one_webhook_does_no_harm(store: Store) -> None:
    assert store.inbox.accept(notification(alert(fingerprint="x"), alert(fingerprint="x", firing=False)), 1.0)
    assert open_incidents(store) == ()


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "pager.db")
    token = "xoxb-1234567890-abcdefghij"
    store.inbox.accept(notification(alert(owner=token), group=f'{{owner="{token}"}}'), 1.0)
    store.close()
    assert token.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
