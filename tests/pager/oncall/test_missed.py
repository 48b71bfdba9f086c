"""Pages that began and ended while no pager was there are told afterwards, in one message, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.http_config import HttpConfig
from atlas_ops.pager.deeds.deed import Act
from atlas_ops.pager.incident import Headline, Kind
from atlas_ops.pager.oncall import missed, untold
from atlas_ops.pager.oncall.missed import Missed, Rhythm
from atlas_ops.pager.store import sqlite
from atlas_ops.pager.store.store import Store
from atlas_ops.prometheus import Point
from tests.pager.alertmanager import alertmanager
from tests.pager.deeds.scene import hearing
from tests.pager.lists import open_incidents, past_incidents
from tests.pager.notes import alert, notification
from tests.pager.oncall.duty import deed
from tests.pager.oncall.ruling import Ruling, ruling
from tests.pager.postgres import Postgres
from tests.pager.rig import eventually

NOW = 1_800_000_000.0
HOUR = 3600.0
QUICK = Rhythm(gap=1.0, settle=5.0, step=1.0)


class Clock:
    """The time of day, which tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now


class Known:
    """What Prometheus knows: (labels, began, ended)."""

    def __init__(self) -> None:
        self.pages: list[tuple[dict[str, str], float, float]] = []
        self.away = False

    def fired(self, fault: str, began: float, ended: float, **labels: str) -> None:
        own = {"alertname": fault, "severity": "page", "alertstate": "firing"}
        self.pages.append((own | labels, began, ended))

    def __call__(self, url: str, *, http_config: HttpConfig | None) -> Known:
        return self

    def query(self, expr: str, *, at: float) -> Sequence[Point]:
        if self.away:
            raise EnvironmentProblem("Prometheus cannot be asked")
        last = expr.startswith("max")
        return [Point(labels=labels, value=ended if last else began) for labels, began, ended in self.pages]

    def close(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(missed, "time", found)
    return found


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    found = Known()
    monkeypatch.setattr(missed, "Prometheus", found)
    return found


def away(job: Missed, clock: Clock, seconds: float = HOUR) -> None:
    """Let the pager be there, then away for so long, and then there again until it looks back."""
    job.round()
    clock.now += seconds
    job.round()
    clock.now += Rhythm().settle
    job.round()


def told(store: Store) -> list[Headline]:
    """Return the open incidents that tell what was missed."""
    return [head for head in open_incidents(store) if head.fault == "PagerDeliveryFailing"]


# --- against the real ones --------------------------------------------------------------------------------------------


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[Ruling]:
    with ruling(tmp_path) as started:
        yield started


def test_a_page_that_begins_and_ends_while_the_pager_is_away_is_told_when_it_is_back(
    tmp_path: Path, rules: Ruling
) -> None:
    with closing(Store(tmp_path / "pager.db")) as store:
        job = Missed(store, rules.prometheus, rhythm=QUICK)

        def faults() -> set[str]:
            return {head.fault for head in (*open_incidents(store), *past_incidents(store))}

        with hearing(store) as webhook, alertmanager(tmp_path, rules.alertmanager, webhook):
            rules.fire("Before")
            job.round()
            assert eventually(lambda: faults() == {"Before"})
        with alertmanager(tmp_path, rules.alertmanager, webhook):  # nobody listens there any more
            rules.fire("Missed", "Lasting")
            rules.fire("Lasting")
        with hearing(store) as webhook, alertmanager(tmp_path, rules.alertmanager, webhook):
            job.round()
            assert eventually(lambda: faults() == {"Before", "Lasting"})

            def looked() -> bool:
                job.round()
                return bool(told(store))

            assert eventually(looked)
            (head,) = told(store)
            assert "a page began and ended: Missed at prod/llama-0 (" in head.summary
            assert faults() == {"Before", "Lasting", "PagerDeliveryFailing"}


# --- what is told -----------------------------------------------------------------------------------------------------


def test_what_incidents_tell_already_is_not_told_again(store: Store, known: Known, clock: Clock) -> None:
    began = "2027-01-15T08:30:00Z"
    store.inbox.accept(notification(alert("QueueBacklog", starts=began, labels={"cluster": "eu"}, pod="a")), NOW)
    known.fired("QueueBacklog", NOW + 1800, NOW + 1860, pod="a")
    known.fired("QueueBacklog", NOW + 1800, NOW + 1860, pod="b")
    away(Missed(store, ""), clock)
    (head,) = told(store)
    assert "a page began and ended: QueueBacklog at b (08:30 to 08:31)" in head.summary


def test_an_incident_that_was_over_before_is_another(store: Store, known: Known, clock: Clock) -> None:
    store.inbox.accept(notification(alert(pod="a", firing=False)), NOW)
    known.fired("QueueBacklog", NOW + 1800, NOW + 1860, pod="a")
    away(Missed(store, ""), clock)
    assert len(told(store)) == 1


@pytest.mark.parametrize("ended", [NOW - 60, NOW + HOUR + 110], ids=["over before", "fires still"])
def test_what_was_over_before_or_fires_still_is_none_of_it(
    store: Store, known: Known, clock: Clock, ended: float
) -> None:
    known.fired("QueueBacklog", NOW - 120, ended)
    away(Missed(store, ""), clock)
    assert told(store) == []


def test_many_are_told_in_one_message_of_bounded_length(store: Store, known: Known, clock: Clock) -> None:
    for number in range(500):
        known.fired("QueueBacklog", NOW + 60 + number, NOW + 1000 + number, pod="p" * 200 + str(number))
    away(Missed(store, ""), clock)
    (head,) = told(store)
    assert head.summary.startswith(
        "While the pager was away (2027-01-15 08:00:00 UTC to 2027-01-15 09:00:00 UTC), 500 "
    )
    assert head.summary.endswith("; and 492 more.")
    assert len(head.summary) < 1200


def test_no_secret_of_a_label_is_told(store: Store, known: Known, clock: Clock) -> None:
    known.fired("QueueBacklog", NOW + 60, NOW + 120, pod="xoxb-1234567890-abcdefghij")
    away(Missed(store, ""), clock)
    assert "[redacted]" in told(store)[0].summary


# --- when and how often -----------------------------------------------------------------------------------------------


def test_a_restart_is_no_absence(store: Store, known: Known, clock: Clock) -> None:
    known.fired("QueueBacklog", NOW + 5, NOW + 10)
    away(Missed(store, ""), clock, seconds=50.0)
    assert told(store) == []


def test_while_one_of_two_pagers_is_there_nothing_is_missed(store: Store, known: Known, clock: Clock) -> None:
    known.fired("QueueBacklog", NOW + 600, NOW + 660)
    first, second = Missed(store, ""), Missed(store, "")
    first.round()
    for _ in range(20):
        clock.now += 50.0
        second.round()
    first.round()
    assert told(store) == []


def test_two_pagers_tell_it_once(server: Postgres, known: Known, clock: Clock) -> None:
    address = server.database()
    known.fired("QueueBacklog", NOW + 600, NOW + 660)
    with closing(Store(address)) as one, closing(Store(address)) as other:
        jobs = [Missed(one, ""), Missed(other, "")]
        for seconds in (0.0, HOUR, Rhythm().settle, 15.0):
            clock.now += seconds
            for job in jobs:
                job.round()
        assert len(told(one)) == 1
        assert len(past_incidents(one)) == 0


def test_a_pager_that_is_killed_after_it_told_does_not_tell_again(
    store: Store, known: Known, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.fired("QueueBacklog", NOW + 600, NOW + 660)
    with monkeypatch.context() as patch:
        patch.setattr(store.absences, "seen", lambda _: None)  # the kill comes before
        away(Missed(store, ""), clock)
    Missed(store, "").round()
    assert len(told(store)) == 1
    assert _kinds(store) == [Kind.OPENED]


def test_what_prometheus_cannot_say_yet_is_told_later_and_that_is_said(
    store: Store, known: Known, clock: Clock
) -> None:
    known.fired("QueueBacklog", NOW + 600, NOW + 660)
    known.away = True
    job = Missed(store, "")
    job._once()
    clock.now += HOUR
    job._once()
    clock.now += Rhythm().settle
    job._once()
    assert job.trouble == "What fired while the pager was away is not known: Prometheus cannot be asked"
    known.away = False
    job._once()
    assert len(told(store)) == 1
    assert job.trouble == ""


def test_what_was_missed_while_the_database_could_not_be_written_is_told(
    tmp_path: Path, known: Known, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    known.fired("QueueBacklog", NOW + 600, NOW + 660)
    with closing(Store(tmp_path / "pager.db")) as store, closing(sqlite3.connect(tmp_path / "pager.db")) as other:
        job = Missed(store, "")
        job.round()
        other.isolation_level = None
        other.execute("BEGIN EXCLUSIVE")
        clock.now += 60.0
        job._once()
        clock.now += HOUR
        assert "locked" in job.problem
        other.execute("ROLLBACK")
        job.round()
        clock.now += Rhythm().settle
        job.round()
        assert len(told(store)) == 1


def test_it_is_over_when_somebody_acknowledges_it_or_after_a_day(store: Store, known: Known, clock: Clock) -> None:
    known.fired("QueueBacklog", NOW + 600, NOW + 660)
    job = Missed(store, "")
    away(job, clock)
    (head,) = told(store)
    job.round()
    assert told(store) != []
    store.deeds.record(deed(Act.ACKNOWLEDGE, head.id), "jane is on it")
    job.round()
    assert told(store) == []
    known.fired("EngineStalled", clock.now + 600, clock.now + 660)
    away(job, clock)
    assert len(told(store)) == 1
    clock.now += untold.DAY + HOUR
    store.absences.beat(clock.now, gap=untold.DAY * 2)
    job.round()
    assert told(store) == []


def test_what_was_missed_long_ago_is_no_news(store: Store, known: Known, clock: Clock) -> None:
    known.away = True
    job = Missed(store, "")
    job._once()
    clock.now += HOUR
    job._once()
    clock.now += untold.DAY + 60
    store.absences.beat(clock.now, gap=2 * untold.DAY)
    job.round()
    assert told(store) == []


def _kinds(store: Store) -> list[Kind]:
    work = store.incidents.work(told(store)[0].id)
    assert work
    return [event.kind for event in work.events]
