"""One thread at work on one GPU's questions; when a call hangs, another takes over, and the first is left in the driver.

Used by `gpu.reader`. NVML may hang in one function and answer in all others. Four threads left behind are the end of it:
then the GPU itself hangs, and nobody asks it until a call returns.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.grid import to_next

MOST_LEFT_BEHIND = 4

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Superseded(Exception):
    """A call came back after another thread had taken over, or after the halt: who made it must touch nothing any more."""


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    since: float


class Relay:
    """Runs `step` every `seconds` until it returns False or `halt` is set. `limit` is how long a call may take, in seconds.

    `step` gets the turn that it has, and calls the driver through it alone.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[Turn], bool],
        halt: threading.Event,
        in_flight: CallsInFlight,
        *,
        seconds: float,
        limit: float,
        clock: Callable[[], float],
    ) -> None:
        self._name, self._step, self._halt, self._in_flight = name, step, halt, in_flight
        self._seconds, self._limit, self._clock = seconds, limit, clock
        self._lock = threading.Lock()
        self._number = 0
        self._call: _Call | None = None
        self._left_behind: frozenset[str] = frozenset()
        self._defect = False
        self._threads: list[threading.Thread] = []

    @property
    def hanging(self) -> frozenset[str]:
        """The names of the calls that were left behind."""
        return self._left_behind

    def start(self) -> None:
        """Begin with a thread of its own."""
        with self._lock:
            self._take_over()

    def watch(self) -> None:
        """Let another thread take over from one whose call hangs. To be called now and then."""
        with self._lock:
            if self._call is None or self._clock() - self._call.since <= self._limit:
                return
            _log.warning("%s: %s does not return; it is set aside", self._name, self._call.name)
            self._left_behind |= {self._call.name}
            self._call = None
            self._number += 1
            if len(self._left_behind) < MOST_LEFT_BEHIND:
                self._take_over()

    def threads(self) -> list[threading.Thread]:
        """Return the threads that have not ended."""
        with self._lock:
            return [thread for thread in self._threads if thread.is_alive()]

    def _take_over(self) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        turn = Turn(self, self._number)
        thread = threading.Thread(target=self._run, args=(turn,), name=self._name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, turn: Turn) -> None:
        try:
            while self._goes_on(turn):
                if self._halt.wait(to_next(self._clock(), self._seconds, least=0.3)):
                    return
        except Superseded:
            pass

    def _goes_on(self, turn: Turn) -> bool:
        try:
            return self._step(turn)
        except Superseded:
            raise
        except Exception:  # noqa: BLE001 (logged whole, once; a thread that ends costs its signals for good)
            if not self._defect:
                _log.exception("%s: the backend has a defect", self._name)
            self._defect = True
            return True

    def ask(self, number: int, name: str, question: Callable[[], _T]) -> _T:
        """Make a call on behalf of a turn. Superseded when the turn is over, before or after it."""
        with self._lock:
            if number != self._number:
                raise Superseded
            self._call = _Call(name, self._clock())
        try:
            with self._in_flight.call():
                return question()
        finally:
            self._return(number, name)

    def _return(self, number: int, name: str) -> None:
        with self._lock:
            if number == self._number:
                self._call = None
            else:
                nobody = len(self._left_behind) == MOST_LEFT_BEHIND
                self._left_behind -= {name}
                if nobody and not self._halt.is_set():
                    self._take_over()
            if number != self._number or self._halt.is_set():
                raise Superseded


class Turn:
    """The right of one thread to ask, until it is taken from it."""

    def __init__(self, relay: Relay, number: int) -> None:
        self._relay, self._number = relay, number

    def hangs(self, name: str) -> bool:
        """Whether such a call was left behind: it is not to be made again."""
        return name in self._relay.hanging

    def ask(self, name: str, question: Callable[[], _T]) -> _T:
        """Make a call to the driver. Superseded when it took so long that another thread has the turn, or the halt came."""
        return self._relay.ask(self._number, name, question)
