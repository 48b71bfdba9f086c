"""An incident with everything about it. Asked by the worker and the pages; `search` lists many."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, select

from atlas_ops.pager.diagnosis import verdict
from atlas_ops.pager.incident import Alert, Incident, Work, ordered
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.rows import alert_of, gravest_of, headline_of, posting_of, timeline
from atlas_ops.pager.store.tables import INCIDENTS

SHOWN_ALERTS = 200
"""Alerts of an incident that are read, the gravest first: no message and no page shows more of them."""


class Incidents:
    """Reads incidents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def work(self, incident: str, *, alerts: int | None = SHOWN_ALERTS) -> Work | None:
        """Return an incident with its timeline and how far it has come to Slack; None when there is none.

        `alerts`: how many of its alerts are read, the gravest first; None: all.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(INCIDENTS).where(INCIDENTS.c.id == incident)).one_or_none()
            if row is None:
                return None
            read = ordered([alert_of(found) for found in connection.execute(gravest_of(incident, alerts))])
            events, left_out = timeline(connection, incident)
            return Work(
                incident=Incident(
                    headline=headline_of(row),
                    alerts=read,
                    truncated=int(row.truncated) + _left_out(row, read),
                    diagnosis=verdict.from_json(row.diagnosis),
                    chart=str(row.chart),
                    chart_words=str(row.chart_words),
                ),
                posting=posting_of(row),
                events=events,
                events_left_out=left_out,
            )


def _left_out(row: Row[tuple[object, ...]], alerts: Sequence[Alert]) -> int:
    """Return how many alerts that should be spoken of were not read: those that fire, or all of them after the resolve."""
    if row.until is None:
        return max(0, int(row.firing) - sum(alert.firing for alert in alerts))
    return max(0, int(row.total) - len(alerts))
