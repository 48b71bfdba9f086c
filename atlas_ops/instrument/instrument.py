"""The entrance: one object in a server, which its handlers tell what they do."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from prometheus_client import REGISTRY

from atlas_ops.catalog import conventions as c
from atlas_ops.errors import UsageError
from atlas_ops.instrument import names, page, telemetry
from atlas_ops.instrument.failures import Failures
from atlas_ops.instrument.features import FeatureCounter
from atlas_ops.instrument.onnx import CountedSession, Session
from atlas_ops.instrument.page import MetricsApp, Registry, Serving
from atlas_ops.instrument.request import Request
from atlas_ops.instrument.tally import Tally
from atlas_ops.instrument.telemetry import Histograms, Provider, Recorder

AnySession = TypeVar("AnySession", bound=Session)


class Instrument:
    """Measures a server. One for each process; all of it may be used by any thread."""

    def __init__(
        self,
        *models: str,
        operation: str = "inference",
        duration_bounds: Sequence[float] = names.DURATION_BOUNDS,
        meter_provider: Provider | None = None,
    ) -> None:
        """Begin to measure `models`, the first of which is meant where none is named.

        What clients ask for under other names is counted together as `other`: so nobody can make series without end.
        `operation` is OpenTelemetry's `gen_ai.operation.name`, such as `chat` or `embeddings`. `duration_bounds` are the
        buckets of the durations, in seconds; a promise to users has to be one of them. `meter_provider` takes the metrics;
        None is the one that the server has given to OpenTelemetry, and where there is none, a page of our own.
        """
        _check_models(models)
        _check_bounds(duration_bounds)
        self._failures = Failures()
        self._tallies: dict[str, Tally] = {}
        self._recorders: dict[str, Recorder] = {}
        self._operation = operation
        provider = meter_provider or telemetry.provider_of_the_server()
        self._registry: Registry | None = None
        if provider is None:
            self._registry = Registry()
            provider = telemetry.provider_of_a_page(self._registry)
        meter = telemetry.meter_of(provider)
        self._histograms = Histograms(meter, duration_bounds)
        self._nowhere = Histograms(telemetry.meter_of_nothing())
        self._first = models[0]
        for model in models:
            self._declare(model)
        telemetry.publish(meter, self._tallies, self._failures)

    def request(self, model: str = "", *, user_agent: str | None = "") -> Request:
        """Return the context manager for one request to `model`.

        `user_agent` is the request's header of that name: what the exporter's own probe sends is measured by the probe,
        and counted nowhere here.
        """
        if isinstance(user_agent, str) and user_agent.startswith(f"{c.PROBE_USER}/"):
            return Request(Tally(failures=self._failures), Recorder(self._nowhere, model, self._operation))
        name = self._known(model)
        return Request(self._tallies[name], self._recorders[name])

    def queue(self, waiting: Callable[[], float], *, model: str = "") -> None:
        """Have `waiting` asked, whenever somebody looks, how many requests stand in a queue of the server's own.

        The queue lies between arrival and answer, so its requests are in `request` already, and are taken off the running
        ones. Where a handler waits itself, `Request.waiting` tells more.
        """
        self._tallies[self._declared(model)].queue = waiting

    def limits(self, *, running: int | None = None, waiting: int | None = None, model: str = "") -> None:
        """Tell how many requests can be executed at the same time, and how many can wait before the server refuses."""
        tally = self._tallies[self._declared(model)]
        tally.running_limit, tally.waiting_limit = running, waiting
        if waiting is not None:
            tally.queue_up(0)  # nobody waits yet, which is known from now on

    @contextlib.contextmanager
    def loading(self, model: str = "") -> Iterator[None]:
        """Measure how long the block takes to load `model`, which is ready after it, and not when it raises.

        A model that is loaded later than the others need not have been named before.
        """
        tally = self._declare(model or self._first)
        tally.ready = False
        began = time.perf_counter()
        yield
        tally.load_seconds, tally.ready = time.perf_counter() - began, True

    def onnx(self, session: AnySession, *, model: str = "", run_is_request: bool = True) -> AnySession:
        """Return the ONNX Runtime session as one whose runs are counted, and which is the same in all else.

        Each run is a request. Where handlers count those with `request`, `run_is_request` has to be False: then a run is
        only an execution, of which a request may need several, or share one with others.
        """
        name = self._declared(model)
        counted = CountedSession(session, self._tallies[name], (lambda: self.request(name)) if run_is_request else None)
        # It is no subclass, but has all that the session has; type checkers and people go on with what they know.
        return cast("AnySession", counted)

    def features(self, reference: str | Path, *, model: str = "") -> FeatureCounter:
        """Return what counts the features of requests by a reference (`atlas-ops drift fit`), on the page of this server.

        Where OpenTelemetry has a MeterProvider of the server's own, that is the page of prometheus_client's registry.
        """
        return FeatureCounter(reference, model=model, registry=self._registry or REGISTRY)

    def text(self) -> str:
        """Return the page, in Prometheus's text format."""
        return self._page().text()

    def asgi_app(self) -> Any:
        """Return the page as an ASGI app: `app.add_route("/metrics", ops.asgi_app())` in Starlette and FastAPI.

        It is typed as anything, because each framework has a type of its own for what it takes.

        (`app.mount` answers `/metrics` with a redirect to `/metrics/`, which scrapers need not follow.)
        """
        return MetricsApp(self._page())

    def serve(self, address: str) -> Serving:
        """Serve the page at host:port, beside the server, in a thread of its own.

        Raises UsageError for something else, EnvironmentProblem where that address is not to be had.
        """
        return page.serve(self._page(), address)

    def _page(self) -> Registry:
        if self._registry is None:
            raise UsageError(
                "there is no page of our own: this process has a MeterProvider of OpenTelemetry, which has the metrics",
                next_step="show or push them as everything else of that provider, with a PrometheusMetricReader for example",
            )
        return self._registry

    def _declared(self, model: str) -> str:
        """Return the name of a model that the server itself speaks of, while it is set up."""
        name = model or self._first
        if name not in self._tallies:
            raise UsageError(
                f"expected a model of this server ({', '.join(self._tallies)}), found {model!r}",
                next_step="name it when the Instrument is made, or load it within `loading`",
            )
        return name

    def _known(self, model: object) -> str:
        """Return the name that a model is counted by. Handlers may pass on what a client sent, which can be anything."""
        if model == "":
            return self._first
        if isinstance(model, str) and model in self._tallies:
            return model
        self._declare(c.OVERFLOW)
        return c.OVERFLOW

    def _declare(self, model: str) -> Tally:
        """Return the tally of a model that the server has. Two threads that come at once get the same."""
        self._recorders.setdefault(model, Recorder(self._histograms, model, self._operation))
        return self._tallies.setdefault(model, Tally(failures=self._failures))


def _check_models(models: Sequence[str]) -> None:
    if not models or not all(models):
        raise UsageError(
            f"expected the names of the models that the server serves, found {models!r}",
            next_step='name at least one: Instrument("resnet50")',
        )


def _check_bounds(duration_bounds: Sequence[float]) -> None:
    if list(duration_bounds) != sorted({b for b in duration_bounds if 0 < b < math.inf}) or not duration_bounds:
        raise UsageError(
            f"expected duration_bounds in seconds, each larger than the one before, found {tuple(duration_bounds)}",
            next_step="leave them out, or give something like (0.01, 0.1, 1.0, 10.0)",
        )
