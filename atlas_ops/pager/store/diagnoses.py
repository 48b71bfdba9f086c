"""Which incidents have still to be diagnosed, and what was found. Called by `pager.diagnosis.worker`."""

from __future__ import annotations

from sqlalchemy import select, update

from atlas_ops.pager.diagnosis.verdict import Diagnosis
from atlas_ops.pager.incident import Headline, rank
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.rows import headline_of
from atlas_ops.pager.store.tables import INCIDENTS

_SHOWN = 100
"""Of a storm the newest are enough: the older ones are asked about when somebody opens their page."""


class Diagnoses:
    """What the checks of the runbooks found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wanted(self) -> tuple[Headline, ...]:
        """Return open incidents that nobody has asked about, the gravest first, the newest of those first."""
        wanted = select(INCIDENTS).where(INCIDENTS.c.until.is_(None), INCIDENTS.c.diagnosed_at.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(INCIDENTS.c.received_at.desc()).limit(_SHOWN))
            heads = [headline_of(row) for row in rows]
        return tuple(sorted(heads, key=lambda head: rank(head.severity)))

    def record(self, incident: str, diagnosis: Diagnosis | None, now: float) -> None:
        """Keep what was found; None: the runbook has no checks. Slack shows it with the next update."""
        row = INCIDENTS.c.id == incident
        values: dict[str, object] = {"diagnosed_at": now}
        if diagnosis is not None:
            values |= {"diagnosis": diagnosis.to_json(), "revision": INCIDENTS.c.revision + 1, "changed_at": now}
        with self._database.writing() as connection:
            connection.execute(update(INCIDENTS).where(row).values(**values))

    def again(self, incident: str) -> None:
        """Ask once more: a person wants to know how it is now."""
        with self._database.writing() as connection:
            connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident).values(diagnosed_at=None))
