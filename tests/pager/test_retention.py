"""What has been over for long is deleted with all that is its own; nothing is that is open, young or has still to be told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, insert, update

from atlas_ops.pager.cleanup import Cleanup
from atlas_ops.pager.incident import Kind
from atlas_ops.pager.store import retention
from atlas_ops.pager.store.absences import Absence
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.search import Wanted
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import ALERTS, EVENTS, HEARTBEATS, INCIDENTS
from atlas_ops.pager.ways.telling import Reason, Way
from atlas_ops.postgresql import Server
from tests.cli.test_pager_console import running
from tests.pager.aging import (
    ANN,
    DAY,
    KEEP,
    LANE,
    NAMES,
    clean,
    deliver,
    full_course,
    hear,
    let_pass,
    rows,
    storm,
    tell,
    tell_storm,
)
from tests.pager.notes import alert, notification
from tests.pager.postgres import Postgres
from tests.pager.rig import eventually


def test_what_is_old_goes_with_everything_that_is_its_own(store: Store) -> None:
    full_course(store)
    store.oncall.present("a pager that is gone")
    store.absences.seen(missed(store, 200.0))
    storm(store)
    assert set(rows(store)) == set(NAMES), "the test leaves something in every table"
    let_pass(store, KEEP + 1)
    clean(store)
    assert rows(store) == {"heartbeats": 1}


def test_what_is_young_stays_whole(store: Store) -> None:
    full_course(store)
    storm(store)
    store.oncall.present("a pager")
    store.absences.seen(missed(store, time.time()))
    before = rows(store)
    let_pass(store, KEEP - 60)
    clean(store)
    del before["sightings"]  # it is asked of open incidents alone who knows them
    assert rows(store) == before


def open_still(store: Store) -> None:
    store.sightings.note("http://alertmanager", [hear(store)])


def not_in_slack_as_it_is(store: Store) -> None:
    deliver(store, hear(store))
    hear(store, firing=False)


def somebody_is_to_be_told(store: Store) -> None:
    incident = hear(store)
    store.tellings.tell_of(incident, Reason.SLACK_DOWN, ANN, time.time())
    batch = store.tellings.claim("ann", Way.EMAIL)
    assert batch
    hear(store, firing=False)  # while the mail is on its way


def somebody_is_to_be_told_of_its_end(store: Store) -> None:
    incident = hear(store)
    store.tellings.tell_of(incident, Reason.SLACK_DOWN, ANN, time.time())
    tell(store)
    hear(store, firing=False)


def shares_a_storm_with_one_that_is_open(store: Store) -> None:
    for group in ("a", "b"):
        hear(store, group=group)
    identity = store.storms.gather(LANE, "")
    hear(store, group="b", firing=False)
    tell_storm(store, identity)


def shares_a_storm_with_one_whose_end_was_not_told(store: Store) -> None:
    shares_a_storm_with_one_that_is_open(store)
    hear(store, group="a", firing=False)


def in_a_storm_that_was_not_told(store: Store) -> None:
    hear(store, firing=False)
    store.storms.fold(store.storms.gather(LANE, ""))


def to_be_told_of_one_in_a_storm(store: Store) -> None:
    incident = hear(store)
    store.tellings.tell_of(incident, Reason.SLACK_DOWN, ANN, time.time())
    identity = store.storms.gather(LANE, "")
    hear(store, firing=False)
    tell_storm(store, identity)


def nobody_looked_for_what_was_missed(store: Store) -> None:
    missed(store, 200.0)


def nobody_has_acknowledged_what_was_missed(store: Store) -> None:
    absence = missed(store, 200.0)
    store.inbox.accept(replace(notification(alert()), key=absence.key), time.time())
    store.absences.seen(absence)


def missed(store: Store, until: float) -> Absence:
    store.absences.beat(until - 100.0, gap=60.0)
    store.absences.beat(until, gap=60.0)
    (absence,) = store.absences.unseen(until)
    return absence


@pytest.mark.parametrize(
    "make",
    [
        open_still,
        not_in_slack_as_it_is,
        somebody_is_to_be_told,
        somebody_is_to_be_told_of_its_end,
        shares_a_storm_with_one_that_is_open,
        shares_a_storm_with_one_whose_end_was_not_told,
        in_a_storm_that_was_not_told,
        to_be_told_of_one_in_a_storm,
        nobody_looked_for_what_was_missed,
        nobody_has_acknowledged_what_was_missed,
    ],
)
def test_what_is_open_or_has_still_to_be_told_stays_however_old(store: Store, make: Callable[[Store], None]) -> None:
    make(store)
    let_pass(store, 10 * KEEP)
    before = rows(store)
    clean(store)
    assert rows(store) == before


def test_a_storm_goes_when_none_of_its_incidents_is_young(store: Store) -> None:
    storm(store)
    let_pass(store, KEEP + 1)
    key = notification(alert(), group="a").key
    with store._database.writing() as connection:
        connection.execute(update(INCIDENTS).where(INCIDENTS.c.key == key).values(until=time.time()))
    before = rows(store)
    clean(store)
    assert rows(store) == before


def test_without_slack_what_is_old_goes_although_slack_never_had_it(store: Store) -> None:
    hear(store, firing=False)
    let_pass(store, KEEP + 1)
    clean(store)
    assert rows(store) == {}


@pytest.mark.parametrize("column", [INCIDENTS.c.until, ALERTS.c.changed_at])
def test_what_one_clock_alone_calls_old_stays(store: Store, column: Column[float]) -> None:
    """Alertmanager's, or a pager's, and that of the database."""
    hear(store, firing=False)
    with store._database.writing() as connection:
        connection.execute(update(column.table).values({column.name: column - 10 * KEEP}))
    before = rows(store)
    clean(store)
    assert rows(store) == before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by all clocks, to be set."""
    now = [time.time()]

    def moment(_: Database, connection: Connection) -> float:
        del connection
        return now[0]

    monkeypatch.setattr(Database, "moment", moment)
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def round_of(store: Store) -> int | None:
    """Return how many rows a round deletes; None when it is not yet time for one."""
    before = store.retention.begin(KEEP)
    return None if before is None else sum(iter(lambda: store.retention.delete(before), 0))


