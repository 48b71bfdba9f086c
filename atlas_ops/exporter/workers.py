"""Which process of a server has answered, told by the start time on its page.

Used by `continuity`. A new start time is a restart, or a second process behind the same port; then they take turns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum

_log = logging.getLogger(__name__)

START_TOLERANCE_SECONDS = 1.0
"""Some libraries compute the start time anew for each page, from clocks that differ by fractions of a second."""
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


class Workers:
    """The processes of one server."""

    def __init__(self, server: str, clock: Callable[[], float] = time.time) -> None:
        self.answering = 0.0
        """Start time of the process that answered last; 0 where pages tell none."""
        self.several = False
        self._server = server
        self._clock = clock
        self._seen: dict[float, int] = {}
        """{start time: number of the page on which it was last}."""
        self._pages = 0
        self._page_before = 0.0
        self._doubtful = 0

    @property
    def known(self) -> tuple[float, ...]:
        """Start times of the processes that are counted."""
        return tuple(self._seen)

    def turn(self, start: float | None) -> Event:
        """Take in the start time of a page."""
        self._pages += 1
        event = Event.SAME if start is None else self._turn(start)
        self._page_before = self._clock()
        for gone in [one for one, page in self._seen.items() if page < self._pages - PAGES_TO_LEAVE]:
            del self._seen[gone]
        self.several = self.several and len(self._seen) > 1
        return event

    def _turn(self, start: float) -> Event:
        known = next((one for one in self._seen if abs(one - start) <= START_TOLERANCE_SECONDS), None)
        before, self.answering = self.answering, start if known is None else known
        first = not self._seen
        self._seen[self.answering] = self._pages
        if known is None:
            return Event.SAME if first else self._appeared(start)
        if known != before:
            self._takes_turns()
            return Event.JOINED
        if not self._doubtful:
            return Event.SAME
        self._doubtful -= 1
        return Event.SAME if self._doubtful else Event.RESTARTED

    def _appeared(self, start: float) -> Event:
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
                "server %s shows start times in turn: several processes share its port. Their counters are added up; "
                "its gauges are those of the process that answered",
                self._server,
            )
