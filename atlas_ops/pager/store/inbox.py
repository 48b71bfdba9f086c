"""What webhooks change: takes them in, opens incidents, and writes their timelines. Called by `pager.app`."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, insert, select, update

from atlas_ops.pager.incident import Alert, Change, Kind, Notification, merge, rank
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.rows import alert_of, alerts_of
from atlas_ops.pager.store.tables import ALERTS, EVENTS, HEARTBEATS, INCIDENTS
from atlas_ops.pager.timeline import add_up, lines, opening

_BATCH = 1000
_ALERTMANAGER = "alertmanager"


@dataclass(frozen=True, kw_only=True, slots=True)
class _When:
    """When a webhook came: by the clock of this machine, and by `Database.now`, which nobody sets and all pagers share."""

    at: float
    moment: float


class Inbox:
    """Takes webhooks. What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, notification: Notification, now: float) -> bool:
        """Write what a webhook changes; return whether it changed anything. When this returns, it is on the disk."""
        # Two Alertmanagers may tell two pagers of one group at the same moment.
        with self._database.writing(hold=notification.key) as connection:
            if notification.heartbeat:
                _beat(connection, now)
            when = _When(at=now, moment=self._database.moment(connection))
            return bool(notification.alerts) and _accept(connection, notification, when)

    def heartbeat(self) -> float | None:
        """Return when Alertmanager's last heartbeat came, or None when none ever did."""
        with self._database.reading() as connection:
            return connection.scalar(select(HEARTBEATS.c.at).where(HEARTBEATS.c.name == _ALERTMANAGER))


def _beat(connection: Connection, now: float) -> None:
    row = HEARTBEATS.c.name == _ALERTMANAGER
    if connection.execute(update(HEARTBEATS).where(row).values(at=now)).rowcount == 0:
        connection.execute(insert(HEARTBEATS).values(name=_ALERTMANAGER, at=now))


def _accept(connection: Connection, notification: Notification, when: _When) -> bool:
    row = _newest(connection, notification.key)
    known: dict[str, Alert] = {}
    ages: dict[str, float] = {}
    if row is not None:
        for found in connection.execute(alerts_of(row.id)):
            known[found.fingerprint] = alert_of(found)
            ages[found.fingerprint] = abs(when.moment - found.changed_at)
        connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == row.id).values(heard_at=when.at))
    change = merge(known, notification.alerts, ages=ages)
    news = row is not None and row.until is None and row.truncated != notification.truncated
    if not change.alerts and not news:
        return False
    if row is not None and row.until is None:
        _change(connection, str(row.id), notification, change, known, when)
    else:
        _open(connection, notification.key, change, notification.truncated, when)
    return True


def _newest(connection: Connection, key: str) -> Row[tuple[object, ...]] | None:
    """Return the incident of a group that is open, else the last one; by the alerts' own times, which all pagers share."""
    order = (INCIDENTS.c.until.is_not(None), INCIDENTS.c.since.desc(), INCIDENTS.c.received_at.desc())
    return connection.execute(select(INCIDENTS).where(INCIDENTS.c.key == key).order_by(*order).limit(1)).one_or_none()


def _open(connection: Connection, key: str, change: Change, truncated: int, when: _When) -> None:
    now = when.at
    incident = secrets.token_hex(6)  # 48 bits: short enough to read out, too many to guess
    values = dataclasses.asdict(add_up(change.alerts, now)) | {"truncated": truncated, "revision": 1}
    times = {"received_at": now, "heard_at": now, "changed_at": now}
    connection.execute(insert(INCIDENTS).values(id=incident, key=key, **values, **times))
    _write_alerts(connection, incident, change.alerts, frozenset(), when)
    tell(connection, incident, opening(change), now)


def _change(
    connection: Connection,
    incident: str,
    told: Notification,
    change: Change,
    known: Mapping[str, Alert],
    when: _When,
) -> None:
    now = when.at
    after = add_up(list({**known, **{alert.fingerprint: alert for alert in change.alerts}}.values()), now)
    values = dataclasses.asdict(after) | {"truncated": told.truncated, "changed_at": now}
    row = INCIDENTS.c.id == incident
    connection.execute(update(INCIDENTS).where(row).values(revision=INCIDENTS.c.revision + 1, **values))
    _write_alerts(connection, incident, change.alerts, known.keys(), when)
    tell(connection, incident, lines(change, after, told.guess), now)


def _write_alerts(connection: Connection, incident: str, alerts: Sequence[Alert], known: Set[str], when: _When) -> None:
    old = [alert.fingerprint for alert in alerts if alert.fingerprint in known]
    for first in range(0, len(old), _BATCH):
        names = ALERTS.c.fingerprint.in_(old[first : first + _BATCH])
        connection.execute(delete(ALERTS).where(ALERTS.c.incident == incident, names))
    if alerts:
        # Asked to return something, SQLAlchemy writes many rows in one statement: on a server that is 50 times as fast.
        connection.execute(insert(ALERTS).returning(ALERTS.c.rank), [_row(alert, incident, when) for alert in alerts])


def _row(alert: Alert, incident: str, when: _When) -> dict[str, object]:
    words = {"rank": rank(alert.severity), "place": alert.place}
    return dataclasses.asdict(alert) | words | {"incident": incident, "changed_at": when.moment}


def tell(connection: Connection, incident: str, told: Iterable[tuple[Kind, str]], now: float) -> None:
    """Add lines to the timeline of an incident, whose row the transaction has changed before.

    So the row is locked, and the lines of two pagers get their numbers in the order in which they can be read.
    """
    rows = [{"incident": incident, "at": now, "kind": kind.value, "text": words} for kind, words in told]
    if rows:
        connection.execute(insert(EVENTS), rows)
