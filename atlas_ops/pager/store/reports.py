"""Which faults page how often, and what came of it: what tells a useful rule from a noisy one. Asked by the console."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from atlas_ops.pager.incident import rank
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.tables import INCIDENTS

BY_ITSELF_SECONDS = 300.0
"""Over within five minutes and untouched: nobody was needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """What came of the incidents of one fault and severity that began within a time."""

    fault: str
    severity: str
    count: int
    acknowledged: int
    seconds_to_acknowledge: float | None
    """Median; None when none was acknowledged."""
    not_actionable: int
    """How many of them somebody called so."""
    by_itself: int
    """How many were over within `BY_ITSELF_SECONDS` without anybody's acknowledgement."""


@dataclass(frozen=True, slots=True)
class _Course:
    received_at: float
    since: float
    until: float | None
    acknowledged_at: float | None
    not_actionable_by: str

    @property
    def wait(self) -> float | None:
        """Seconds until somebody acknowledged it; None when nobody did while it fired."""
        at = self.acknowledged_at
        return None if at is None or (self.until is not None and at > self.until) else max(0.0, at - self.received_at)

    @property
    def by_itself(self) -> bool:
        """Whether nobody was needed."""
        return self.wait is None and self.until is not None and self.until - self.since < BY_ITSELF_SECONDS


class Reports:
    """Counts what was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def noise(self, since: float) -> tuple[Noise, ...]:
        """Return the faults of the incidents that came since then (Unix seconds), the gravest and most frequent first."""
        columns = (INCIDENTS.c.received_at, INCIDENTS.c.since, INCIDENTS.c.until)
        deeds = (INCIDENTS.c.acknowledged_at, INCIDENTS.c.not_actionable_by)
        wanted = select(INCIDENTS.c.fault, INCIDENTS.c.severity, *columns, *deeds)
        courses: dict[tuple[str, str], list[_Course]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(wanted.where(INCIDENTS.c.received_at >= since)):
                courses.setdefault((row.fault, row.severity), []).append(_Course(*row[2:]))
        found = [_noise(*name, parts) for name, parts in courses.items()]
        return tuple(sorted(found, key=lambda one: (rank(one.severity), -one.count, one.fault)))


def _noise(fault: str, severity: str, courses: Sequence[_Course]) -> Noise:
    waits = [one.wait for one in courses if one.wait is not None]
    return Noise(
        fault=fault,
        severity=severity,
        count=len(courses),
        acknowledged=len(waits),
        seconds_to_acknowledge=statistics.median(waits) if waits else None,
        not_actionable=sum(bool(one.not_actionable_by) for one in courses),
        by_itself=sum(one.by_itself for one in courses),
    )
