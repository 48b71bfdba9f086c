"""How far escalations have come, and which pages pagers have of their own. Called by `pager.oncall.escalation` and `pager.oncall.switch`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, false, insert, or_, select, update

from atlas_ops.catalog.model import Severity
from atlas_ops.pager.deeds.deed import Deed
from atlas_ops.pager.incident import OWN, Alert, Headline, Kind
from atlas_ops.pager.oncall.plan import Call
from atlas_ops.pager.store import deeds, tellings
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.rows import alert_of, headline_of
from atlas_ops.pager.store.tables import ALERTS, EVENTS, HEARTBEATS, INCIDENTS
from atlas_ops.pager.ways.telling import Reason

PAGER = "pager "
"""So begin the names of the heartbeats of single pagers."""
_AT_ONCE = 500
"""Steps that are taken in one round."""


class OnCall:
    """What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self, waits: Sequence[float], now: float) -> tuple[Headline, ...]:
        """Return open pages that nobody is at, and whose next step is due, the oldest first; `waits` of `Plan.waits`."""
        due = [and_(INCIDENTS.c.escalation == number, _quiet_since(now - wait)) for number, wait in enumerate(waits)]
        pages = and_(INCIDENTS.c.until.is_(None), INCIDENTS.c.severity == Severity.PAGE.value)
        wanted = select(INCIDENTS).where(pages, ~tellings.attended(now), or_(false(), *due))
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(INCIDENTS.c.received_at).limit(_AT_ONCE))
            return tuple(headline_of(row) for row in rows)

    def escalate(self, incident: str, call: Call, told: str, now: float, deed: Deed | None = None) -> bool:
        """Take a step: the timeline says `told`, and its target is told. False when that is not to be done any more.

        A step whose time has come stops when somebody is at the incident. One that a person wants (`deed`) does not, and
        is taken once.
        """
        still = and_(INCIDENTS.c.id == incident, INCIDENTS.c.escalation == call.number, INCIDENTS.c.until.is_(None))
        step = {"escalation": call.number + 1, "escalated_at": now, "escalated_to": call.target.name}
        with self._database.writing(hold="tellings") as connection:
            if deed and deeds.known(connection, deed.key):
                return False
            wanted = update(INCIDENTS).where(still if deed else and_(still, ~tellings.attended(now)))
            counted = {"revision": INCIDENTS.c.revision + 1, "changed_at": now}
            if not connection.execute(wanted.values(step | counted)).rowcount:
                return False
            if deed:
                deeds.keep(connection, deed)
            line = {"at": now, "kind": Kind.ESCALATED.value, "text": told, "mention": call.target.slack_user}
            connection.execute(insert(EVENTS).values(incident=incident, **line))
            tellings.add(connection, incident, Reason.ESCALATION, call.target, now, number=call.number)
        return True

    def open_of(self, key: str) -> tuple[str, float] | None:
        """Return the open incident of a group and since when it fires; None when there is none."""
        wanted = select(INCIDENTS.c.id, INCIDENTS.c.since).where(INCIDENTS.c.key == key, INCIDENTS.c.until.is_(None))
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return (str(row.id), float(row.since)) if row else None

    def present(self, instance: str) -> None:
        """Note that the pager of this name is at work."""
        row = HEARTBEATS.c.name == f"{PAGER}{instance}"
        with self._database.writing(hold=f"{PAGER}{instance}") as connection:
            now = self._database.moment(connection)
            if connection.execute(update(HEARTBEATS).where(row).values(at=now)).rowcount == 0:
                connection.execute(insert(HEARTBEATS).values(name=f"{PAGER}{instance}", at=now))

    def left_behind(self, seconds: float) -> Sequence[tuple[str, Alert]]:
        """Return (key of its group, alert) of each open page of a pager's own that has not been at work for so long."""
        own = and_(ALERTS.c.firing, ALERTS.c.fingerprint.startswith(OWN, autoescape=True), INCIDENTS.c.until.is_(None))
        wanted = select(ALERTS, INCIDENTS.c.key).join(INCIDENTS, INCIDENTS.c.id == ALERTS.c.incident).where(own)
        with self._database.reading() as connection:
            found = [(str(row.key), alert_of(row)) for row in connection.execute(wanted)]
            now = self._database.moment(connection)
            pagers = {row.name: now - row.at for row in connection.execute(select(HEARTBEATS))}
        return [
            (key, alert)
            for key, alert in found
            if (name := alert.labels.get("instance")) and pagers.get(f"{PAGER}{name}", seconds) >= seconds
        ]


def _quiet_since(moment: float) -> ColumnElement[bool]:
    """Whether it came, was escalated last and was silenced last before a moment."""
    times = (INCIDENTS.c.escalated_at, INCIDENTS.c.silenced_until)
    return and_(INCIDENTS.c.received_at <= moment, *(or_(time.is_(None), time <= moment) for time in times))
