"""What is measured and what it is called; data, used by `telemetry`.

Names of OpenTelemetry's conventions for generative AI where there is one
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/, "Generative AI model server metrics"), names of our
own for the rest. As scraped, dots are underscores, and the exporter of OpenTelemetry adds the unit and `_total`. None of
the names is one of a signal, so that a Prometheus that scrapes both this page and the exporter counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from atlas_ops.instrument.tally import Tally

MODEL = "gen_ai.request.model"
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
ERROR_TYPE = "error.type"
"""Outcome of a request that did not end well; not there where it did."""
OUTCOME = "outcome"

OUR_PROVIDER = "self_hosted"
"""The conventions want a provider; their list knows only those that sell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """A histogram."""

    name: str
    unit: str
    help: str
    bounds: tuple[float, ...]


DURATION_BOUNDS = (
    0.00125, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    163.84, 327.68, 655.36,
)  # fmt: skip
"""Seconds. The convention's doublings from 10 ms to 81.92 s, continued both ways: to a classifier on a CPU and to long
answers of a language model."""
_FIRST_TOKEN_BOUNDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
"""Seconds. The convention's up to 10 s, then vLLM's: an overloaded server takes longer."""
_PER_TOKEN_BOUNDS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
"""Seconds. The convention's up to 2.5 s, then vLLM's."""
_TOKEN_BOUNDS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0)
"""Tokens. Those of the convention's `gen_ai.client.token.usage`, up to the longest contexts there are."""

DURATION = Distribution(
    name="gen_ai.server.request.duration", unit="s", bounds=DURATION_BOUNDS,
    help="Time from arrival to the end of the answer.",
)  # fmt: skip
FIRST_TOKEN = Distribution(
    name="gen_ai.server.time_to_first_token", unit="s", bounds=_FIRST_TOKEN_BOUNDS,
    help="Time from arrival to the first token.",
)  # fmt: skip
PER_TOKEN = Distribution(
    name="gen_ai.server.time_per_output_token", unit="s", bounds=_PER_TOKEN_BOUNDS,
    help="Mean time between two tokens of one answer that ended well.",
)  # fmt: skip
QUEUE_TIME = Distribution(
    name="atlas_ops.request.queue.duration", unit="s", bounds=DURATION_BOUNDS,
    help="Time a request stood in line.",
)  # fmt: skip
PROMPT_TOKENS = Distribution(
    name="atlas_ops.request.prompt.tokens", unit="{token}", bounds=_TOKEN_BOUNDS,
    help="Prompt tokens of one request.",
)  # fmt: skip
GENERATED_TOKENS = Distribution(
    name="atlas_ops.request.generated.tokens", unit="{token}", bounds=_TOKEN_BOUNDS,
    help="Tokens of one answer.",
)  # fmt: skip

Values = Iterable[tuple[float, Mapping[str, str]]]
"""Values, each with the attributes that tell it from the others of its model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A number that is read from a tally when somebody looks."""

    name: str
    unit: str
    help: str
    counter: bool
    """Whether it only grows; else it is a gauge."""
    read: Callable[[Tally], Values]


def _one(value: float | None) -> Values:
    return () if value is None else ((value, {}),)


def _tokens(tally: Tally, kind: Literal["prompt", "cached", "generated"]) -> Values:
    return _one(getattr(tally.tokens, kind, None))


def _requests(tally: Tally) -> Values:
    return [(count, {OUTCOME: outcome}) for outcome, count in tally.outcomes.items()]


def _counter(name: str, unit: str, help_text: str, read: Callable[[Tally], Values]) -> Reading:
    return Reading(name=name, unit=unit, help=help_text, counter=True, read=read)


def _gauge(name: str, unit: str, help_text: str, read: Callable[[Tally], Values]) -> Reading:
    return Reading(name=name, unit=unit, help=help_text, counter=False, read=read)


READINGS = (
    _counter("atlas_ops.requests", "{request}", "Requests by how they ended.", _requests),
    _gauge("atlas_ops.requests.running", "{request}", "Requests being executed.", lambda t: _one(t.running())),
    _gauge("atlas_ops.requests.waiting", "{request}", "Requests that wait for execution.", lambda t: _one(t.waiting())),
    _gauge("atlas_ops.requests.capacity", "{request}", "Requests that can be executed at the same time.",
           lambda t: _one(t.running_limit)),
    _gauge("atlas_ops.queue.capacity", "{request}", "Requests that can wait before the server refuses.",
           lambda t: _one(t.waiting_limit)),
    _counter("atlas_ops.prompt.tokens", "{token}", "Prompt tokens taken in, cached ones included.",
             lambda t: _tokens(t, "prompt")),
    _counter("atlas_ops.prompt.cached.tokens", "{token}", "Prompt tokens answered from a cache.",
             lambda t: _tokens(t, "cached")),
    _counter("atlas_ops.generated.tokens", "{token}", "Tokens produced.",
             lambda t: _tokens(t, "generated")),
    _counter("atlas_ops.batches", "{batch}", "Executions of the model.", lambda t: _one(t.batches or None)),
    _counter("atlas_ops.batched.requests", "{request}", "Inputs of all executions together.",
             lambda t: _one(t.batched_requests if t.batches else None)),
    _gauge("atlas_ops.model.load.duration", "s", "Time that loading the model took.", lambda t: _one(t.load_seconds)),
    _gauge("atlas_ops.model.ready", "{model}", "1 when the model is loaded, 0 while it loads or when that failed.",
           lambda t: _one(t.ready)),
)  # fmt: skip

FAILURES = "atlas_ops.instrument.failures"
FAILURES_HELP = "Measurements that failed and were left out."
