"""A real FastAPI server counts on its own page what its clients saw, as far as its instrumentation can see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.servers.fastapi_server import (
    CANCELLED,
    KINDS,
    FastapiServer,
    cancel,
    check_health,
    load,
    provoke_failures,
    running_fastapi,
    stream,
)
from tests.servers.page import counts, fetch, samples, settled

COUNTS = {
    "otel": ("http_server_duration_milliseconds_count", "http_status_code"),
    "otel-http": ("http_server_request_duration_seconds_count", "http_response_status_code"),
    "instrumentator": ("http_requests_total", "status"),
}
PATHS = {"otel": "http_target", "otel-http": "http_route", "instrumentator": "handler"}
RUNNING = {
    "otel": "http_server_active_requests",
    "otel-http": "http_server_active_requests",
    "instrumentator": "http_requests_inprogress",
}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[FastapiServer]:
    with running_fastapi(request.param) as fastapi:
        yield fastapi


def answered(server: FastapiServer) -> Counter[str]:
    """Answers by status, as the page has them, without those that are scrapes."""
    name, label = COUNTS[server.kind]
    found: Counter[str] = Counter()
    for sample in samples(fetch(server.metrics_url), name):
        path = sample.labels[PATHS[server.kind]]
        status = sample.labels[label]
        if path != "/metrics" and not (path == "" and status == "200"):
            found[status] += int(sample.value)
    return found


def as_counted(server: FastapiServer, seen: Counter[str]) -> Counter[str]:
    """Return what clients saw in the words of the instrumentation: one of them knows no status but only its class."""
    counted: Counter[str] = Counter()
    for status, number in seen.items():
        counted[f"{status[0]}xx" if server.kind == "instrumentator" else status] += number
    return counted


def test_every_answer_is_counted_as_its_client_saw_it(server: FastapiServer) -> None:
    before = answered(server)
    seen = load(server) + provoke_failures(server)
    assert {"200", "500", "503", "504", "429", "400", "422", "404"} == set(seen)
    expected = before + as_counted(server, seen)
    assert settled(lambda: answered(server), expected) == expected


def test_who_hangs_up_is_counted_as_served(server: FastapiServer) -> None:
    before = answered(server)
    assert cancel(server, 3) == {CANCELLED: 3}
    expected = before + as_counted(server, Counter({"200": 3}))
    assert settled(lambda: answered(server), expected) == expected


def test_an_answer_that_breaks_in_the_middle_is_counted_as_served(server: FastapiServer) -> None:
    before = answered(server)
    assert (stream(server), stream(server, breaks=True)) == ("200", "200")
    expected = before + as_counted(server, Counter({"200": 2}))
    assert settled(lambda: answered(server), expected) == expected


def test_health_checks_are_counted_like_requests_of_users(server: FastapiServer) -> None:
    check_health(server)
    path = PATHS[server.kind]
    assert settled(lambda: counts(fetch(server.metrics_url), COUNTS[server.kind][0], path)["/healthz"], 1) == 1


def test_whoever_scrapes_sees_at_least_the_own_request_running(server: FastapiServer) -> None:
    assert sum(sample.value for sample in samples(fetch(server.metrics_url), RUNNING[server.kind])) == 1
