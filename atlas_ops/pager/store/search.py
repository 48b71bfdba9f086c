"""Incidents by what somebody looks for, a page of them at a time. Asked by the console's lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, or_, select

from atlas_ops.pager.incident import Headline, rank
from atlas_ops.pager.store.database import Database
from atlas_ops.pager.store.rows import headline_of
from atlas_ops.pager.store.tables import INCIDENTS

_SEVERITIES = ("page", "ticket", "info")
_CHOICES = 200
"""Models and faults to choose from; a form with more is no help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is looked for; an empty text: anything."""

    severity: str = ""
    fault: str = ""
    model: str = ""
    text: str = ""
    """Part of the summary, place, model, fault or id, in capitals or not."""
    storm: str = ""
    """Id of the storm whose message tells of them."""

    @property
    def anything(self) -> bool:
        """Whether it leaves nothing out."""
        return not (self.severity or self.fault or self.model or self.text or self.storm)


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """How many incidents of one fault and severity are open."""

    fault: str
    severity: str
    count: int
    since: float
    """When the oldest of them began."""


class Search:
    """Looks for incidents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, wanted: Wanted, *, resolved: bool, first: int, limit: int) -> tuple[int, tuple[Headline, ...]]:
        """Return how many there are, and `limit` of them from number `first` (0: the first).

        Open ones: pages before tickets, the newest first. Resolved ones: the last resolved first.
        """
        matching = _matching(wanted, resolved=resolved)
        order = [INCIDENTS.c.until.desc()] if resolved else [_rank(), INCIDENTS.c.received_at.desc()]
        rows = select(INCIDENTS).where(*matching).order_by(*order, INCIDENTS.c.id).offset(first).limit(limit)
        with self._database.reading() as connection:
            count = connection.scalar(select(func.count()).select_from(INCIDENTS).where(*matching))
            return int(count or 0), tuple(headline_of(row) for row in connection.execute(rows))

    def groups(self, wanted: Wanted) -> tuple[Group, ...]:
        """Return the open incidents by fault, the gravest first, of those the most frequent."""
        count = func.count().label("count")
        columns = (INCIDENTS.c.fault, INCIDENTS.c.severity, count, func.min(INCIDENTS.c.since).label("since"))
        by_fault = select(*columns).where(*_matching(wanted, resolved=False)).group_by(*columns[:2])
        with self._database.reading() as connection:
            found = [
                Group(fault=row.fault, severity=row.severity, count=int(row[2]), since=float(row.since))
                for row in connection.execute(by_fault)
            ]
        return tuple(sorted(found, key=lambda group: (rank(group.severity), -group.count, group.fault)))

    def choices(self, *, resolved: bool) -> tuple[Sequence[str], Sequence[str]]:
        """Return the faults and the models that there are to choose from."""
        with self._database.reading() as connection:
            faults, models = (
                connection.scalars(
                    select(column)
                    .where(*_matching(Wanted(), resolved=resolved), column != "")
                    .distinct()
                    .order_by(column)
                    .limit(_CHOICES)
                ).all()
                for column in (INCIDENTS.c.fault, INCIDENTS.c.model)
            )
        return faults, models


def _matching(wanted: Wanted, *, resolved: bool) -> list[ColumnElement[bool]]:
    until = INCIDENTS.c.until
    conditions: list[ColumnElement[bool]] = [until.is_not(None) if resolved else until.is_(None)]
    names = ("severity", "fault", "model", "storm")
    exact = {INCIDENTS.c[name]: getattr(wanted, name) for name in names}
    conditions += [column == value for column, value in exact.items() if value]
    if wanted.text:
        columns = (INCIDENTS.c.summary, INCIDENTS.c.place, INCIDENTS.c.model, INCIDENTS.c.fault, INCIDENTS.c.id)
        conditions.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    return conditions


def _rank() -> ColumnElement[int]:
    return case(*((INCIDENTS.c.severity == name, rank(name)) for name in _SEVERITIES), else_=len(_SEVERITIES))
