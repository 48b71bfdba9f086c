"""Whether the pager hears: Alertmanager's heartbeat, and answers of Prometheus and Alertmanager. Asked by `pager.oncall.switch`.

Each says for how long it has heard nothing. Time is taken from a clock that nobody can set; only a heartbeat of before the
start is judged by the time of day.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.http_config import HttpConfig, LoginRefused, Wire
from atlas_ops.pager import times

_LOG = logging.getLogger(__name__)
APIS = {"Prometheus": "/api/v1/query?query=1", "Alertmanager": "/api/v2/status"}
"""What is asked. Not /-/ready: a proxy that checks logins often keeps that from everybody, or lets everybody to it."""

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
    """Whether a server answers at its API, for which the pager needs it; anything but a failure of its own, or of the login, counts."""

    def __init__(self, name: str, url: str, late_seconds: float, *, http_config: HttpConfig | None = None) -> None:
        """`name` is one of APIS."""
        self._told = f"{name} at {url} {{}} the pager"
        self._path = APIS[name]
        self._late = late_seconds
        self._wire = Wire(name, url, http_config, timeout_seconds=_TIMEOUT_SECONDS)
        self._well = time.monotonic()
        self._problem = ""

    def ask(self) -> Heard:
        """Ask it."""
        problem, what = "", "does not answer"
        try:
            answer = self._wire.ask("GET", self._path)
            problem = f"HTTP {answer.status}" if answer.status >= 500 else ""
        except LoginRefused as error:
            problem, what = error.message, "refuses the login of"
        except EnvironmentProblem as error:
            problem = error.message
        self._log(problem)
        if not problem:
            self._well = time.monotonic()
            return Heard(state=State.WELL)
        late = time.monotonic() - self._well > self._late
        return Heard(state=State.SILENT, told=self._told.format(what)) if late else Heard(state=State.UNKNOWN)

    def _log(self, problem: str) -> None:
        if problem and problem != self._problem:
            _LOG.warning("%s", problem)
        self._problem = problem
