"""One model server: asked at an interval, translated, and kept as an immutable result that a page can take at once.

Made by `atlas_ops.cli.exporter`, one for each server, each with its own thread: a server that hangs, floods or lies
costs its own samples and nothing else. What a dead server once said is never served as if it were fresh.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialects import recognise
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.collector import Round
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.fetch import Answer, Fetcher
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.parse import Page, Parser
from atlas_ops.exporter.restarts import Restarts
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState
from atlas_ops.exporter.translate import Translator
from atlas_ops.settings import Exporter, Server

_log = logging.getLogger(__name__)

START_GRACE_SECONDS = 600.0
"""How long a server that has never answered counts as starting. Weights of large models load for minutes: vLLM took up
to 480 s for a tiny one on a busy machine, and start-up probes of LLM servers usually allow ten minutes."""
STALE_ROUNDS = 3
"""After so many missed rounds a result is no longer served. A round ends in time whatever the server does, unless the
resolver of names or the file system of the token hangs."""
DEFAULT_PATH = "/metrics"
"""Where the page is looked for while the runtime is not known."""
UNKNOWN_RUNTIME = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    """What one round found."""

    finished: float
    """Monotonic time."""
    duration: float
    state: ScrapeState
    samples: tuple[Sample, ...]
    success: bool


class ServerCollector:
    """Collects from one model server."""

    def __init__(self, server: Server, identity: Identity, exporter: Exporter, dialects: Sequence[Dialect]) -> None:
        self.name = f"server/{identity.server}"
        self.interval_seconds = exporter.interval_seconds
        self._server = server
        self._identity = identity
        self._exporter = exporter
        self._dialects = dialects
        self._fetcher = Fetcher(max_bytes=exporter.max_page_bytes, bearer_token_file=server.bearer_token_file)
        self._parser = Parser()
        self._restarts = Restarts(identity.server)
        told = next((dialect for dialect in dialects if dialect.runtime == server.runtime), None)
        self._translator = self._translator_for(told) if told else None
        self._ever_ok = False
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
        self._fetcher.close()
        if self._thread.is_alive():
            self._thread.join(timeout=self._exporter.timeout_seconds)

    @property
    def ready(self) -> bool:
        """Whether the first round is over."""
        return self._result is not None

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
        return [*self._status(result.state), *result.samples]

    def version(self) -> Hashable:
        """Return what tells one round, and the time when it is too old to be told, from the next."""
        result = self._result
        return result and (result.finished, self._too_old(result))

    def _too_old(self, result: _Result) -> bool:
        limit = STALE_ROUNDS * self.interval_seconds + self._exporter.timeout_seconds
        return time.monotonic() - result.finished > limit

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            result = self._round()
            if self._stopping.is_set():
                return  # cut off half-way, so it says nothing of the server
            self._result = result
            # Rounds keep to the beat; those that a slow server has missed are skipped.
            due = max(due + self.interval_seconds, time.monotonic())
            self._stopping.wait(due - time.monotonic())

    def _round(self) -> _Result:
        began = time.monotonic()
        samples: tuple[Sample, ...] = ()
        state, reason, success = ScrapeState.OK, "", True
        try:
            samples = self._scrape(Deadline(self._exporter.timeout_seconds))
        except ScrapeFailure as failure:
            state, reason = self._state(failure), failure.message
        except Exception:  # noqa: BLE001 (logged whole; a page must not end the thread)
            _log.exception("server %s: its page could not be translated", self._identity.server)
            state, reason, success = ScrapeState.UNPARSABLE, "the exporter failed on this page", False
        if state is ScrapeState.OK:
            self._ever_ok = True
            self._restarts.observe(samples)
        if not self._stopping.is_set():
            self._log_change(state, reason)
        now = time.monotonic()
        samples += tuple(self._own_counters())
        return _Result(finished=now, duration=now - began, state=state, samples=samples, success=success)

    def _scrape(self, deadline: Deadline) -> tuple[Sample, ...]:
        translator = self._translator
        path = translator.dialect.metrics_path if translator else DEFAULT_PATH
        page = self._parser.parse(_body(self._fetcher.get(self._url(path), deadline)))
        translator = self._translator = self._choose(page)
        samples = translator.translate(page) if translator else ()
        if translator is None or not samples:
            raise ScrapeFailure(ScrapeState.EMPTY, _nothing_known(page, self._dialects, translator))
        return samples + self._readiness(translator.dialect, deadline)

    def _choose(self, page: Page) -> Translator | None:
        """Return the translator for a page: the one that was told, or the one of the runtime that is recognised."""
        if self._server.runtime:
            return self._translator
        found = recognise(self._dialects, page.names)
        if found is None or (self._translator and self._translator.dialect is found):
            return self._translator
        _log.info("server %s is %s", self._identity.server, found.name)
        return self._translator_for(found)

    def _translator_for(self, dialect: Dialect) -> Translator:
        return Translator(dialect, self._identity, self._exporter.max_models)

    def _readiness(self, dialect: Dialect, deadline: Deadline) -> tuple[Sample, ...]:
        if dialect.readiness is None:
            return ()
        url = urlunsplit((*urlsplit(self._server.url)[:2], dialect.readiness.path, "", ""))
        try:
            status = self._fetcher.get(url, deadline).status
        except ScrapeFailure as failure:
            _log.debug("server %s: no word on its readiness: %s", self._identity.server, failure.message)
            return ()
        ready = {200: 1.0, 500: 0.0, 503: 0.0}.get(status)
        return () if ready is None else (self._sample(s.SERVER_READY, ready),)

    def _state(self, failure: ScrapeFailure) -> ScrapeState:
        in_grace = time.monotonic() - self._watched_since < START_GRACE_SECONDS
        return ScrapeState.STARTING if failure.loading and in_grace and not self._ever_ok else failure.state

    def _status(self, state: ScrapeState) -> list[Sample]:
        states = [self._sample(s.SERVER_SCRAPE_STATE, float(one is state), state=one.value) for one in ScrapeState]
        return [self._sample(s.SERVER_UP, float(state is ScrapeState.OK)), *states]

    def _own_counters(self) -> list[Sample]:
        left_out = self._translator.left_out.items() if self._translator else ()
        dropped = [self._sample(s.EXPORTER_DROPPED, float(number), reason=reason) for reason, number in left_out]
        return [self._sample(s.SERVER_RESTARTS, float(self._restarts.count)), *dropped]

    def _sample(self, signal: Signal, value: float, **labels: str) -> Sample:
        runtime = self._translator.dialect.runtime if self._translator else UNKNOWN_RUNTIME
        return Sample(signal, self._identity.labels(signal, **{c.RUNTIME: runtime}, **labels), value)

    def _url(self, default_path: str) -> str:
        parts = urlsplit(self._server.url)
        path = parts.path if parts.path not in ("", "/") else default_path
        return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

    def _log_change(self, state: ScrapeState, reason: str) -> None:
        before = self._result.state if self._result else None
        if state is before:
            return
        if state is ScrapeState.OK:
            _log.info("server %s answers", self._identity.server)
        else:
            _log.warning("server %s: %s: %s", self._identity.server, state.value, reason)


def _body(answer: Answer) -> bytes:
    """Return the body of a good answer; ScrapeFailure with the state that its status means."""
    status = answer.status
    if 200 <= status < 300:
        if not answer.body.strip():
            raise ScrapeFailure(ScrapeState.EMPTY, "the page has nothing on it")
        return answer.body
    if status in (401, 403):
        raise ScrapeFailure(ScrapeState.UNAUTHORIZED, f"HTTP {status}: give or renew its bearer_token_file")
    if status in (404, 405, 501):
        raise ScrapeFailure(ScrapeState.DISABLED, f"HTTP {status}: there is no metrics page at this address")
    if status >= 500:
        raise ScrapeFailure(ScrapeState.UNREACHABLE, f"HTTP {status}", loading=status == 503)
    what = "a redirect, which is not followed" if status < 400 else "no metrics page"
    raise ScrapeFailure(ScrapeState.UNPARSABLE, f"HTTP {status}: {what}")


def _nothing_known(page: Page, dialects: Sequence[Dialect], translator: Translator | None) -> str:
    if translator is None:
        return f"no metric of a known runtime on the page ({', '.join(dialect.name for dialect in dialects)})"
    dialect, other = translator.dialect, recognise(dialects, page.names)
    if other is not None and other is not dialect:
        return f"no metric of {dialect.name} on the page, which looks like one of {other.name}"
    if other is dialect:
        return f"every metric of {dialect.name} on the page is one that must not be counted: is this a router?"
    return f"no metric of {dialect.name} on the page: {dialect.metrics_switch}"
