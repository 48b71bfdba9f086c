"""Which messages have still to be given a chart, and which chart Slack has. Called by `pager.slack.illustrator`."""

from __future__ import annotations

from sqlalchemy import select, update

from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.tables import INCIDENTS


class ChartFiles:
    """What a method wrote is on the disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wanted(self, most: int) -> tuple[str, ...]:
        """Return open incidents that have a message of their own and no chart yet, the newest first, no more than `most`."""
        fresh = INCIDENTS.c.until.is_(None) & INCIDENTS.c.charted_at.is_(None) & (INCIDENTS.c.ts != "")
        wanted = select(INCIDENTS.c.id).where(fresh).order_by(INCIDENTS.c.received_at.desc())
        with self._database.reading() as connection:
            return tuple(connection.scalars(wanted.limit(most)))

    def claim(self, incident: str, now: float) -> bool:
        """Take it upon oneself to make a chart; False when somebody else has. Who dies of it leaves the incident without."""
        row = (INCIDENTS.c.id == incident) & INCIDENTS.c.charted_at.is_(None)
        with self._database.writing() as connection:
            return connection.execute(update(INCIDENTS).where(row).values(charted_at=now)).rowcount == 1

    def release(self, incident: str) -> None:
        """Leave the chart for later."""
        with self._database.writing() as connection:
            connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident).values(charted_at=None))

    def record(self, incident: str, *, file: str, words: str, now: float) -> None:
        """Keep Slack's id of a chart and what it shows; the message shows it with its next update."""
        values: dict[str, object] = {"chart": file, "chart_words": words}
        values |= {"revision": INCIDENTS.c.revision + 1, "changed_at": now}
        with self._database.writing() as connection:
            connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident).values(**values))
