"""Five servers of two models in a real Prometheus, for the tests of the boards about models and servers.

`a` is well; `b` is down for five minutes; `c`, on a bare host, tells little; `d` has never told anything; `e` says that it is not ready.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Table, Values
from atlas_ops.render.dashboards.panels import Board, Query
from atlas_ops.render.dashboards.variables import LABELS

STEP, COUNT, BEGAN = 15, 80, 1_767_225_600
NOW = BEGAN + STEP * (COUNT - 1)
_EVERYTHING = Rule(name="everything", alert=False, expr='{__name__=~".+"}')
_DOWN = 20
"""Scrapes for which `b` is down."""
_P = TypeVar("_P")


def series(name: object, **labels: str) -> Series:
    return Series(str(name), tuple((label, value) for label, value in labels.items() if value))


def constant(value: float) -> Values:
    return np.full(COUNT, float(value))


def growing(per_scrape: float) -> Values:
    return per_scrape * np.arange(COUNT, dtype=float)


def then(before: float, after: float) -> Values:
    """Return one value until `b` goes down, and another from then on."""
    return np.where(np.arange(COUNT) < COUNT - _DOWN, float(before), float(after))


def identity(name: str, runtime: str, host: str, pod: str = "") -> dict[str, str]:
    return {
        c.RUNTIME: runtime,
        c.SERVER: name,
        c.HOST_NAME: host,
        c.K8S_NAMESPACE: "prod" if pod else "",
        c.K8S_POD: pod,
    }


A, B = identity("a", "vllm", "n1", "pod-a"), identity("b", "vllm", "n2", "pod-b")
C, D = identity("c", "own", "n3"), identity("d", "unknown", "n4", "pod-d")
E = identity("e", "vllm", "n1", "pod-e")
CHAT, SMALL = {c.MODEL: "chat"}, {c.MODEL: "small"}


def scrapes(who: dict[str, str], current: str, before: str = "") -> dict[Series, Values]:
    """Return whether it is up, and in which state, since `b` went down and until then."""
    found = {
        series(s.SERVER_SCRAPE_STATE, **who, state=state): then((before or current) == state, current == state)
        for state in c.SCRAPE_STATES
    }
    return found | {series(s.SERVER_UP, **who): then((before or current) == "ok", current == "ok")}


def requests(
    who: dict[str, str], model: dict[str, str], *, ended: Mapping[str, float], until: Values, running: bool = True
) -> dict[Series, Values]:
    """Return requests that end in a scrape, by outcome, and three that run where that is told."""
    outcomes = dict.fromkeys(c.OUTCOMES, 0.0) | dict(ended)
    found = {
        series(s.REQUESTS, **who, **model, outcome=name): growing(count) + until for name, count in outcomes.items()
    }
    return found | {series(s.REQUESTS_RUNNING, **who, **model): constant(3) + until} if running else found


def gpu(host: str, index: str, pod: str = "") -> dict[Series, Values]:
    labels = {c.GPU: index, c.UUID: f"GPU-{host}-{index}", c.HOST_NAME: host}
    found = {
        series(s.GPU_UP, **labels): constant(1),
        series(s.GPU_UTILIZATION, **labels): constant(0.5),
        series(s.GPU_MEMORY_USED, **labels): constant(30),
        series(s.GPU_MEMORY_TOTAL, **labels): constant(40),
    }
    if pod:
        owner = {c.K8S_NAMESPACE: "prod", c.K8S_POD: pod}
        found[series(s.GPU_WORKLOAD_INFO, **labels, **owner, sharing="exclusive")] = constant(1)
        found[series(s.GPU_PROCESS_MEMORY, **labels, **owner, pid="7", process="python")] = constant(25)
    return found


def quality(who: dict[str, str], signal: object, told: str, *, resolved: bool | None = None) -> dict[Series, Values]:
    found = {series(s.SIGNAL_QUALITY, **who, signal=str(signal), quality=told): constant(1)}
    if resolved is not None:
        found[series(s.SIGNAL_RESOLVED, **who, signal=str(signal))] = constant(resolved)
    return found


COLUMNS = {
    **scrapes(A, "ok"), **scrapes(B, "unreachable", "ok"), **scrapes(C, "ok"), **scrapes(D, "disabled"), **scrapes(E, "ok"),
    **requests(A, CHAT, ended={"ok": 6, "error": 2, "cancelled": 4, "rejected": 4}, until=constant(0)),
    **requests(B, CHAT, ended={"ok": 3}, until=then(0, np.nan)),
    **requests(C, SMALL, ended={}, until=constant(0), running=False),
    **requests(E, CHAT, ended={}, until=constant(0)),
    series(s.SERVER_READY, **A): constant(1), series(s.MODEL_READY, **A, **CHAT): constant(1),
    series(s.SERVER_READY, **B): then(1, np.nan), series(s.MODEL_READY, **B, **CHAT): then(1, np.nan),
    series(s.SERVER_READY, **E): constant(0), series(s.MODEL_READY, **E, **CHAT): constant(1),
    series(s.REQUESTS_WAITING, **A, **CHAT): constant(2),
    series(s.GENERATION_TOKENS, **A, **CHAT): growing(300), series(s.PROMPT_TOKENS, **A, **CHAT): growing(600),
    series(s.KV_CACHE_USAGE, **A, **CHAT): constant(0.7), series(s.KV_CACHE_USAGE, **E, **CHAT): constant(0.1),
    series(s.PREFIX_CACHE_QUERIES, **A, **CHAT): growing(100), series(s.PREFIX_CACHE_HITS, **A, **CHAT): growing(40),
    series(s.SPEC_DECODE_DRAFT_TOKENS, **A, **CHAT): growing(50), series(s.SPEC_DECODE_ACCEPTED_TOKENS, **A, **CHAT): growing(30),
    series(s.BATCHES, **C, **SMALL): growing(10), series(s.BATCHED_REQUESTS, **C, **SMALL): growing(40),
    series(s.SERVER_START_TIME, **A): constant(NOW - 7200),
    series(s.SERVER_INFO, **A, version="0.12.0", dialect="vllm"): constant(1),
    series(s.SERVER_RELEASE_INFO, **A, track="canary", release="r7"): constant(1),
    series(s.SERVER_WORKERS, **A): constant(2),
    series(s.MODEL_GPU_MEMORY, **A, **CHAT): constant(20),
    series(s.PROBE_SUCCESS, **A, **CHAT, api="chat"): then(1, 0),
    series(s.PROBES, **A, **CHAT, api="chat", result="timeout"): growing(1),
    **gpu("n1", "0", "pod-a"), **gpu("n1", "1", "pod-e"), **gpu("n2", "0", "pod-b"), **gpu("n3", "0"), **gpu("n4", "0"),
    **quality(A, s.KV_CACHE_USAGE, "direct", resolved=True), **quality(E, s.KV_CACHE_USAGE, "direct", resolved=False),
    **quality(C, s.KV_CACHE_USAGE, "none"),
}  # fmt: skip


@contextmanager
def started(folder: Path, beside: Mapping[Series, Values] | None = None) -> Iterator[Replay]:
    """Start a Prometheus that holds them and what is beside them, and stop it in the end."""
    times = np.array([1000 * (BEGAN + STEP * place) for place in range(COUNT)], dtype=np.int64)
    with Replay.started(folder) as replay:
        replay.load(Table(times, COLUMNS | dict(beside or {})), [_EVERYTHING])
        yield replay


def asked(replay: Replay, query: Query, *names: str, at: int = NOW, **chosen: str) -> dict[tuple[str, ...], float]:
    """Return values by some of their labels; `chosen` are the variables that are not All."""
    expr = query.expr.replace("$__rate_interval", "2m")
    for variable in LABELS:
        expr = expr.replace(f'"${variable}"', f'"{chosen.get(variable, ".*")}"')
    courses = replay.prometheus.query_range(expr, at, at, STEP)
    return {tuple(course.labels.get(name, "") for name in names): round(course.values[-1], 6) for course in courses}


def panel(board: Board, key: str, kind: type[_P]) -> _P:
    """Return the panel of a board with this key."""
    found = next(panel for row in board.rows for panel in row.panels if panel.key == key)
    assert isinstance(found, kind)
    return found
