"""Incidents of every kind in a database, and time that passes over them. For `test_retention`."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from sqlalchemy import func, select, update

from atlas_ops.pager.deeds.deed import Act, Deed
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import ABSENCES, ALERTS, HEARTBEATS, INCIDENTS, METADATA, STORMS
from atlas_ops.pager.ways.telling import Reason, Way
from atlas_ops.settings.people import Target
from tests.pager.notes import alert, notification

DAY = 86_400.0
KEEP = 400 * DAY
ANN = Target(name="ann", emails=("ann@example.org",))
LANE = Lane(channel="ml-oncall")


def hear(store: Store, *, group: str = "one", firing: bool = True) -> str:
    """Return the id of the incident of a group, which is told to fire, or to be over just now."""
    ends = datetime.fromtimestamp(time.time(), UTC).isoformat()
    store.inbox.accept(notification(alert(firing=firing, ends=ends), group=group), time.time())
    key = notification(alert(), group=group).key
    with store._database.reading() as connection:
        wanted = select(INCIDENTS.c.id).where(INCIDENTS.c.key == key).order_by(INCIDENTS.c.received_at.desc())
        return str(connection.scalars(wanted).first())


def let_pass(store: Store, seconds: float) -> None:
    """Let everything in the database be older by so much."""
    times = (INCIDENTS.c.until, INCIDENTS.c.received_at, ALERTS.c.changed_at, STORMS.c.joined_at, ABSENCES.c.until)
    with store._database.writing() as connection:
        for column in (*times, HEARTBEATS.c.at):
            connection.execute(update(column.table).values({column.name: column - seconds}))


def clean(store: Store, keep: float = KEEP) -> int:
    """Delete what is older than a time that has passed by every clock; return in how many steps."""
    with store._database.reading() as connection:
        before = store._database.moment(connection) - keep
    return sum(1 for _ in iter(lambda: store.retention.delete(before), 0))


def rows(store: Store) -> dict[str, int]:
    """Return how many rows each table has, of those that have any."""
    with store._database.reading() as connection:
        counted = {name: connection.scalar(select(func.count()).select_from(METADATA.tables[name])) for name in NAMES}
    return {name: int(count) for name, count in counted.items() if count}


NAMES = sorted(set(METADATA.tables) - {"buckets"})


def deliver(store: Store, incident: str) -> None:
    work = store.incidents.work(incident)
    assert work
    assert store.outbox.claim(LANE, every=0.0)
    store.outbox.posted(incident, channel="C1", ts="1.0", digest="d", event=work.events[-1].number)
    store.outbox.done(incident, revision=work.posting.revision)


def tell(store: Store) -> None:
    store.tellings.sweep(time.time())
    batch = store.tellings.claim("ann", Way.EMAIL)
    assert batch
    store.tellings.told(batch, "Told", time.time())


def full_course(store: Store) -> str:
    """Let an incident happen that leaves something in every table; return its id."""
    incident = hear(store)
    store.sightings.note("http://alertmanager", [incident])
    store.tellings.tell_of(incident, Reason.SLACK_DOWN, ANN, time.time())
    tell(store)
    store.deeds.record(Deed(key="k", act=Act.ACKNOWLEDGE, incident=incident, who="jane", at=1.0), "jane is on it")
    hear(store, firing=False)
    tell(store)
    deliver(store, incident)
    return incident


def storm(store: Store) -> str:
    """Let two incidents happen in a storm, which Slack has; return its id."""
    for group in ("a", "b"):
        hear(store, group=group)
    identity = store.storms.gather(LANE, "")
    hear(store, group="a", firing=False)
    hear(store, group="b", firing=False)
    tell_storm(store, identity)
    return identity


def tell_storm(store: Store, identity: str) -> None:
    store.storms.fold(identity)
    found = store.storms.storm(identity)
    assert found
    assert store.storms.claim(LANE, every=0.0)
    store.storms.posted(identity, channel="C1", ts="2.0", digest="d", event=0)
    store.storms.done(identity, revision=found.posting.revision)
