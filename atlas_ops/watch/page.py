"""What the last round found, as a page for Prometheus. Called by `cli.watch`."""

from __future__ import annotations

import threading
from dataclasses import replace

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atlas_ops import __version__
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.watch.watcher import Outcome, Round

_FAILED = "the round failed; the log has it"


class Page:
    """The page; what stands on it is of one round as a whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text, self._rounds = _text(None, None), 0
        self._success: float | None = None
        self._round: Round | None = None

    def show(self, round_: Round) -> None:
        """Put a round on the page. One in which Prometheus did not answer leaves the time of the last success as it was."""
        with self._lock:
            success = round_.at if round_.at is not None else self._success
            self._text = _text(round_, success)
            self._round, self._success, self._rounds = round_, success, self._rounds + 1

    def failed(self) -> None:
        """Say that the last round came to nothing: no model was asked about, and what was found before stands."""
        with self._lock:
            if self._round is not None:
                outcomes = tuple(replace(one, problem=one.problem or _FAILED) for one in self._round.outcomes)
                self._round = replace(self._round, outcomes=outcomes)
            self._text = _text(self._round, self._success)

    def text(self) -> bytes:
        """Return what stands on the page."""
        with self._lock:
            return self._text

    def app(self) -> Starlette:
        """Return the web application: /metrics, and whether the process answers and has been round once."""
        return Starlette(
            routes=[
                Route("/metrics", self._metrics),
                Route("/-/healthy", lambda _: PlainTextResponse("healthy\n")),
                Route("/-/ready", self._ready),
            ]
        )

    def _metrics(self, request: Request) -> Response:
        del request
        return Response(self.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    def _ready(self, request: Request) -> Response:
        del request
        with self._lock:
            ready = self._rounds > 0
        return PlainTextResponse(
            "ready\n" if ready else "the first round is not over\n", status_code=200 if ready else 503
        )


def _text(round_: Round | None, success: float | None) -> bytes:
    registry = CollectorRegistry()
    _gauge(registry, s.BUILD_INFO).labels(__version__).set(1)
    if success is not None:
        _gauge(registry, s.WATCH_LAST_SUCCESS).set(success)
    if round_ is not None:
        _gauge(registry, s.WATCH_ROUND).set(round_.seconds)
        _models(registry, round_.outcomes)
    return generate_latest(registry)


def _models(registry: CollectorRegistry, outcomes: tuple[Outcome, ...]) -> None:
    """Publish what is known of each model; what cannot be told has no series."""
    working, counted = _gauge(registry, s.WATCH_SUCCESS), _gauge(registry, s.WATCH_COUNTED_UNTIL)
    references, scores = _gauge(registry, s.DRIFT_REFERENCE_INFO), _gauge(registry, s.DRIFT_SCORE)
    detected = _gauge(registry, s.DRIFT_DETECTED)
    failing = {outcome.model for outcome in outcomes if outcome.problem}
    for outcome in outcomes:
        # A file that is told under its own name may be called like another one's model.
        working.labels(outcome.model).set(outcome.model not in failing)
        if (judgement := outcome.judgement) is None:
            continue
        references.labels(outcome.model, outcome.reference).set(1)
        if judgement.counted_until is not None:
            counted.labels(outcome.model).set(judgement.counted_until)
        for finding in judgement.findings:
            labels = outcome.model, finding.feature.name, finding.detector
            scores.labels(*labels).set(finding.share)
            detected.labels(*labels).set(finding.found)


def _gauge(registry: CollectorRegistry, signal: Signal) -> Gauge:
    return Gauge(signal.name, signal.help, signal.labels, registry=registry)
