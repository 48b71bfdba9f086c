"""What a storm is: many incidents of one channel that share one message, because each in its own would say nothing. Pure.

Kept by `pager.store.storms`; shown by `pager.slack.storm`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from atlas_ops.catalog.model import Severity
from atlas_ops.pager.incident import Event, Kind, Posting, rank

_PLACE = 80
_SHOWN = 8
"""Faults that a line of the timeline names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """The incidents of a storm that have severity and fault in common."""

    severity: str
    fault: str
    firing: int
    total: int
    place: str
    """Where one of them is, of those that still fire if there are any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Storm:
    """Incidents that share a message. Their numbers are counted in `lines`, the gravest fault first."""

    id: str
    since: float
    lines: tuple[Line, ...]
    posting: Posting
    events: tuple[Event, ...]

    @property
    def firing(self) -> int:
        """How many of its incidents are open."""
        return sum(line.firing for line in self.lines)

    @property
    def total(self) -> int:
        """How many incidents it has taken in."""
        return sum(line.total for line in self.lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """One incident of a storm that has changed. `first`: nobody has been told of it."""

    severity: str
    fault: str
    place: str
    over: bool
    first: bool


def ordered(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return lines in the order in which they should be read: what fires, by severity and number."""
    return tuple(sorted(lines, key=lambda line: (not line.firing, rank(line.severity), -line.firing, line.fault)))


def told(news: Sequence[News], known: frozenset[str]) -> Iterator[tuple[Kind, str]]:
    """Return what the timeline of a storm says of its news. `known`: the faults of which it has told a page before.

    A fault that pages and is new in the storm is a line of its own, JOINED; everything else is counted, ENDED.
    """
    fresh = {
        one.fault: one
        for one in reversed(news)
        if one.first and one.severity == Severity.PAGE.value and one.fault not in known
    }
    for fault, one in sorted(fresh.items()):
        yield Kind.JOINED, f"New in this storm: PAGE {fault}" + (f" ({one.place[:_PLACE]})" if one.place else "")
    joined, over = [one for one in news if one.first], sum(one.over for one in news)
    if joined:
        yield Kind.ENDED, f"{number(len(joined))} more: {_counted(joined)}" + (f"; {over} are over" if over else "")
    elif over:
        ended = [one for one in news if one.over]
        yield Kind.ENDED, f"{number(over)} over: {_counted(ended)}"


def number(count: int) -> str:
    """Return so many incidents in words."""
    return f"{count} incident{'s' if count != 1 else ''}"


def _counted(news: Iterable[News]) -> str:
    counts: dict[tuple[int, str, str], int] = {}
    for one in news:
        key = (rank(one.severity), one.severity, one.fault)
        counts[key] = counts.get(key, 0) + 1
    parts = [f"{count} {severity} {fault}" for (_, severity, fault), count in sorted(counts.items())]
    return ", ".join(parts[:_SHOWN]) + (f" and {len(parts) - _SHOWN} faults more" if len(parts) > _SHOWN else "")
