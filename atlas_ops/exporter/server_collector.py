"""One model server: asked at an interval, translated, and kept as an immutable result that a page can take at once.

Made by `atlas_ops.cli.exporter_servers`, one for each server, each with its own thread: a server that hangs, floods or lies
costs its own samples and nothing else. What a dead server once said is never served as if it were fresh.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.exporter.collector import Round
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState
from atlas_ops.exporter.watched_server import WatchedServer
from atlas_ops.settings import Exporter, Server

_log = logging.getLogger(__name__)

START_GRACE_SECONDS = 600.0
"""How long a server that has never answered counts as starting. Weights of large models load for minutes: vLLM took up
to 480 s for a tiny one on a busy machine, and start-up probes of LLM servers usually allow ten minutes."""
STALE_ROUNDS = 3
"""After so many missed rounds a result is no longer served. A round ends in time whatever the server does, unless the
resolver of names or the file system of the token hangs."""
_ANSWERS = (ScrapeState.OK, ScrapeState.EMPTY, ScrapeState.DISABLED, ScrapeState.UNAUTHORIZED)
"""States of a server that is there, so its other endpoints can be asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    """What one round found."""

    finished: float
    """Monotonic time."""
    duration: float
    state: ScrapeState
    samples: tuple[Sample, ...]
    """From the page."""
    success: bool
    whole: tuple[Sample, ...] = ()
    """The samples, and what the endpoints told besides."""


class ServerCollector:
    """Collects from one model server. `memory` returns the GPU memory of its processes, in bytes."""

    def __init__(
        self,
        server: Server,
        identity: Identity,
        exporter: Exporter,
        dialects: Sequence[Dialect],
        memory: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.name = f"server/{identity.server}"
        self.interval_seconds = exporter.interval_seconds
        self._timeout = exporter.timeout_seconds
        self._who = identity.server
        self._server = WatchedServer(server, identity, exporter, dialects, memory)
        self._ever_ok = False
        self._asked = False
        self._watched_since = time.monotonic()
        self._result: _Result | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin the rounds."""
        self._watched_since = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End the running round and the thread."""
        self._stopping.set()
        self._server.close()
        if self._thread.is_alive():
            self._thread.join(timeout=self._timeout)

    def renew(self, server: Server) -> None:
        """Take in what may change of the server while it stays the same: the start of its container, its track and release."""
        self._server.renew(server)

    @property
    def ready(self) -> bool:
        """Whether the first round is over."""
        return self._asked

    @property
    def runtime(self) -> str:
        """The id of the server's dialect, `unknown` as long as nobody knows."""
        return self._server.runtime

    def last_round(self) -> Round | None:
        """Return the last round; None before the first one is over."""
        result = self._result
        if result is None:
            return None
        age = time.monotonic() - result.finished
        return Round(age_seconds=age, duration_seconds=result.duration, success=result.success)

    def collect(self) -> list[Sample]:
        """Return what the last round found, or why there is nothing; never waits."""
        result = self._result
        if result is None:
            return []
        if self._too_old(result):
            return self._status(ScrapeState.TIMEOUT)
        return [*self._status(result.state), *result.whole]

    def version(self) -> Hashable:
        """Return what tells one result, and the time when it is too old to be told, from the next."""
        result = self._result
        return result and (id(result.whole), result.finished, self._too_old(result))

    def _too_old(self, result: _Result) -> bool:
        limit = STALE_ROUNDS * self.interval_seconds + self._timeout
        return time.monotonic() - result.finished > limit

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            result = self._round()
            if self._stopping.is_set():
                return  # cut off half-way, so it says nothing of the server
            self._result = self._whole(result)
            # The page is served before other endpoints are asked: one that hangs must not delay it.
            due = max(due + self.interval_seconds, time.monotonic())
            self._ask(result, Deadline(max(min(self._timeout, due - time.monotonic()), 1.0)))
            # Rounds keep to the beat; those that a slow server has missed are skipped.
            self._stopping.wait(due - time.monotonic())

    def _round(self) -> _Result:
        began = time.monotonic()
        samples: tuple[Sample, ...] = ()
        state, reason, success = ScrapeState.OK, "", True
        try:
            samples = self._server.scrape(Deadline(self._timeout))
        except ScrapeFailure as failure:
            state, reason = self._state(failure), failure.message
        except Exception:  # noqa: BLE001 (logged whole; a page must not end the thread)
            _log.exception("server %s: its page could not be translated", self._who)
            state, reason, success = ScrapeState.UNPARSABLE, "the exporter failed on this page", False
        self._ever_ok = self._ever_ok or state is ScrapeState.OK
        if not self._stopping.is_set():
            self._log_change(state, reason)
        now = time.monotonic()
        return _Result(finished=now, duration=now - began, state=state, samples=samples, success=success)

    def _ask(self, result: _Result, deadline: Deadline) -> None:
        answers = result.state in _ANSWERS
        try:
            if answers:
                self._server.ask(deadline)
            self._server.look(result.samples, answers=answers)
            self._result = self._whole(result)
        except Exception:  # noqa: BLE001 (logged whole; what the page told stands)
            _log.exception("server %s: its endpoints could not be asked", self._who)
        self._asked = True

    def _whole(self, result: _Result) -> _Result:
        besides = self._server.besides(result.samples) if result.state in _ANSWERS else []
        return replace(result, whole=(*result.samples, *besides, *self._server.counters()))

    def _state(self, failure: ScrapeFailure) -> ScrapeState:
        in_grace = time.monotonic() - self._watched_since < START_GRACE_SECONDS
        return ScrapeState.STARTING if failure.loading and in_grace and not self._ever_ok else failure.state

    def _status(self, state: ScrapeState) -> list[Sample]:
        told = self._server.sample
        states = [told(s.SERVER_SCRAPE_STATE, float(one is state), state=one.value) for one in ScrapeState]
        return [told(s.SERVER_UP, float(state is ScrapeState.OK)), *states, self._server.release()]

    def _log_change(self, state: ScrapeState, reason: str) -> None:
        before = self._result.state if self._result else None
        if state is before:
            return
        if state is ScrapeState.OK:
            _log.info("server %s answers", self._who)
        else:
            _log.warning("server %s: %s: %s", self._who, state.value, reason)
