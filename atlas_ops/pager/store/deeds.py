"""What people did about incidents, each deed once; and which silences hold. Called by `pager.deeds`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import ColumnElement, Connection, insert, select, update

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.deeds.deed import Act, Deed, Hold
from atlas_ops.pager.incident import OWN, Kind
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.inbox import tell
from atlas_ops.pager.store.tables import ALERTS, DEEDS, INCIDENTS

_KINDS = {
    Act.ACKNOWLEDGE: Kind.ACKNOWLEDGED,
    Act.SILENCE: Kind.SILENCED,
    Act.UNSILENCE: Kind.UNSILENCED,
    Act.ESCALATE: Kind.ESCALATED,
    Act.NOT_ACTIONABLE: Kind.NOT_ACTIONABLE,
}
_SAID = {Act.ACKNOWLEDGE: INCIDENTS.c.acknowledged_by, Act.NOT_ACTIONABLE: INCIDENTS.c.not_actionable_by}
"""What is said of an incident once, by the first who does."""
_Values = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """An open incident, and what is known of its silence. `key` is its group's (`Notification.key`)."""

    incident: str
    key: str
    hold: Hold | None
    firing: frozenset[str]
    """Fingerprints of the alerts that fire."""


class Deeds:
    """What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, key: str) -> bool:
        """Tell whether a deed was done."""
        with self._database.reading() as connection:
            return known(connection, key)

    def record(self, deed: Deed, told: str, hold: Hold | None = None) -> bool:
        """Write a deed, what it changes of its incident and the line `told` of the timeline; False: it was there.

        `hold`: the silence that a deed of silencing made.
        """
        try:
            with self._database.writing() as connection:
                return _record(connection, deed, told, hold)
        except EnvironmentProblem:
            if self.known(deed.key):  # another pager wrote it in the same moment
                return False
            raise

    def watched(self) -> tuple[Watched, ...]:
        """Return the open incidents of Alertmanager's alerts; not those of the pager's own."""
        fields = (INCIDENTS.c.id, INCIDENTS.c.key, INCIDENTS.c.silenced_until, INCIDENTS.c.silenced_by)
        alerts = ALERTS.c.incident == INCIDENTS.c.id
        wanted = select(*fields, ALERTS.c.fingerprint).join(ALERTS, alerts).where(INCIDENTS.c.until.is_(None))
        theirs = ~ALERTS.c.fingerprint.startswith(OWN, autoescape=True)
        with self._database.reading() as connection:
            found = connection.execute(wanted.where(ALERTS.c.firing, theirs).order_by(INCIDENTS.c.id)).all()
        return tuple(
            Watched(
                incident=incident,
                key=key,
                hold=None if until is None else Hold(until=until, who=who),
                firing=frozenset(row.fingerprint for row in rows),
            )
            for (incident, key, until, who), rows in groupby(found, key=lambda row: tuple(row[:4]))
        )

    def hold(self, one: Watched, hold: Hold | None, told: str, now: float) -> bool:
        """Write that a silence holds for an incident, or that none does any more, although nobody asked the pager.

        False when something else became of it since it was looked at.
        """
        kind = Kind.SILENCED if hold else Kind.UNSILENCED
        seen = INCIDENTS.c.silenced_until == one.hold.until if one.hold else INCIDENTS.c.silenced_until.is_(None)
        with self._database.writing() as connection:
            as_seen = connection.scalar(select(INCIDENTS.c.id).where(INCIDENTS.c.id == one.incident, seen))
            if as_seen:
                _change(connection, one.incident, _held(hold), (kind, told), now)
        return as_seen is not None


def known(connection: Connection, key: str) -> bool:
    """Tell whether a deed was done."""
    return connection.scalar(select(DEEDS.c.key).where(DEEDS.c.key == key)) is not None


def keep(connection: Connection, deed: Deed) -> None:
    """Write that a deed was done, whatever it changes."""
    fault = connection.scalar(select(INCIDENTS.c.fault).where(INCIDENTS.c.id == deed.incident))
    values = {"key": deed.key, "incident": deed.incident, "kind": deed.act.value, "who": deed.who, "at": deed.at}
    connection.execute(insert(DEEDS).values(**values, fault=fault))


def _record(connection: Connection, deed: Deed, told: str, hold: Hold | None) -> bool:
    if known(connection, deed.key):
        return False
    row = INCIDENTS.c.id == deed.incident
    said = _SAID.get(deed.act)
    # Another pager may be writing what somebody else says: the lock waits for that.
    if said is not None and connection.scalar(select(said).where(row).with_for_update()):
        return False
    keep(connection, deed)
    _change(connection, deed.incident, _effects(deed, hold), (_KINDS[deed.act], told), deed.at)
    if deed.act is Act.NOT_ACTIONABLE:
        # Who says so has seen it: nobody else needs to be woken.
        seen = {"acknowledged_by": deed.who, "acknowledged_at": deed.at}
        connection.execute(update(INCIDENTS).where(row, INCIDENTS.c.acknowledged_by == "").values(**seen))
    return True


def _effects(deed: Deed, hold: Hold | None) -> _Values:
    match deed.act:
        case Act.ACKNOWLEDGE:
            return {"acknowledged_by": deed.who, "acknowledged_at": deed.at}
        case Act.SILENCE | Act.UNSILENCE:
            return _held(hold)
        case Act.NOT_ACTIONABLE:
            return {"not_actionable_by": deed.who}
        case Act.ESCALATE:
            return {}


def _held(hold: Hold | None) -> _Values:
    return {"silenced_until": hold.until if hold else None, "silenced_by": hold.who if hold else ""}


def _change(connection: Connection, incident: str, values: _Values, told: tuple[Kind, str], now: float) -> None:
    row: ColumnElement[bool] = INCIDENTS.c.id == incident
    counted = {"revision": INCIDENTS.c.revision + 1, "changed_at": now}
    connection.execute(update(INCIDENTS).where(row).values(**values, **counted))
    tell(connection, incident, [told], now)
