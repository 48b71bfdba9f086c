"""Recorded answers of NVML served again: a library that stands where the driver's stands, and answers from a file.

Made by `atlas_ops.cli.exporter` for `--gpu-replay`; the binding and everything above it are the real ones. The replayed
time begins when the library is first initialised. Behind the end of the recording its last answers stay: beginning again
would let every counter run backwards.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atlas_ops.exporter.nvml.calls import NvmlCode
from atlas_ops.exporter.nvml.raw.call import Call
from atlas_ops.exporter.nvml.raw.events import EventSets
from atlas_ops.exporter.nvml.raw.fill import Unfit
from atlas_ops.exporter.nvml.raw.handles import Handles
from atlas_ops.exporter.nvml.raw.lines import Answer, key
from atlas_ops.exporter.nvml.raw.plain import Unreadable
from atlas_ops.exporter.nvml.raw.recording import EVENT_WAITS, Recording

_OPENING = ("nvmlInit_v2", "nvmlInitWithFlags")
_CLOSING = ("nvmlShutdown", "nvmlEventSetFree", "nvmlGpmSampleFree")
"""Always there and always well, for a recording that was cut off has no end."""

_log = logging.getLogger(__name__)


class ReplayLibrary:
    """Answers what was asked when `path` was recorded; ConfigError with the mistakes in that file.

    A question that was never asked is NOT_SUPPORTED, a function that was never called is not there. The clock (seconds,
    never backwards) is a parameter for tests.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._recording = Recording(path)
        self._handles = Handles()
        self._events = EventSets(self._recording.events, self._now)
        self._started_at: float | None = None
        self._complained: set[str] = set()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a function; AttributeError for one that was never called in the recording."""
        if name == "nvmlErrorString":
            # Only asked for codes that the binding has no words for.
            return lambda code: f"NVML error {code}".encode()
        if name not in self._recording.functions and name not in (*_OPENING, *_CLOSING):
            raise AttributeError(name)
        return lambda *arguments: self._call(name, arguments)

    def _call(self, name: str, arguments: tuple[Any, ...]) -> int:
        try:
            with self._lock:
                call = Call(name, arguments, self._handles)
                if name not in EVENT_WAITS:
                    return self._reply(call)
            return self._wait(call)
        except Unreadable:
            return NvmlCode.NOT_SUPPORTED
        except Unfit as reason:
            self._complain(name, str(reason))
            return NvmlCode.UNKNOWN

    def _reply(self, call: Call) -> int:
        if call.function in _OPENING:
            self._begin()
            return NvmlCode.SUCCESS
        answer = self._recording.answer(key(call.function, call.of, call.inputs), self._now())
        if call.function in _CLOSING:
            answer = Answer(at=0.0, function=call.function)
        if answer is None:
            return NvmlCode.NOT_SUPPORTED
        call.answer(answer.outputs)
        if answer.code == NvmlCode.SUCCESS:
            self._follow(call)
        return answer.code

    def _follow(self, call: Call) -> None:
        call.name_handles()
        if call.function == "nvmlDeviceRegisterEvents":
            self._events.register(call.last_handle, call.of)
        elif call.function == "nvmlEventSetFree":
            self._events.free(call.handle)

    def _wait(self, call: Call) -> int:
        milliseconds = call.inputs[-1] if call.inputs else None
        event = self._events.wait(call.handle, milliseconds / 1000 if isinstance(milliseconds, int) else 0.0)
        if event is None:
            return NvmlCode.TIMEOUT
        with self._lock:
            call.answer(event.outputs)
        return NvmlCode.SUCCESS

    def _begin(self) -> None:
        if self._started_at is None:
            self._started_at = self._clock()
            made = self._recording.header
            _log.info("replaying %s: %d GPU(s), driver %s, of %s", self._path, len(made.gpus), made.driver, made.date)

    def _now(self) -> float:
        return 0.0 if self._started_at is None else self._clock() - self._started_at

    def _complain(self, name: str, reason: str) -> None:
        if name not in self._complained:
            self._complained.add(name)
            _log.warning("%s: an answer of %s is of no use: %s", self._path, name, reason)
