"""Asks one GPU every question, once a second, and keeps what it knows of the GPU's life: met, heard, lost.

The first of a GPU's three threads (`gpu.worker`), or rather a relay of them (`gpu.relay`): a question that hangs is set
aside, and the others go on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from atlas_ops.exporter.gpu.backend import (
    GpuAbsent,
    GpuDevice,
    GpuForbidden,
    GpuLost,
    GpuUnavailable,
    Question,
)
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.record import Answer, GpuRecord
from atlas_ops.exporter.gpu.relay import Relay, Superseded, Turn
from atlas_ops.exporter.gpu.roster import GpuRoster
from atlas_ops.exporter.gpu.throttle_ledger import Moment

_IDENTIFY, _COUNTERS = "identify", "throttle counters"

PATIENCE_SECONDS = 5.0
"""How long counters that cannot be read are waited for."""
ABSENT_SECONDS = 10.0
"""Between two asks for what the part does not have: the driver may take as long to say so (an H200's fan: 0.2 ms)."""

_log = logging.getLogger(__name__)


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
        self.meetings = 0
        """How often the GPU was met: what was asked by the handle of an earlier meeting has to be asked anew."""
        self._expected = roster.expect(device.index, clock())
        self._device, self._roster, self._clock = device, roster, clock
        self._counters = device.counters_call or _COUNTERS
        self._counted_at = clock()
        self._questions: Sequence[Question] = ()
        self._due: dict[str, float] = {}
        self._failing: dict[str, str] = {}
        self.relay = Relay(
            f"gpu-{device.index}-reader", self.step, halt, in_flight, seconds=seconds, limit=limit, clock=clock
        )

    @property
    def failing(self) -> int:
        """How many questions fail or hang just now."""
        hanging = self.relay.hanging
        if not (hanging or self._failing):
            return 0
        named = {question.name for question in self._questions if _key(question) in hanging}
        return len(named | set(self._failing) | hanging & {_IDENTIFY, self._counters})

    def step(self, turn: Turn) -> bool:
        """Ask what is due now; return whether there is anything more to ask."""
        try:
            if self.record is None:
                self._meet(turn)
            self._round(turn)
        except GpuForbidden as refusal:
            _log.info("GPU %d is left out: %s", self._device.index, refusal.message)
            self._roster.leave_out(self._device.index)
            self.forbidden = True
        except GpuUnavailable as trouble:
            self._lose(trouble)
            self.driver_gone = True
        except GpuLost as trouble:
            self._lose(trouble)
        return not (self.driver_gone or self.forbidden)

    def _meet(self, turn: Turn) -> None:
        if turn.hangs(_IDENTIFY):
            return
        try:
            identity = turn.ask(_IDENTIFY, self._device.identify)
        except (GpuLost, GpuForbidden, GpuUnavailable, Superseded):
            raise
        except Exception as trouble:
            raise GpuLost(str(trouble), next_step="see whether the vendor's own tool shows the GPU") from trouble
        record = self._roster.claim(identity, self._clock())
        self._questions, self._due = self._device.questions(), {}
        self.meetings += 1
        self._counted_at = self._clock()
        self._expected = self.record = record

    def _round(self, turn: Turn) -> None:
        """Ask every question that is due. GpuLost when the GPU itself answers none of them and at least one failed."""
        if self.record is None:
            return
        failure, asked, heard = "", False, False
        for question in self._questions:
            now = self._clock()
            if now < self._due.get(question.name, now) or turn.hangs(_key(question)):
                continue
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

    def _answer(self, question: Question, now: float, turn: Turn) -> Answer | None:
        """Ask one question; None when that failed."""
        try:
            # Made a tuple inside of the call: an answer that is made while it is read may hang, too.
            values = turn.ask(_key(question), lambda: tuple(question.ask()))
            answer = Answer(question=question, at=now, values=values)
        except GpuAbsent:
            answer = Answer(question=question, at=now, values=(), absent=True)
        except (GpuLost, GpuUnavailable, Superseded):
            raise
        except Exception as trouble:  # noqa: BLE001 (told; one question must not cost the others)
            self._fail(question, trouble)
            return None
        self._failing.pop(question.name, None)
        self._due[question.name] = now + max(question.every_seconds, ABSENT_SECONDS if answer.absent else 0.0)
        return answer

    def _read_counters(self, turn: Turn) -> None:
        """Read the hardware's throttle counters. Without them for a while, the sampler's sums count."""
        counters: Mapping[str, int] = {}
        try:
            if not turn.hangs(self._counters):
                counters = turn.ask(self._counters, self._device.throttle_counters)
        except GpuAbsent:
            pass
        except (GpuLost, GpuUnavailable, Superseded):
            raise
        except Exception as trouble:  # noqa: BLE001 (told; nothing else depends on it)
            if self._counters not in self._failing:
                _log.info("GPU %d: the throttle counters cannot be read: %s", self._device.index, trouble)
            self._failing[self._counters] = str(trouble)
            if self._clock() - self._counted_at < PATIENCE_SECONDS:
                return
        else:
            self._failing.pop(self._counters, None)
        self._counted_at = self._clock()
        if self.record is not None:
            self.record.throttle.look(counters, Moment(now=self._counted_at, wall=time.time()))

    def _fail(self, question: Question, trouble: Exception) -> None:
        if question.name not in self._failing:
            _log.info("GPU %d: %s fails: %s", self._device.index, question.name, trouble)
        self._failing[question.name] = str(trouble) or type(trouble).__name__

    def _hear(self, now: float) -> None:
        self.lost_since = None
        if self.record is not None and self.record.hear(now):
            _log.info("GPU %d answers again", self._device.index)

    def _lose(self, trouble: GpuLost | GpuUnavailable) -> None:
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
