"""Who is on call when: rotations that hand over at a local time, and overrides. Pure but for reading its file.

Asked by `pager.oncall.roster` and `atlas-ops oncall`. Hours are those of the clock on the wall: a hand-over at 09:00 is at
09:00 in summer and in winter. A time that the clocks skip is taken as they would have gone on (02:30 is then 03:30), one
that comes twice is its first.
"""

from __future__ import annotations

import bisect
import itertools
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from atlas_ops.document import Document, Section

_DAYS = {"day": 1, "week": 7}
_YEARS = range(1971, 9000)
_NEXT_STEP = "mend these lines; docs/pager.md, section On call, shows such a file"


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """Who is on call until when (Unix seconds)."""

    who: str
    until: float
    override: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """People who take turns of so many days."""

    people: tuple[str, ...]
    starts: date
    """Day of the first hand-over, to the first of the people. Before it, the turns are counted backwards."""
    handover: time
    days: int

    def turn(self, number: int, zone: ZoneInfo) -> float:
        """Return when a turn begins, Unix seconds."""
        return datetime.combine(self.starts + timedelta(number * self.days), self.handover, zone).timestamp()

    def at(self, moment: float, zone: ZoneInfo) -> tuple[str, float]:
        """Return who has the turn at a moment, and when the next one begins."""
        local = datetime.fromtimestamp(moment, zone).date()
        number = (local - self.starts).days // self.days
        while self.turn(number, zone) > moment:  # twice where a zone has skipped a day, here and below
            number -= 1
        while (after := self.turn(number + 1, zone)) <= moment:
            number += 1
        return self.people[number % len(self.people)], after


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """Somebody who stands in, from `start` until `end` (Unix seconds)."""

    start: float
    end: float
    who: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """One file. There is always exactly one person on call."""

    zone: ZoneInfo
    rotations: tuple[Rotation, ...]
    """By their start, at least one; each counts until the next one's first hand-over."""
    overrides: tuple[Override, ...]
    """By their start; no two at the same time."""

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody whom the file names."""
        named = [name for rotation in self.rotations for name in rotation.people]
        return tuple(dict.fromkeys([*named, *(override.who for override in self.overrides)]))

    def at(self, moment: float) -> Turn:
        """Return who is on call at a moment (Unix seconds), and until when."""
        later = bisect.bisect_right(self.overrides, moment, key=lambda override: override.start)
        if later and moment < self.overrides[later - 1].end:
            return Turn(who=self.overrides[later - 1].who, until=self.overrides[later - 1].end, override=True)
        starts = [rotation.turn(0, self.zone) for rotation in self.rotations]
        current = max(bisect.bisect_right(starts, moment) - 1, 0)
        who, until = self.rotations[current].at(moment, self.zone)
        ends = [until, *starts[current + 1 : current + 2], *(one.start for one in self.overrides[later : later + 1])]
        return Turn(who=who, until=min(ends), override=False)

    def turns(self, moment: float) -> Iterator[Turn]:
        """Return the turn of a moment and, without an end, those after it."""
        while True:
            turn = self.at(moment)
            yield turn
            moment = turn.until


def read(path: Path) -> Schedule:
    """Read a schedule's file; ConfigError with every mistake in it."""
    return _schedule(Document.read(path))


def parse(text: str, file: str = "schedule") -> Schedule:
    """Read a schedule from text; ConfigError with every mistake in it."""
    return _schedule(Document(text, file))


def _schedule(document: Document) -> Schedule:
    root = document.root
    zone = _zone(root)
    rotations = [_rotation(section) for section in root.sections("rotations")]
    overrides = [_override(section, zone) for section in root.sections("overrides")]
    root.finish()
    if not rotations:
        root.mistake("rotations", "expected a list of at least one, so that somebody is always on call")
    for first, second in itertools.pairwise(sorted(rotations, key=lambda rotation: rotation.starts)):
        if first.starts == second.starts:
            root.mistake("rotations", f"two of them start on {first.starts}; only one can")
    _overlaps(root, overrides, zone)
    document.close(next_step=_NEXT_STEP)
    return Schedule(
        zone=zone,
        rotations=tuple(sorted(rotations, key=lambda rotation: rotation.starts)),
        overrides=tuple(sorted(overrides, key=lambda override: override.start)),
    )


def _zone(root: Section) -> ZoneInfo:
    name = root.string("time_zone", required=True)
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        near = [zone for zone in sorted(known) if zone.rpartition("/")[2].casefold() == name.casefold()]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        root.mistake("time_zone", f"expected a time zone such as Europe/Berlin, found {name!r}{hint}")
    return ZoneInfo("UTC")


def _rotation(section: Section) -> Rotation:
    people = section.strings("people")
    rotation = Rotation(
        people=people,
        starts=_date(section, "starts"),
        handover=_time(section, "handover"),
        days=_DAYS[section.string("every", "week", choices=tuple(_DAYS))],
    )
    section.finish()
    if not people or not all(people):
        section.mistake("people", "expected a list of the names of at least one person")
    return rotation


def _date(section: Section, key: str) -> date:
    text = section.string(key, required=True)
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if text and found.year not in _YEARS:
        section.mistake(key, f"expected a date such as 2026-11-23, found {text!r}")
    return found


def _time(section: Section, key: str) -> time:
    text = section.string(key, required=True)
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is not None and found.tzinfo is None:
        return found
    if text:
        section.mistake(key, f"expected a local time such as 09:00, found {text!r}")
    return time.min


def _override(section: Section, zone: ZoneInfo) -> Override:
    override = Override(
        start=_moment(section, "from", zone),
        end=_moment(section, "to", zone),
        who=section.string("who", required=True),
    )
    section.finish()
    if override.end <= override.start and section.has("from") and section.has("to"):
        section.mistake("to", "expected a time after `from`")
    return override


def _moment(section: Section, key: str, zone: ZoneInfo) -> float:
    text = section.string(key, required=True)
    found = moment(text, zone)
    if text and found is None:
        section.mistake(key, f"expected a time such as 2026-12-24 09:00, found {text!r}")
    return found or 0.0


def moment(text: str, zone: ZoneInfo) -> float | None:
    """Return the Unix time of a time in ISO 8601; one without an offset is local. None when it is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp() if found.year in _YEARS else None


def _overlaps(root: Section, overrides: Sequence[Override], zone: ZoneInfo) -> None:
    for first, second in itertools.pairwise(sorted(overrides, key=lambda override: override.start)):
        if second.start < first.end:
            at = datetime.fromtimestamp(second.start, zone).strftime("%Y-%m-%d %H:%M")
            root.mistake("overrides", f"both {first.who} and {second.who} stand in at {at}; only one can")
