"""Whether the pager hears: Alertmanager's heartbeat, and answers of Prometheus and Alertmanager. Asked by `pager.oncall.switch`.

Each says for how long it has heard nothing. Time is taken from a clock that nobody can set; only a heartbeat of before the
start is judged by the time of day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import urllib3

from atlas_ops.pager import times

GRACE_SECONDS = 120.0
"""After a start the heartbeat has so long to come: Alertmanager sends it once a minute."""
_TIMEOUT_SECONDS = 5.0


class State(Enum):
    """What is known."""

    WELL = "well"
    SILENT = "silent"
    UNKNOWN = "unknown"
    """Too early to say: what was said before still counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What is known now, in a sentence that stays the same while it lasts."""

    state: State
    told: str = ""


class Heartbeat:
    """`last` returns when the heartbeat came last (Unix seconds), by whichever pager; None: never."""

    def __init__(self, last: Callable[[], float | None], late_seconds: float) -> None:
        self._last = last
        self._late = late_seconds
        self._start = time.monotonic()
        self._started_at = time.time()
        self._seen = last()
        self._changed: float | None = None

    def ask(self) -> Heard:
        """Say whether it comes."""
        last, now = self._last(), time.monotonic()
        if last != self._seen:
            self._seen, self._changed = last, now
        if self._changed is not None:
            return self._judged(now - self._changed, last)
        if last is None:
            told = f"No heartbeat of Alertmanager has come since the pager started at {times.moment(self._started_at)}"
            late = now - self._start > self._late
            return Heard(state=State.SILENT, told=told) if late else Heard(state=State.UNKNOWN)
        age = time.time() - last
        if 0 <= age <= self._late:
            return Heard(state=State.WELL)
        grace = min(GRACE_SECONDS, self._late)
        return self._judged(age, last) if now - self._start > grace else Heard(state=State.UNKNOWN)

    def _judged(self, age: float, last: float | None) -> Heard:
        if abs(age) <= self._late:
            return Heard(state=State.WELL)
        told = f"Alertmanager's heartbeat last came at {times.moment(last or 0.0)}"
        return Heard(state=State.SILENT, told=told)


class Answers:
    """Whether a server answers at `/-/ready`; anything but a failure of its own counts."""

    def __init__(self, name: str, url: str, late_seconds: float) -> None:
        self._told = f"{name} at {url} does not answer the pager"
        self._url = f"{url}/-/ready"
        self._late = late_seconds
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT_SECONDS, retries=False)
        self._well = time.monotonic()

    def ask(self) -> Heard:
        """Ask it."""
        try:
            answer = self._pool.request("GET", self._url, redirect=False, preload_content=False)
            answer.close()
            well = answer.status < 500
        except urllib3.exceptions.HTTPError:
            well = False
        if well:
            self._well = time.monotonic()
            return Heard(state=State.WELL)
        late = time.monotonic() - self._well > self._late
        return Heard(state=State.SILENT, told=self._told) if late else Heard(state=State.UNKNOWN)
