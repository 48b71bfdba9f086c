"""Rows of the database as the records of `pager.incident`. Used by the modules beside this one."""

from __future__ import annotations

from sqlalchemy import Connection, Row, Select, func, or_, select

from atlas_ops.pager.incident import Alert, Event, Headline, Kind, Posting
from atlas_ops.pager.store.tables import ALERTS, EVENTS

SHOWN_EVENTS = 300
"""The newest lines of a timeline that are read: what flaps for weeks has tens of thousands."""


def alerts_of(incident: str) -> Select[tuple[object, ...]]:
    """Return the query for the alerts of an incident."""
    return select(ALERTS).where(ALERTS.c.incident == incident)


def gravest_of(incident: str, limit: int | None) -> Select[tuple[object, ...]]:
    """Return the query for the first so many (None: all) alerts of an incident, in the order of `incident.ordered`."""
    order = (ALERTS.c.firing.desc(), ALERTS.c.rank, ALERTS.c.starts_at, ALERTS.c.place, ALERTS.c.fingerprint)
    return alerts_of(incident).order_by(*order).limit(limit)


def timeline(connection: Connection, incident: str) -> tuple[tuple[Event, ...], int]:
    """Return the events of an incident or storm, and how many were left out between the first one and the newest.

    Those that call somebody are never left out.
    """
    mine = EVENTS.c.incident == incident
    newest = select(EVENTS.c.number).where(mine).order_by(EVENTS.c.number.desc()).limit(SHOWN_EVENTS)
    first = select(func.min(EVENTS.c.number)).where(mine)
    numbers = or_(EVENTS.c.number.in_(newest), EVENTS.c.number == first.scalar_subquery(), EVENTS.c.mention != "")
    found = connection.execute(select(EVENTS).where(mine, numbers).order_by(EVENTS.c.number)).all()
    total = connection.scalar(select(func.count()).where(mine)) or 0
    return tuple(event_of(row) for row in found), int(total) - len(found)


def alert_of(row: Row[tuple[object, ...]]) -> Alert:
    """Return an alert."""
    return Alert(
        fingerprint=str(row.fingerprint),
        firing=bool(row.firing),
        starts_at=float(row.starts_at),
        ends_at=_time(row.ends_at),
        labels=dict(row.labels),
        annotations=dict(row.annotations),
        generator_url=str(row.generator_url),
    )


def event_of(row: Row[tuple[object, ...]]) -> Event:
    """Return an event of a timeline."""
    return Event(
        number=int(row.number),
        at=float(row.at),
        kind=Kind(row.kind),
        text=str(row.text),
        mention=str(row.mention),
    )


def headline_of(row: Row[tuple[object, ...]]) -> Headline:
    """Return an incident in one line."""
    return Headline(
        id=str(row.id),
        fault=str(row.fault),
        severity=str(row.severity),
        model=str(row.model),
        place=str(row.place),
        summary=str(row.summary),
        since=float(row.since),
        until=_time(row.until),
        firing=int(row.firing),
        total=int(row.total),
        heard_at=float(row.heard_at),
        problem=str(row.problem),
        delivered=int(row.sent_revision) >= int(row.revision),
        storm=str(row.storm),
        acknowledged_by=str(row.acknowledged_by),
        acknowledged_at=_time(row.acknowledged_at),
        silenced_until=_time(row.silenced_until),
        silenced_by=str(row.silenced_by),
        not_actionable_by=str(row.not_actionable_by),
        escalation=int(row.escalation),
        escalated_to=str(row.escalated_to),
    )


def posting_of(row: Row[tuple[object, ...]]) -> Posting:
    """Return how far an incident has come on its way to Slack."""
    return Posting(
        revision=int(row.revision),
        changed_at=float(row.changed_at),
        received_at=float(row.received_at),
        channel=str(row.channel),
        ts=str(row.ts),
        digest=str(row.digest),
        sent_event=int(row.sent_event),
        attempt_at=_time(row.attempt_at),
        attempt_event=int(row.attempt_event),
        problem=str(row.problem),
    )


def _time(value: float | None) -> float | None:
    return None if value is None else float(value)
