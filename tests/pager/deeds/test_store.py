"""Deeds in the store, on either kind of database."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from atlas_ops.pager import incident as rules
from atlas_ops.pager.deeds.deed import Act, Deed, Hold
from atlas_ops.pager.incident import Kind
from atlas_ops.pager.store import deeds
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import DEEDS
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, notification

NOW = 1795514460.0


@pytest.fixture
def deed(store: Store) -> Deed:
    store.inbox.accept(notification(alert()), NOW)
    return Deed(key="one", act=Act.ACKNOWLEDGE, incident=open_incidents(store)[0].id, who="jane", at=NOW)


def test_a_deed_is_written_once_with_its_line_and_a_new_revision(store: Store, deed: Deed) -> None:
    before = store.incidents.work(deed.incident)
    assert store.deeds.record(deed, "jane is on it")
    assert not store.deeds.record(deed, "jane is on it")
    after = store.incidents.work(deed.incident)
    assert before
    assert after
    assert after.posting.revision == before.posting.revision + 1
    assert [event.text for event in after.events if event.kind is Kind.ACKNOWLEDGED] == ["jane is on it"]
    with store._database.reading() as connection:
        rows = connection.execute(select(DEEDS)).all()
    assert [(row.key, row.fault, row.kind, row.who, row.at) for row in rows] == [
        ("one", "QueueBacklog", "acknowledge", "jane", NOW)
    ]


@pytest.mark.parametrize("act", [Act.ACKNOWLEDGE, Act.NOT_ACTIONABLE])
def test_of_two_who_say_the_same_at_two_pagers_the_first_stays(store: Store, deed: Deed, act: Act) -> None:
    """Each has looked before the other wrote."""
    assert store.deeds.record(replace(deed, act=act), "jane says so")
    assert not store.deeds.record(replace(deed, act=act, key="two", who="joe"), "joe says so")
    [head] = open_incidents(store)
    assert (head.acknowledged_by, head.not_actionable_by or "jane") == ("jane", "jane")


def test_a_deed_that_another_pager_writes_in_the_same_moment_is_there_already(
    store: Store, deed: Deed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.deeds.record(deed, "jane is on it")
    seen = iter([False])

    def known(connection: Connection, key: str, look: object = deeds.known) -> bool:
        assert callable(look)
        return next(seen, None) is not False and bool(look(connection, key))

    monkeypatch.setattr(deeds, "known", known)
    assert not store.deeds.record(deed, "jane is on it")


def test_a_silence_that_was_changed_meanwhile_is_not_written_over(store: Store, deed: Deed) -> None:
    [seen] = store.deeds.watched()
    assert (seen.incident, seen.hold, len(seen.firing)) == (deed.incident, None, 1)
    hold = Hold(until=NOW + 60, who="jane")
    store.deeds.record(replace(deed, key="two", act=Act.SILENCE), "jane silenced it", hold)
    assert not store.deeds.hold(seen, None, "The silence has ended", NOW)
    [seen] = store.deeds.watched()
    assert seen.hold == hold
    assert store.deeds.hold(seen, None, "The silence has ended", NOW)
    assert store.deeds.watched()[0].hold is None


def test_one_pager_alone_makes_a_chart(store: Store, deed: Deed) -> None:
    assert store.charts.claim(deed.incident, time.time())
    assert not store.charts.claim(deed.incident, time.time())
    store.charts.release(deed.incident)
    assert store.charts.claim(deed.incident, time.time())
    store.charts.record(deed.incident, file="F1", words="a chart", now=time.time())
    work = store.incidents.work(deed.incident)
    assert work
    assert (work.incident.chart, work.incident.chart_words) == ("F1", "a chart")


def test_only_what_fires_since_the_same_start_was_wrongly_taken_for_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later start Alertmanager tells by itself."""
    monkeypatch.setattr(rules, "LATE_SECONDS", 0.0)
    now = time.time()
    store.inbox.accept(notification(alert(fingerprint="a"), alert(pod="b", fingerprint="b"), truncated=3), now)
    [one] = open_incidents(store)
    work = store.incidents.work(one.id)
    assert work
    began = work.incident.lead.starts_at
    assert store.sightings.taken_for_over({"a": began, "b": began}) == []
    ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    store.inbox.accept(notification(alert(fingerprint="a", firing=False, ends=ended), truncated=3), now)
    assert store.sightings.taken_for_over({"a": began + 60, "c": began}) == []
    [told] = store.sightings.taken_for_over({"a": began + 0.4, "b": began})
    assert ([one.fingerprint for one in told.alerts], told.truncated) == (["a"], 3)
    assert store.inbox.accept(told, now)
    assert open_incidents(store)[0].firing == 2
