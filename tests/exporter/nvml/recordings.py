"""Recordings of simulated nodes, and the binding on top of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynvml

from atlas_ops.exporter.nvml.raw.lines import Header
from atlas_ops.exporter.nvml.raw.writer import RecordingFile
from atlas_ops.exporter.nvml.record import RecordingLibrary
from atlas_ops.exporter.nvml.replay import ReplayLibrary

HEADER = Header(driver="580.82.07", nvml="", binding="", gpus=("H100",), interval_seconds=1.0, date="2026-01-31")


@dataclass
class Clock:
    """Seconds that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Front:
    """A library in front of another one, with other answers to some functions. None: it does not have the function."""

    def __init__(self, behind: object, **answers: Callable[..., int] | None) -> None:
        self._behind, self._answers = behind, answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = self._answers.get(name, getattr(self._behind, name, None))
        if function is None:
            raise AttributeError(name)
        return function


@contextmanager
def under_the_binding(library: object) -> Iterator[None]:
    """Let the binding use a library that is open; everything is put back behind it."""
    before, users = pynvml.nvmlLib, pynvml._nvmlLib_refcount
    pynvml.nvmlLib = library
    pynvml._nvmlGetFunctionPointer_cache.clear()
    try:
        pynvml.nvmlInit()
        yield
        pynvml.nvmlShutdown()
    finally:
        pynvml.nvmlLib, pynvml._nvmlLib_refcount = before, users
        pynvml._nvmlGetFunctionPointer_cache.clear()


@contextmanager
def recording(path: Path, library: object, clock: Clock | None = None) -> Iterator[RecordingFile]:
    """Record what the binding is asked in the meantime."""
    with (
        RecordingFile(path, HEADER, replace=True, clock=clock or Clock()) as file,
        under_the_binding(RecordingLibrary(library, file)),
    ):
        yield file


@contextmanager
def replaying(path: Path, clock: Clock | None = None) -> Iterator[Clock]:
    """Let the binding answer from a recording, at the time of the clock."""
    clock = clock or Clock()
    with under_the_binding(ReplayLibrary(path, clock=clock)):
        yield clock