def test_a_jump_of_all_clocks_does_not_delete_what_is_young(address: Path | Server, clock: list[float]) -> None:
    with closing(Store(address)) as store:
        incident = hear(store, firing=False)
        assert round_of(store) == 0
        clock[0] += 10 * KEEP
        for _ in range(200):  # hours
            assert round_of(store) == 0
            clock[0] += retention.ROUND_SECONDS
        assert store.incidents.work(incident)
    clock[0] += 10 * KEEP
    for _ in range(10):
        with closing(Store(address)) as again:
            assert not round_of(again), "nor does a pager that is started again and again"
            assert again.incidents.work(incident)
    clock[0] -= 20 * KEEP
    with closing(Store(address)) as right:
        assert not round_of(right)
        assert right.incidents.work(incident)


def test_a_database_that_knows_no_rounds_yet_does_not_believe_a_clock_that_is_ahead(
    store: Store, clock: list[float]
) -> None:
    incident = hear(store, firing=False)
    clock[0] += 10 * KEEP
    assert round_of(store) == 0
    assert store.incidents.work(incident)


def test_a_pager_that_was_off_for_a_month_makes_up_for_it(store: Store, clock: list[float]) -> None:
    incident = hear(store, firing=False)
    round_of(store)
    let_pass(store, KEEP)
    with store._database.writing() as connection:
        connection.execute(update(HEARTBEATS).values(at=clock[0]))
    clock[0] += 30 * DAY
    for _ in range(31):
        round_of(store)
        clock[0] += retention.ROUND_SECONDS
    assert store.incidents.work(incident) is None


def test_two_pagers_share_one_round(store: Store, clock: list[float]) -> None:
    assert store.retention.begin(KEEP) is not None
    assert store.retention.begin(KEEP) is None
    clock[0] += retention.ROUND_SECONDS
    assert store.retention.begin(KEEP) is not None


def many(store: Store, count: int, alerts: int = 1) -> None:
    """Let so many incidents be over for long."""
    for number in range(count):
        told = [alert(firing=False, pod=str(one)) for one in range(alerts)]
        store.inbox.accept(notification(*told, group=f"old {number}"), time.time())
    let_pass(store, 10 * KEEP)


def test_two_pagers_that_delete_the_same_at_the_same_time_do_no_harm(server: Postgres) -> None:
    address = server.database()
    with closing(Store(address)) as one, closing(Store(address)) as other:
        many(one, 200)
        young = hear(one)
        problems: list[Exception] = []

        def work(store: Store) -> None:
            try:
                clean(store)
            except Exception as error:  # noqa: BLE001 - told to the test
                problems.append(error)

        threads = [threading.Thread(target=work, args=(store,)) for store in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert rows(one) == {"alerts": 1, "events": 1, "incidents": 1}
        assert one.incidents.work(young)


def test_a_webhook_comes_between_one_short_step_and_the_next(store: Store) -> None:
    many(store, 2 * retention.AT_ONCE + 1)
    with store._database.writing() as connection:
        connection.execute(insert(HEARTBEATS).values(name="retention", at=store._database.moment(connection)))
    job, left = Cleanup(store, KEEP), []
    for number in range(3):
        job.step()
        hear(store, group=f"new {number}")
        left.append(rows(store)["incidents"])
    assert left == [retention.AT_ONCE + 2, 3, 3]
    assert len(store.search.page(Wanted(), resolved=False, first=0, limit=10)[1]) == 3


def test_incidents_of_many_alerts_go_one_after_another(store: Store) -> None:
    many(store, 3, alerts=retention.ROWS // 2 + 1)
    assert clean(store) == 3


def test_a_timeline_of_weeks_goes_piece_by_piece(store: Store) -> None:
    incident = hear(store, firing=False)
    line = {"incident": incident, "at": 1.0, "kind": Kind.JOINED.value, "text": "again", "mention": ""}
    with store._database.writing() as connection:
        connection.execute(insert(EVENTS), [line] * (2 * retention.ROWS))
    let_pass(store, KEEP + 1)
    assert clean(store) == 3
    assert rows(store) == {}


def test_the_page_of_what_was_deleted_says_so(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "p.db")) as store:
        old, kept = hear(store, group="old", firing=False), hear(store, group="kept", firing=False)
        with store._database.writing() as connection:
            now = store._database.moment(connection)
            connection.execute(insert(HEARTBEATS).values(name="retention", at=now))
            mine = (update(INCIDENTS).where(INCIDENTS.c.id == old), update(ALERTS).where(ALERTS.c.incident == old))
            connection.execute(mine[0].values(until=now - 3 * DAY))
            connection.execute(mine[1].values(changed_at=now - 3 * DAY))
    settings = "pager: {retention: 2d, heartbeat: {expected: false, reach: false}}"
    with running(tmp_path, "127.0.0.1", settings) as pager:
        assert eventually(lambda: pager.get(f"/incidents/{old}").status_code == 404)
        assert "over for longer than incidents are kept" in pager.get(f"/incidents/{old}").text
        assert pager.get(f"/incidents/{kept}").status_code == 200
