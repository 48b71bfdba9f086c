"""Diagnoses are made beside the delivery, of every incident, whatever becomes of one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_ops.pager.composer import Composer
from atlas_ops.pager.diagnosis import worker
from atlas_ops.pager.diagnosis.ask import Query
from atlas_ops.pager.diagnosis.verdict import Diagnosis, Standing
from atlas_ops.pager.diagnosis.worker import AT_ONCE, Diagnostician
from atlas_ops.pager.incident import Alert
from atlas_ops.pager.runbooks.placeholder import Values
from atlas_ops.pager.runbooks.values import values
from atlas_ops.pager.store.store import Store
from atlas_ops.prometheus import Point
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, notification
from tests.pager.rig import eventually

BOOK = """\
---
checks:
  - cause: Prompts have become longer
    query: prompts{pod="{{pod}}"}
    when: "> 1"
    evidence: Prompts are {{value}} times as long
---
# QueueBacklog
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "pager.db")
    yield made
    made.close()


@contextmanager
def diagnosing(store: Store, folder: Path, query: Query, *, seconds: float = 5.0) -> Iterator[threading.Event]:
    """Let diagnoses be made; what is returned is set with the first."""
    (folder / "capacity").mkdir(parents=True)
    (folder / "capacity" / "QueueBacklog.md").write_text(BOOK)
    told = threading.Event()
    composer = Composer(runbooks=folder, pager_url="http://pager")
    work = Diagnostician(store, composer, query, told=told.set, seconds=seconds)
    work.start()
    try:
        yield told
    finally:
        work.stop(10)


def page(store: Store, name: str = "QueueBacklog", pod: str = "llama-0") -> str:
    """Take a page, and return its incident."""
    store.inbox.accept(notification(alert(name, pod=pod), group=f"{name} {pod}"), time.time())
    return next(head.id for head in open_incidents(store) if head.fault == name and head.place == pod)


def found(store: Store, incident: str) -> Diagnosis | None:
    work = store.incidents.work(incident)
    return work.incident.diagnosis if work else None


def test_a_page_is_asked_about_with_its_labels_and_the_delivery_is_told(store: Store, tmp_path: Path) -> None:
    asked: list[str] = []

    def query(text: str) -> Sequence[Point]:
        asked.append(text)
        return [Point(labels={}, value=3.0)]

    incident = page(store)
    with diagnosing(store, tmp_path / "books", query) as told:
        assert told.wait(20)
    diagnosis = found(store, incident)
    assert asked == ['prompts{pod="llama-0"}']
    assert diagnosis is not None
    assert [(one.cause, one.told) for one in diagnosis.likely] == [
        ("Prompts have become longer", "Prompts are 3 times as long")
    ]
    assert store.diagnoses.wanted() == ()


def test_a_prometheus_that_hangs_leaves_the_cause_unknown_and_is_not_asked_for_ever(
    store: Store, tmp_path: Path
) -> None:
    over = threading.Event()

    def query(text: str) -> Sequence[Point]:
        over.wait(30)
        return []

    first, second = page(store), page(store, pod="llama-1")
    with diagnosing(store, tmp_path / "books", query, seconds=0.1):
        assert eventually(lambda: store.diagnoses.wanted() == ())
    over.set()
    for incident in (first, second):
        diagnosis = found(store, incident)
        assert diagnosis is not None
        assert [one.standing for one in diagnosis.findings] == [Standing.UNKNOWN]


def test_a_fault_without_checks_is_done_with_and_costs_no_update(store: Store, tmp_path: Path) -> None:
    incident = page(store, "NobodyKnows")
    before = store.incidents.work(incident)
    with diagnosing(store, tmp_path / "books", lambda _: []) as told:
        assert told.wait(20)
    after = store.incidents.work(incident)
    assert store.diagnoses.wanted() == ()
    assert before is not None
    assert after is not None
    assert after.posting.revision == before.posting.revision


def test_an_incident_that_cannot_be_asked_about_keeps_no_other_from_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(lead: Alert) -> Values:
        if lead.place == "odd":
            raise RuntimeError("a bug")
        return values(lead)

    monkeypatch.setattr(worker, "values", broken)
    even, odd = page(store, pod="even"), page(store, pod="odd")  # the newest is asked about first
    with diagnosing(store, tmp_path / "books", lambda _: [Point(labels={}, value=3.0)]):
        assert eventually(lambda: found(store, even) is not None)
    assert found(store, odd) is None
    assert "a bug" in caplog.text


def test_a_few_incidents_are_asked_about_at_once_and_no_more(store: Store, tmp_path: Path) -> None:
    together, lock = threading.Barrier(AT_ONCE), threading.Lock()
    now = most = 0

    def query(text: str) -> Sequence[Point]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(20)  # for as many others
        with lock:
            now -= 1
        return [Point(labels={}, value=3.0)]

    incidents = [page(store, pod=f"llama-{number}") for number in range(3 * AT_ONCE)]
    with diagnosing(store, tmp_path / "books", query, seconds=30.0):
        assert eventually(lambda: store.diagnoses.wanted() == ())
    assert most == AT_ONCE
    diagnoses = [found(store, incident) for incident in incidents]
    assert all(one is not None and one.likely for one in diagnoses)
