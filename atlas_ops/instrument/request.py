"""One request, from its arrival to the end of its answer. Made by `Instrument.request`, one for each; used by the server."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from atlas_ops.instrument.failures import Failures, harmless
from atlas_ops.instrument.outcome import OUTCOMES, Ended, Outcome, outcome_of
from atlas_ops.instrument.tally import Tally
from atlas_ops.instrument.telemetry import Recorder


class Request:
    """A context manager: how the block ends is how the request ended, unless `mark` says otherwise.

    It belongs around the whole answer: with a streamed one, around the loop in the generator that sends it. None of its
    methods raises.
    """

    def __init__(self, tally: Tally, recorder: Recorder) -> None:
        self._tally = tally
        self._recorder = recorder
        self._began = 0.0
        self._first: float | None = None
        self._marked: Ended | None = None
        self._prompt = self._generated = 0

    @property
    def failures(self) -> Failures:
        """Where failed measurements are counted."""
        return self._tally.failures

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._tally.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def waiting(self) -> Waiting:
        """Return a context manager for the time in which the request stands in line: it waits then, and does not run."""
        return Waiting(self._tally, self._recorder)

    @harmless
    def first_token(self) -> None:
        """Take the time of the first token, just before it is sent. Calls after the first change nothing."""
        if self._first is None:
            self._first = time.perf_counter()
            self._recorder.first_token(self._first - self._began)

    @harmless
    def tokens(self, *, prompt: int = 0, cached: int = 0, generated: int = 0) -> None:
        """Count tokens, as often as there are more. `prompt` includes the `cached` ones.

        Best called with every chunk of the answer: a server whose requests run while no token comes is a hung one.
        """
        self._tally.add_tokens(prompt, cached, generated)
        self._prompt += prompt
        self._generated += generated

    @harmless
    def mark(self, outcome: Ended) -> None:
        """Say how the request ended, where no exception tells.

        `rejected` when the server is full, `error` when it answers with one of its own making, `ignored` for what is to be
        counted nowhere. The last word counts.
        """
        if outcome not in (*OUTCOMES, "ignored"):
            raise ValueError(f"expected one of {', '.join(OUTCOMES)} or ignored, found {outcome!r}")
        self._marked = outcome

    @harmless
    def _end(self, error: BaseException | None) -> None:
        seconds = time.perf_counter() - self._began
        ended: Ended = "error"
        try:
            ended = self._marked or outcome_of(error)
        finally:
            self._tally.end(ended)
        if ended != "ignored":
            self._record(seconds, ended)

    def _record(self, seconds: float, ended: Outcome) -> None:
        self._recorder.duration(seconds, ended)
        if self._prompt or self._generated:
            self._recorder.tokens(self._prompt, self._generated)
        if ended == "ok" and self._first is not None and self._generated > 1:
            after_the_first = self._began + seconds - self._first
            self._recorder.per_token(after_the_first / (self._generated - 1))


class Waiting:
    """The time in which a request stands in line."""

    def __init__(self, tally: Tally, recorder: Recorder) -> None:
        self._tally = tally
        self._recorder = recorder
        self._began = 0.0

    @property
    def failures(self) -> Failures:
        """Where failed measurements are counted."""
        return self._tally.failures

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        self._tally.queue_up(1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tally.queue_up(-1)
        if error is None:
            self._record(time.perf_counter() - self._began)

    @harmless
    def _record(self, seconds: float) -> None:
        self._recorder.queue_time(seconds)
