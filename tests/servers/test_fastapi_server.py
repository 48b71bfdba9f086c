"""A real FastAPI server counts on its own page what its clients saw, as far as its instrumentation can see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from atlas_ops.catalog import signals as s
from tests.servers.exported import exported, fallen
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
from tests.servers.page import PATIENCE, counts, fetch, samples, settled

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
OUTCOMES = {"200": "ok", "429": "rejected", "504": "timeout", "500": "error", "503": "error"}
"""What a status means; the others are mistakes of the client."""
GROUPED = {"2": "ok", "5": "error"}
"""The same for who knows only its class."""


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[FastapiServer]:
    with running_fastapi(request.param) as fastapi:
        yield fastapi


def answered(server: FastapiServer) -> Counter[str]:
    """Answers by status, as the page has them, without those that are scrapes, which have no path by the old names."""
    name, label = COUNTS[server.kind]
    found: Counter[str] = Counter()
    for sample in samples(fetch(server.metrics_url), name):
        path = sample.labels.get(PATHS[server.kind], "")
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


def outcomes_of(server: FastapiServer, seen: Counter[str]) -> Counter[str]:
    ended: Counter[str] = Counter()
    for status, number in seen.items():
        ended[(GROUPED.get(status[0]) if server.kind == "instrumentator" else OUTCOMES.get(status)) or "none"] += number
    del ended["none"]
    return ended


def test_the_page_and_the_exporter_count_every_answer_as_its_client_saw_it(server: FastapiServer) -> None:
    with exported(server.metrics_url) as exporter, ThreadPoolExecutor(2) as pool:
        native, canonical = answered(server), exporter.outcomes()
        # The first failure gives every series of OpenTelemetry's new names a label more, the empty error_type.
        seen = load(server, 1)
        canonical += outcomes_of(server, seen)
        assert settled(exporter.outcomes, canonical) == canonical
        native += as_counted(server, seen)
        working = [pool.submit(load, server), pool.submit(provoke_failures, server)]
        pages = [exporter.page() for _ in range(6)]
        seen = working[0].result() + working[1].result()
        assert {"200", "500", "503", "504", "429", "400", "422", "404"} == set(seen)
        native += as_counted(server, seen)
        assert settled(lambda: answered(server), native) == native
        canonical += outcomes_of(server, seen)
        assert settled(exporter.outcomes, canonical) == canonical
        assert not fallen([*pages, exporter.page()])


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


def test_the_exporter_tells_durations_in_seconds(server: FastapiServer) -> None:
    with exported(server.metrics_url) as exporter:
        count, seconds = (exporter.total(s.REQUEST_DURATION, part) for part in ("_count", "_sum"))
        assert load(server, 20, seconds=0.05) == {"200": 20}
        if server.kind == "instrumentator":  # whose histogram has no labels, so that scrapes are in it
            assert settled(lambda: exporter.total(s.REQUEST_DURATION, "_count") - count > 20, True)
        else:
            assert settled(lambda: exporter.total(s.REQUEST_DURATION, "_count") - count, 20) == 20
        assert 20 * 0.05 <= exporter.total(s.REQUEST_DURATION, "_sum") - seconds < 20 * PATIENCE


def test_health_checks_and_scrapes_are_no_requests_of_users_for_the_exporter(server: FastapiServer) -> None:
    with exported(server.metrics_url) as exporter:
        before = exporter.outcomes()
        for _ in range(5):
            check_health(server)
        assert load(server, 1) == {"200": 1}
        expected = before + Counter(ok=1)
        assert settled(exporter.outcomes, expected) == expected


def test_the_exporter_tells_what_runs_without_its_own_scrape(server: FastapiServer) -> None:
    with exported(server.metrics_url) as exporter, ThreadPoolExecutor(1) as pool:
        pool.submit(load, server, 8, 0.5)
        assert settled(lambda: exporter.total(s.REQUESTS_RUNNING) > 1, True)
        assert settled(lambda: exporter.total(s.REQUESTS_RUNNING), 0) == 0
