"""A recording being written: ids masked, and an answer that equals the one before to the same question left out.

Filled by `exporter.nvml.record` from the threads that call the driver.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from atlas_ops.errors import EnvironmentProblem, UsageError
from atlas_ops.exporter.nvml.raw.lines import Answer, Header
from atlas_ops.exporter.nvml.raw.mask import Mask
from atlas_ops.exporter.nvml.raw.plain import Plain
from atlas_ops.exporter.nvml.raw.recording import EVENT_WAITS

_TIMES = frozenset({"timestamp", "latencyUsec"})
"""Fields that say when the driver found a value and how long it took: an answer is the same if only they differ."""


class RecordingFile:
    """A new file, to which answers are added. Safe for threads.

    UsageError when the file exists and may not be replaced, EnvironmentProblem when it cannot be written. What goes wrong
    later, such as a full disk, must not disturb the calls that are recorded: it is told by `trouble`.
    """

    def __init__(
        self, path: Path, header: Header, *, replace: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._started_at = clock, clock()
        self._lock = threading.Lock()
        self._mask = Mask()
        self._last: dict[str, str] = {}
        self._not_recorded: dict[str, str] = {}
        self._answers = 0
        self._trouble: EnvironmentProblem | None = None
        self._path = path
        try:
            self._file = path.open("w" if replace else "x", encoding="ascii")
        except FileExistsError:
            raise UsageError(f"{path} exists", next_step="give another name, or --force to replace it") from None
        except OSError as error:
            raise _unwritable(path, error) from error
        self._write(header.line())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            try:
                self._file.close()
            except OSError as problem:
                self._trouble = self._trouble or _unwritable(self._path, problem)

    @property
    def answers(self) -> int:
        """How many answers the file has."""
        return self._answers

    @property
    def not_recorded(self) -> tuple[str, ...]:
        """Names of the functions that were called and are not recorded."""
        return tuple(self._not_recorded)

    @property
    def trouble(self) -> EnvironmentProblem | None:
        """Why the file has not got everything; None while it has."""
        return self._trouble

    def answer(self, function: str, of: str, inputs: list[Plain], code: int, outputs: list[Plain]) -> None:
        """Add an answer, unless it is the same as before. An event is none that could be the same."""
        is_event = function in EVENT_WAITS and code == 0
        with self._lock:
            answer = Answer(
                at=self._now(),
                function=function,
                of=of,
                inputs=[self._mask.plain(data, function) for data in inputs],
                code=code,
                outputs=[self._mask.plain(data, function) for data in outputs],
            )
            told = json.dumps([answer.code, _timeless(answer.outputs)])
            if is_event or self._last.get(answer.key) != told:
                self._last[answer.key] = told
                self._answers += 1
                self._write(answer.line())

    def leave_out(self, function: str, reason: str) -> None:
        """Say once that the answers of a function are not recorded."""
        with self._lock:
            if function not in self._not_recorded:
                self._not_recorded[function] = reason
                self._write(Answer(at=self._now(), function=function, not_recorded=reason).line())

    def flush(self) -> None:
        """Hand over to the disk what was added, so that a recording that is cut off lacks no more than what followed."""
        with self._lock:
            self._attempt(self._file.flush)

    def _now(self) -> float:
        return round(self._clock() - self._started_at, 4)

    def _write(self, line: str) -> None:
        self._attempt(lambda: self._file.write(line))

    def _attempt(self, step: Callable[[], object]) -> None:
        """Take a step, unless one failed before or the file is closed, as it is for a call that outlasts the recording."""
        if self._trouble is None and not self._file.closed:
            try:
                step()
            except OSError as error:
                self._trouble = _unwritable(self._path, error)


def _timeless(data: Plain) -> Plain:
    if isinstance(data, dict):
        return {name: _timeless(value) for name, value in data.items() if name not in _TIMES}
    return [_timeless(item) for item in data] if isinstance(data, list) else data


def _unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"cannot write {path}: {error.strerror}", next_step="give a file on another disk or folder"
    )
