"""A real gRPC server counts on its own page what its clients saw, as far as its instrumentation can see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from atlas_ops.catalog import signals as s
from tests.servers.exported import exported, fallen
from tests.servers.grpc_server import (
    KINDS,
    GrpcServer,
    ask_for_nothing_known,
    load,
    lose_patience,
    overrun,
    provoke_failures,
    running_grpc,
)
from tests.servers.page import PATIENCE, counts, fetch, settled

COUNTS = {
    "py-grpc-prometheus": ("grpc_server_handled_total", "grpc_code"),
    "observability": ("grpc_server_call_duration_seconds_count", "grpc_status"),
}
STARTED = {"py-grpc-prometheus": "grpc_server_started_total", "observability": "grpc_server_call_started_total"}
OUTCOMES = {
    "OK": "ok",
    "UNKNOWN": "error",
    "UNAVAILABLE": "error",
    "RESOURCE_EXHAUSTED": "rejected",
    "DEADLINE_EXCEEDED": "timeout",
}
"""What a status means; the others are mistakes of the client."""


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[GrpcServer]:
    with running_grpc(request.param) as grpc:
        yield grpc


def ended(server: GrpcServer) -> Counter[str]:
    """Calls by status, as the page has them."""
    return counts(fetch(server.metrics_url), *COUNTS[server.kind])


def started(server: GrpcServer, method: str) -> int:
    found = counts(fetch(server.metrics_url), STARTED[server.kind], "grpc_method")
    return found[method] + found[f"tests.Classifier/{method}"]


def check_counted(server: GrpcServer, before: Counter[str], more: Counter[str]) -> None:
    assert settled(lambda: ended(server), before + more) == before + more


def seen_by_the_server(server: GrpcServer, seen: Counter[str], *, interceptor_sees: tuple[str, ...]) -> Counter[str]:
    """An interceptor sees only what gets through gRPC to the application; gRPC's own plug-in sees everything."""
    if server.kind == "observability":
        return seen
    return Counter({status: number for status, number in seen.items() if status in interceptor_sees})


def outcomes_of(seen: Counter[str]) -> Counter[str]:
    ended: Counter[str] = Counter()
    for status, number in seen.items():
        ended[OUTCOMES.get(status, "none")] += number
    del ended["none"]
    return ended


def test_the_page_and_the_exporter_count_every_call_as_its_client_saw_it(server: GrpcServer) -> None:
    with exported(server.metrics_url) as exporter, ThreadPoolExecutor(2) as pool:
        native, canonical = ended(server), exporter.outcomes()
        working = [pool.submit(load, server), pool.submit(provoke_failures, server)]
        pages = [exporter.page() for _ in range(6)]
        seen = working[0].result() + working[1].result()
        assert set(OUTCOMES) | {"INVALID_ARGUMENT"} == set(seen)
        check_counted(server, native, seen)
        canonical += outcomes_of(seen)
        assert settled(exporter.outcomes, canonical) == canonical
        assert not fallen([*pages, exporter.page()])


def test_what_grpc_refuses_itself_is_not_seen_by_an_interceptor(server: GrpcServer) -> None:
    before = ended(server)
    seen = overrun(server)
    assert seen["RESOURCE_EXHAUSTED"] > 0
    check_counted(server, before, seen_by_the_server(server, seen, interceptor_sees=("OK",)))


def test_a_method_that_is_not_there_is_not_seen_by_an_interceptor(server: GrpcServer) -> None:
    before = ended(server)
    seen = ask_for_nothing_known(server) + load(server, 1)
    assert seen == {"UNIMPLEMENTED": 3, "OK": 1}
    check_counted(server, before, seen_by_the_server(server, seen, interceptor_sees=("OK",)))


def test_a_stream_is_started_for_an_interceptor_and_never_ends(server: GrpcServer) -> None:
    before, started_before = ended(server), started(server, "Generate")
    assert server.stream() == 2
    seen = Counter({"OK": 1})
    check_counted(server, before, seen_by_the_server(server, seen, interceptor_sees=()))
    assert settled(lambda: started(server, "Generate"), started_before + 1) == started_before + 1


def test_a_client_that_lost_its_patience_is_counted_as_anything_but_a_timeout(server: GrpcServer) -> None:
    before = ended(server)
    assert lose_patience(server) == {"DEADLINE_EXCEEDED": 3}
    assert settled(lambda: (ended(server) - before).total(), 3) == 3
    more = ended(server) - before
    assert set(more) <= {"OK", "CANCELLED"}, more


def test_the_exporter_tells_durations_in_seconds(server: GrpcServer) -> None:
    with exported(server.metrics_url) as exporter:
        count, seconds = (exporter.total(s.REQUEST_DURATION, part) for part in ("_count", "_sum"))
        assert load(server, 20, seconds=0.05) == {"OK": 20}
        assert settled(lambda: exporter.total(s.REQUEST_DURATION, "_count") - count, 20) == 20
        assert 20 * 0.05 <= exporter.total(s.REQUEST_DURATION, "_sum") - seconds < 20 * PATIENCE
