"""One model server as its page and its endpoints tell of it: read, translated, asked, and what follows from that.

Used by `server_collector`, which decides when, and what a failure means.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialects import recognise
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.reading import Derivation, Version
from atlas_ops.exporter.asking import Asking
from atlas_ops.exporter.cold_start import ColdStart
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.fetch import Answer, Fetcher
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.page_path import DEFAULT_PATH, PagePath
from atlas_ops.exporter.parse import Page, Parser
from atlas_ops.exporter.places import Places, has_path, metrics_url
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState
from atlas_ops.exporter.translate import Facts, Translator
from atlas_ops.settings import Exporter, Server

_log = logging.getLogger(__name__)

UNKNOWN_RUNTIME = "unknown"
GENERIC_RANK = 1
"""Dialects up to this rank are of web servers in general (FastAPI, gRPC), which may carry any engine."""


class WatchedServer:
    """Everything that the exporter knows of one server. `memory` returns the GPU memory of its processes, in bytes."""

    def __init__(
        self,
        server: Server,
        identity: Identity,
        exporter: Exporter,
        dialects: Sequence[Dialect],
        memory: Callable[[], float | None],
    ) -> None:
        self._server, self._identity, self._exporter, self._dialects = server, identity, exporter, dialects
        self._memory = memory
        self._fetcher = Fetcher(max_bytes=exporter.max_page_bytes, bearer_token_file=server.bearer_token_file)
        self._parser = Parser()
        self._path = PagePath(dialects)
        self._cold_start = ColdStart()
        self._restarts_before = 0
        self._translator: Translator | None = None
        self._asking: Asking | None = None
        told = next((dialect for dialect in dialects if dialect.runtime == server.runtime), None)
        if told:
            self._speaks(told)

    @property
    def runtime(self) -> str:
        """The id of its dialect, `unknown` as long as nobody knows."""
        return self._translator.dialect.runtime if self._translator else UNKNOWN_RUNTIME

    def renew(self, server: Server) -> None:
        """Take in what may change of the server while it stays the same: the start of its container, its track and release."""
        self._server = server

    def release(self) -> Sample:
        """Return which release it is, and whether that is being tried."""
        return self.sample(s.SERVER_RELEASE_INFO, 1.0, track=self._server.track, release=self._server.release)

    def scrape(self, deadline: Deadline) -> tuple[Sample, ...]:
        """Return what its page says; ScrapeFailure when it says nothing that is known."""
        page = self._parser.parse(self._read(deadline))
        self._recognise(page)
        translator = self._translator
        if self._asking:
            self._asking.learn(self._fetcher, deadline)
        samples = translator.translate(page, self._facts()) if translator else ()
        if translator is None or not samples:
            raise ScrapeFailure(ScrapeState.EMPTY, _nothing_known(page, self._dialects, translator))
        return samples

    def _read(self, deadline: Deadline) -> bytes:
        told = self._translator.dialect if self._translator and self._server.runtime else None
        switch = f": {self._translator.dialect.metrics_switch}" if self._translator else ""

        def get(path: str) -> bytes:
            return _body(self._fetcher.get(metrics_url(self._server, path), deadline), switch)

        if told is None and not has_path(self._server):
            return self._path.fetch(get)
        return get(told.metrics_path if told else DEFAULT_PATH)

    def ask(self, deadline: Deadline) -> None:
        """Ask its other endpoints. Never raises."""
        if self._asking and self._translator:
            self._asking.round(self._fetcher, self._translator.models, deadline)

    def look(self, page: Sequence[Sample], *, answers: bool) -> None:
        """Keep what a round tells of its start: whether it answers, and since when its process or container is there."""
        if self._asking and not answers:
            self._asking.forget()
        values = self._asking.values() if self._asking else ()
        asked = {told.value for signal, told in values if signal is s.SERVER_READY}
        began = next((sample.value for sample in page if sample.signal is s.SERVER_START_TIME), self._server.started_at)
        self._cold_start.observe(ready=answers and 0.0 not in asked, began=began, now=time.time())

    def besides(self, page: Sequence[Sample]) -> list[Sample]:
        """Return what the endpoints tell, and what is derived, of the signals that the page does not tell."""
        on_page = {sample.signal for sample in page}
        return [sample for sample in self._besides() if sample.signal not in on_page]

    def counters(self) -> list[Sample]:
        """Return what is counted of the server itself, whatever its state."""
        translator = self._translator
        left_out = translator.left_out.items() if translator else ()
        dropped = [self.sample(s.EXPORTER_DROPPED, float(number), reason=reason) for reason, number in left_out]
        restarts = self._restarts_before + (translator.continuity.restarts if translator else 0)
        return [self.sample(s.SERVER_RESTARTS, float(restarts)), *dropped]

    def close(self) -> None:
        """Cut off whatever is being fetched."""
        self._fetcher.close()

    def sample(self, signal: Signal, value: float, **labels: str) -> Sample:
        """Return a sample with the labels of this server."""
        return Sample(signal, self._identity.labels(signal, **{c.RUNTIME: self.runtime}, **labels), value)

    def _recognise(self, page: Page) -> None:
        """Take the dialect of the page, where none was told."""
        found = None if self._server.runtime else recognise(self._dialects, page.tells)
        known = self._translator.dialect if self._translator else None
        if found is None or known is found:
            return
        # An engine whose metrics were switched off still has those of the web server that it is made of.
        if known and found.rank <= GENERIC_RANK < known.rank:
            return
        _log.info("server %s is %s", self._identity.server, found.name)
        self._speaks(found)

    def _speaks(self, dialect: Dialect) -> None:
        self._restarts_before += self._translator.continuity.restarts if self._translator else 0
        self._translator = Translator(dialect, self._identity, self._exporter.max_models)
        self._asking = Asking(dialect, Places(self._server, dialect))

    def _facts(self) -> Facts:
        asked = self._asking
        version = Version.parse(self._server.version) or (asked.version if asked else None)
        told = frozenset(sample.signal for sample in self._besides())
        return Facts(model=self._server.model or (asked.model if asked else ""), version=version, told=told)

    def _besides(self) -> Iterator[Sample]:
        if self._asking is None or self._translator is None:
            return
        models = self._translator.models
        for signal, told in self._asking.values():
            named = (told.model,) if told.model else models if c.MODEL in signal.labels else ("",)
            for model in named:
                yield self.sample(signal, told.value, model=model)
        derived = {Derivation.START: self._cold_start.seconds, Derivation.PROCESSES: self._memory()}
        for entry in self._translator.dialect.entries:
            value = derived.get(entry.derive) if entry.derive else None
            # Memory of a process that serves several models cannot be told apart.
            if value is not None and (entry.derive is Derivation.START or len(models) == 1):
                yield from (self.sample(entry.signal, value, model=model) for model in models)


def _body(answer: Answer, switch: str) -> bytes:
    """Return the body of a good answer; ScrapeFailure with the state that its status means, and what turns the page on."""
    status = answer.status
    if 200 <= status < 300:
        if not answer.body.strip():
            raise ScrapeFailure(ScrapeState.EMPTY, f"the page has nothing on it{switch}")
        return answer.body
    if status in (401, 403):
        raise ScrapeFailure(ScrapeState.UNAUTHORIZED, f"HTTP {status}: give or renew its bearer_token_file")
    if status in (404, 405, 501):
        raise ScrapeFailure(ScrapeState.DISABLED, f"HTTP {status}: there is no metrics page at this address{switch}")
    if status >= 500:
        raise ScrapeFailure(ScrapeState.UNREACHABLE, f"HTTP {status}", loading=status == 503)
    what = "a redirect, which is not followed" if status < 400 else "no metrics page"
    raise ScrapeFailure(ScrapeState.UNPARSABLE, f"HTTP {status}: {what}")


def _nothing_known(page: Page, dialects: Sequence[Dialect], translator: Translator | None) -> str:
    if translator is None:
        return f"no metric of a known runtime on the page ({', '.join(dialect.name for dialect in dialects)})"
    dialect, other = translator.dialect, recognise(dialects, page.tells)
    if other is not None and other is not dialect:
        return (
            f"no metric of {dialect.name} on the page, which looks like one of {other.name}; "
            f"if it is {dialect.name}'s: {dialect.metrics_switch}"
        )
    if other is dialect:
        return f"every metric of {dialect.name} on the page is one that must not be counted: is this a router?"
    return f"no metric of {dialect.name} on the page: {dialect.metrics_switch}"
