"""Which process of a server has answered, told by the start time and the marks on its page, else by its counters.

Used by `continuity`. A new start time is a restart, or a second process behind the same port; then they take turns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

_log = logging.getLogger(__name__)

Fits = Callable[[int], float | None]
"""How much a process would have counted if the page were its next one; None when its counters would have fallen."""
Marks = tuple[str, ...]
"""What tells one process from others, one text for each kind of mark; empty where the page has none of the kind."""
TICK_SECONDS = 0.005
"""Half of what Linux tells start times by. Workers of one server start within milliseconds of each other."""
BOOT_SECONDS = 1.0
"""Go's library reads the time of the boot anew for each page; a clock that is being set moves it by a whole second."""
CLOCK_TOLERANCE_SECONDS = 5.0
"""By how much the clocks of the server and of this machine may differ."""
PAGES_TO_RETURN = 4
"""After so many pages without another process, a new one that claims to be older is the only one: its clock is wrong.
Of two that take turns by chance, one pair in sixteen looks like that."""
PAGES_TO_LEAVE = 60
"""After so many pages without a word of it, a process is no longer counted."""


class Event(Enum):
    """What a page tells of the processes behind it."""

    SAME = "same"
    RESTARTED = "restarted"
    """The one process was replaced by another."""
    JOINED = "joined"
    """A process answers that was there before, unseen for a while or altogether."""


@dataclass(slots=True)
class _Process:
    start: float
    marks: Marks
    page: int
    """Number of the page on which it was last."""

    def may_be(self, start: float, marks: Marks) -> bool:
        apart = abs(self.start - start)
        together = apart < TICK_SECONDS or abs(apart - BOOT_SECONDS) < TICK_SECONDS
        return together and all(one == other for one, other in zip(self.marks, marks, strict=True) if one and other)


class Workers:
    """The processes of one server. Their numbers count from 1."""

    def __init__(self, server: str, clock: Callable[[], float] = time.time) -> None:
        self.answering = 0
        """The process that answered last; 0 where pages tell none."""
        self.several = False
        self._server = server
        self._clock = clock
        self._seen: dict[int, _Process] = {}
        self._met = 0
        self._pages = 0
        self._page_before = 0.0
        self._doubtful = 0

    @property
    def known(self) -> tuple[int, ...]:
        """The processes that are counted."""
        return tuple(self._seen)

    def turn(self, start: float | None, marks: Marks, fits: Fits | None = None) -> Event:
        """Take in a page: when its process began, if it tells, and the marks that no other process has.

        Processes that started in the same hundredth of a second, or do not tell their start, are told apart by their marks,
        and with `fits` by their counters: those of one process never fall.
        """
        self._pages += 1
        event = Event.SAME if start is None and fits is None else self._turn(start or 0.0, marks, fits)
        self._page_before = self._clock()
        for gone in [one for one, process in self._seen.items() if process.page < self._pages - PAGES_TO_LEAVE]:
            del self._seen[gone]
        self.several = self.several and len(self._seen) > 1
        return event

    def _turn(self, start: float, marks: Marks, fits: Fits | None) -> Event:
        before, first = self.answering, not self._seen
        known = self._find(start, marks, fits)
        if known is None:
            self._met += 1
            self.answering = self._met
            self._seen[self._met] = _Process(start, marks, self._pages)
            return Event.SAME if first else self._appeared(start)
        self.answering = known
        process = self._seen[known]
        process.page, process.marks = (
            self._pages,
            tuple(old or new for old, new in zip(process.marks, marks, strict=True)),
        )
        if known != before:
            self._takes_turns()
            return Event.JOINED
        if not self._doubtful:
            return Event.SAME
        self._doubtful -= 1
        return Event.SAME if self._doubtful else Event.RESTARTED

    def _find(self, start: float, marks: Marks, fits: Fits | None) -> int | None:
        fitting = [number for number, process in self._seen.items() if process.may_be(start, marks)]
        marked = any(marks) and any(self._seen[number].marks == marks for number in fitting)
        if fits is not None and not marked:
            counted = {number: more for number in fitting if (more := fits(number)) is not None}
            return min(counted, key=lambda number: (counted[number], number != self.answering), default=None)
        # Where a page does not tell enough, the process that answered last is the likeliest.
        fitting.sort(key=lambda number: (self._seen[number].marks != marks, number != self.answering))
        return fitting[0] if fitting else None

    def _appeared(self, start: float) -> Event:
        others = (process.start for number, process in self._seen.items() if number != self.answering)
        if start and any(abs(start - other) < TICK_SECONDS for other in others):
            return Event.JOINED  # who restarts has another start time
        if start < self._page_before - CLOCK_TOLERANCE_SECONDS:
            self._doubtful = 0 if self.several else PAGES_TO_RETURN
            return Event.JOINED
        self._doubtful = 0
        return Event.SAME if self.several else Event.RESTARTED

    def _takes_turns(self) -> None:
        self._doubtful = 0
        if not self.several:
            self.several = True
            _log.warning(
                "server %s shows several processes in turn: they share its port. Their counters are added up; "
                "its gauges are those of the process that answered",
                self._server,
            )
