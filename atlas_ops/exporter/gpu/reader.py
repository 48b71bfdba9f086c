"""Asks one GPU every question, once a second; a question that hangs is set aside, and the others go on.

The first of a GPU's three threads (`gpu.worker`). NVML may hang in one function and answer in all others: then the thread
is left in the driver with its question, and another one takes over. Three left behind are the end of that: the GPU itself
hangs, and nobody asks it until a call returns.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from atlas_ops.exporter.gpu.backend import (
    GpuAbsent,
    GpuDevice,
    GpuForbidden,
    GpuLost,
    GpuUnavailable,
    Question,
)
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.grid import to_next
from atlas_ops.exporter.gpu.record import Answer, GpuRecord
from atlas_ops.exporter.gpu.roster import GpuRoster
from atlas_ops.exporter.gpu.throttle_ledger import CounterReading

MOST_LEFT_BEHIND = 3
_IDENTIFY, _COUNTERS = "identify", "throttle counters"

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Superseded(Exception):
    """The thread's call came back after another thread had taken over, or after the halt: it must touch nothing."""


@dataclass(kw_only=True, slots=True)
class _Call:
    question: str
    since: float


class Reader:
    """The reading of one GPU. `record` is None until the GPU has said who it is."""

    def __init__(
        self,
        device: GpuDevice,
        roster: GpuRoster,
        halt: threading.Event,
        in_flight: CallsInFlight,
        *,
        seconds: float,
        limit: float,
        clock: Callable[[], float],
    ) -> None:
        self.driver_gone = self.forbidden = False
        self.lost_since: float | None = None
        self.record: GpuRecord | None = None
        self._expected = roster.expect(device.index, clock())
        self._device, self._roster, self._halt, self._in_flight = device, roster, halt, in_flight
        self._seconds, self._limit, self._clock = seconds, limit, clock
        self._questions: Sequence[Question] = ()
        self._due: dict[str, float] = {}
        self._failing: dict[str, str] = {}
        self._lock = threading.Lock()
        self._turn = 0
        self._call: _Call | None = None
        self._left_behind: set[str] = set()
        self._threads: list[threading.Thread] = []

    # --- threads ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with a thread of its own."""
        with self._lock:
            self._take_turn()

    def watch(self) -> None:
        """Set a question aside that hangs for longer than the limit, and let another thread take over."""
        with self._lock:
            if self._call is not None and self._clock() - self._call.since > self._limit:
                _log.warning("GPU %d: %s does not return; it is set aside", self._device.index, self._call.question)
                self._left_behind.add(self._call.question)
                self._call = None
                self._turn += 1
                if len(self._left_behind) < MOST_LEFT_BEHIND:
                    self._take_turn()

    @property
    def failing(self) -> int:
        """How many questions fail or hang just now."""
        if not (self._left_behind or self._failing):
            return 0
        with self._lock:
            hanging = {question.name for question in self._questions if _key(question) in self._left_behind}
            return len(hanging | set(self._failing) | self._left_behind & {_IDENTIFY, _COUNTERS})

    def threads(self) -> list[threading.Thread]:
        """Return the threads that have not ended."""
        with self._lock:
            return [thread for thread in self._threads if thread.is_alive()]

    def _take_turn(self) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        name = f"gpu-{self._device.index}-reader"
        thread = threading.Thread(target=self._run, args=(self._turn,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, turn: int) -> None:
        try:
            while not (self.driver_gone or self.forbidden):
                self.step(turn)
                if self._halt.wait(to_next(self._clock(), self._seconds)):
                    return
        except Superseded:
            pass

    def _ask(self, name: str, question: Callable[[], _T], turn: int) -> _T:
        """Ask the driver. Superseded when that took so long that another thread has the turn, or the halt came."""
        with self._lock:
            if turn != self._turn:
                raise Superseded
            self._call = _Call(question=name, since=self._clock())
        try:
            with self._in_flight.call():
                return question()
        finally:
            self._return(name, turn)

    def _return(self, name: str, turn: int) -> None:
        with self._lock:
            if turn == self._turn:
                self._call = None
            else:
                full = len(self._left_behind) == MOST_LEFT_BEHIND
                self._left_behind.discard(name)
                if full and not self._halt.is_set():
                    self._take_turn()
            if turn != self._turn or self._halt.is_set():
                raise Superseded

    # --- one round ----------------------------------------------------------------------------------------------------

    def step(self, turn: int = 0) -> None:
        """Ask what is due now."""
        try:
            if self.record is None:
                self._meet(turn)
            self._round(turn)
        except GpuForbidden as refusal:
            _log.info("GPU %d is left out: %s", self._device.index, refusal.message)
            self._roster.leave_out(self._device.index)
            self.forbidden = True
        except GpuUnavailable as trouble:
            self.lose(trouble)
            self.driver_gone = True
        except GpuLost as trouble:
            self.lose(trouble)

    def _meet(self, turn: int) -> None:
        if _IDENTIFY in self._left_behind:
            return
        try:
            identity = self._ask(_IDENTIFY, self._device.identify, turn)
        except (GpuLost, GpuForbidden, GpuUnavailable, Superseded):
            raise
        except Exception as trouble:
            raise GpuLost(str(trouble), next_step="see whether the vendor's own tool shows the GPU") from trouble
        record = self._roster.claim(identity, self._clock())
        self._questions, self._due = self._device.questions(), {}
        self._expected = self.record = record

    def _round(self, turn: int) -> None:
        """Ask every question that is due. GpuLost when the GPU itself answers none of them and at least one failed."""
        if self.record is None:
            return
        failure, asked, heard = "", False, False
        for question in self._questions:
            now = self._clock()
            if now < self._due.get(question.name, now) or _key(question) in self._left_behind:
                continue
            self._due[question.name] = now + question.every_seconds
            asked = asked or question.vital
            answer = self._answer(question, now, turn)
            if answer is None:
                failure = failure or self._failing[question.name]
            else:
                self.record.answers[question.name] = answer
                if question.vital and not answer.absent:
                    heard = True
                    self._hear(now)
        self._read_counters(turn)
        if failure and not heard:
            raise GpuLost(failure, next_step="see whether the vendor's own tool shows the GPU")
        if asked and not heard:
            self._hear(self._clock())  # a part that has nothing of all this is there all the same

    def _answer(self, question: Question, now: float, turn: int) -> Answer | None:
        """Ask one question; None when that failed."""
        try:
            # Made a tuple inside of the call: an answer that is made while it is read may hang, too.
            values = self._ask(_key(question), lambda: tuple(question.ask()), turn)
            answer = Answer(question=question, at=now, values=values)
        except GpuAbsent:
            answer = Answer(question=question, at=now, values=(), absent=True)
        except (GpuLost, GpuUnavailable, Superseded):
            raise
        except Exception as trouble:  # noqa: BLE001 (told; one question must not cost the others)
            self._fail(question, trouble)
            return None
        self._failing.pop(question.name, None)
        return answer

    def _read_counters(self, turn: int) -> None:
        """Read the hardware's throttle counters, for the sampler to weigh."""
        if self.record is None or _COUNTERS in self._left_behind:
            return
        counters: Mapping[str, int] = {}
        try:
            counters = self._ask(_COUNTERS, self._device.throttle_counters, turn)
        except GpuAbsent:
            pass
        except (GpuLost, GpuUnavailable, Superseded):
            raise
        except Exception as trouble:  # noqa: BLE001 (the sampler's sums count then)
            _log.debug("GPU %d: the throttle counters cannot be read: %s", self._device.index, trouble)
            return
        self.record.counters = CounterReading(counters=counters, at=self._clock())

    def _fail(self, question: Question, trouble: Exception) -> None:
        if question.name not in self._failing:
            _log.info("GPU %d: %s fails: %s", self._device.index, question.name, trouble)
        self._failing[question.name] = str(trouble) or type(trouble).__name__
        self._due[question.name] = self._clock()  # a failure is no answer: ask again in the next round

    def _hear(self, now: float) -> None:
        self.lost_since = None
        if self.record is not None and self.record.hear(now):
            _log.info("GPU %d answers again", self._device.index)

    def lose(self, trouble: GpuLost | GpuUnavailable) -> None:
        """Note that the GPU does not answer; it has to be met again."""
        record = self.record or self._expected
        self.record = None
        self._failing = {}
        if self.lost_since is None:
            self.lost_since = self._clock()
        if record.lose():
            _log.warning("GPU %d does not answer: %s", self._device.index, trouble.message)


def _key(question: Question) -> str:
    """Return what hangs when a question does."""
    return question.call or question.name
