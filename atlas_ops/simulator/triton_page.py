"""The `/metrics` page of NVIDIA Triton 2.51 with one model, from the state of one simulated engine. Called by `simulator.replica`.

Names, types, labels and help texts are those of a real server's page; the tests compare them with a capture. The model is
one that takes each request by itself and streams its answers, as language models do, and its requests wait in Triton's own
queue: an execution is a request. Clients that hang up do so while they wait, which Triton counts as cancelled. Left out are
the split of the duration (input, infer, output) and what Triton says of its own host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from atlas_ops.simulator.counters import Counters
from atlas_ops.simulator.engine import Engine
from atlas_ops.simulator.exposition import braces

CONTENT_TYPE = "text/plain; charset=utf-8"
POOL_BYTES = 256 << 20
"""Triton's default (--pinned-memory-pool-byte-size)."""

_PENDING_TEXT = "Instantaneous number of pending requests awaiting execution per-model."
_POOL_TEXT = "Pinned memory pool total memory size, in bytes"
_FAILURES_TEXT = "Number of failed inference requests, all batch sizes"
_FAILURES: Mapping[str, Callable[[Counters], int]] = {
    "OTHER": lambda _: 0,
    "BACKEND": lambda n: n.finished["error"],
    "CANCELED": lambda n: n.abandoned,
    # Requests that wait longer than they may. What a full queue refuses is counted nowhere.
    "REJECTED": lambda _: 0,
}
_COUNTERS: tuple[tuple[str, str, Callable[[Counters], int]], ...] = (
    ("request_success", "Number of successful inference requests, all batch sizes", lambda n: n.succeeded),
    ("count", "Number of inferences performed (does not include cached requests)", lambda n: n.succeeded),
    ("exec_count", "Number of model executions performed (does not include cached requests)", lambda n: n.succeeded),
    (
        "request_duration_us",
        "Cumulative inference request duration in microseconds (includes cached requests)",
        lambda n: _microseconds(n.succeeded_seconds),
    ),
    (
        "queue_duration_us",
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        lambda n: _microseconds(n.succeeded_queue_seconds),
    ),
)


def triton_page(engine: Engine) -> str:
    """Return the page of an engine."""
    labels = {"model": engine.config.model_name, "version": "1"}
    plain = braces(labels)
    failures = [(braces({**labels, "reason": reason}), read(engine.counters)) for reason, read in _FAILURES.items()]
    lines = [
        line
        for name, text, read in _COUNTERS
        for line in _family(f"nv_inference_{name}", "counter", text, [(plain, read(engine.counters))])
    ]
    lines += _family("nv_inference_request_failure", "counter", _FAILURES_TEXT, failures)
    lines += _family("nv_inference_pending_request_count", "gauge", _PENDING_TEXT, [(plain, engine.requests_waiting)])
    lines += _family("nv_pinned_memory_pool_total_bytes", "gauge", _POOL_TEXT, [("", POOL_BYTES)])
    return "\n".join([*lines, ""])


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, int]]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *(f"{name}{labels} {value}" for labels, value in samples)]


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
