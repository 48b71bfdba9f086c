"""One server, watched: its states, its restarts, its readiness, and that nothing old is served as new."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter import server_collector
from atlas_ops.exporter.identity import Identity, name_servers
from atlas_ops.exporter.scrape_state import ScrapeState
from atlas_ops.exporter.server_collector import ServerCollector
from atlas_ops.settings import Exporter, Server
from tests.exporter.fake_server import FakeServer, answer, closed_port, hang, serving
from tests.exporter.pages import Told, text_of

PAGE = text_of("vllm/kv-pressure-1")
QUICK = Exporter(interval_seconds=0.02, timeout_seconds=2.0)
IMPATIENT = Exporter(interval_seconds=0.02, timeout_seconds=0.2)


@contextlib.contextmanager
def watching(url: str, *, exporter: Exporter = QUICK, runtime: str = "", **server: Any) -> Iterator[ServerCollector]:
    settings = Server(url=url, runtime=runtime, **server)
    (name,) = name_servers([settings])
    identity = Identity(server=name, host_name="node-1", pod=settings.pod, namespace=settings.namespace)
    collector = ServerCollector(settings, identity, exporter, shipped_dialects())
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()


def eventually(collector: ServerCollector, wanted: Callable[[Told], bool]) -> Told:
    """Wait until a page of the collector is as wanted, and return it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        page = Told(tuple(collector.collect()), {})
        if wanted(page):
            return page
        time.sleep(0.005)
    raise AssertionError(f"never came: {page.values(s.SERVER_SCRAPE_STATE, 'state')}")


def in_state(state: str) -> Callable[[Told], bool]:
    return lambda page: page.values(s.SERVER_SCRAPE_STATE, "state").get(state) == 1


def state_of(server: FakeServer, *, exporter: Exporter = QUICK, **options: str) -> str:
    """The state that the first round ends in."""
    with watching(f"{server.url}/metrics", exporter=exporter, **options) as collector:
        page = eventually(collector, lambda page: page.has(s.SERVER_UP))
    states = page.values(s.SERVER_SCRAPE_STATE, "state")
    assert set(states) == set(c.SCRAPE_STATES)
    assert sorted(states.values()) == [0] * 7 + [1]
    (state,) = [name for name, value in states.items() if value]
    assert page.value(s.SERVER_UP) == (state == "ok")
    return state


def test_the_states_are_those_of_the_contract() -> None:
    assert tuple(state.value for state in ScrapeState) == c.SCRAPE_STATES


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (401, "unauthorized"), (403, "unauthorized"), (404, "disabled"), (405, "disabled"), (501, "disabled"),
        (500, "unreachable"), (502, "unreachable"), (503, "starting"), (301, "unparsable"), (429, "unparsable"),
    ],
)  # fmt: skip
def test_an_http_status_has_its_state(status: int, state: str) -> None:
    with serving(answer("whatever", status=status)) as server:
        assert state_of(server) == state


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("# HELP a b\n# TYPE a gauge\n", "empty"),
        ("jobs_total 5\nprocess_start_time_seconds 7\n", "empty"),
        ("<html>login</html>", "unparsable"),
        ('{"iterLatency": 3}', "unparsable"),
        (PAGE, "ok"),
    ],
)
def test_a_page_has_its_state(text: str, state: str) -> None:
    with serving(answer(text)) as server:
        assert state_of(server) == state


def test_a_wrong_content_type_hides_no_page() -> None:
    with serving(answer(PAGE, headers="Content-Type: application/octet-stream")) as server:
        assert state_of(server) == "ok"


def test_a_hung_server_is_a_timeout() -> None:
    with serving(hang) as server:
        assert state_of(server, exporter=IMPATIENT) == "timeout"


def test_a_server_whose_metrics_are_switched_off_is_told_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    with serving(answer("http_requests_total 5\n")) as server:
        assert state_of(server, runtime="vllm") == "empty"
    assert "--disable-log-stats" in caplog.text


def test_a_server_of_another_runtime_than_was_told_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with serving(answer(PAGE)) as server:
        assert state_of(server, runtime="triton") == "empty"
    assert "looks like one of vLLM" in caplog.text


def test_a_server_that_refuses_is_starting_until_it_has_answered_once() -> None:
    with serving(answer("loading", status=503)) as server, watching(f"{server.url}/metrics") as collector:
        eventually(collector, in_state("starting"))
        server.behaviours["*"] = answer(PAGE)
        eventually(collector, in_state("ok"))
        server.behaviours["*"] = answer("gone", status=503)
        eventually(collector, in_state("unreachable"))


def test_a_server_that_does_not_start_in_its_grace_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_collector, "START_GRACE_SECONDS", 0.1)
    with watching(f"http://127.0.0.1:{closed_port()}") as collector:
        eventually(collector, in_state("starting"))
        eventually(collector, in_state("unreachable"))


def test_what_a_dead_server_said_is_gone_at_once() -> None:
    with serving(answer(PAGE)) as server, watching(f"{server.url}/metrics") as collector:
        alive = eventually(collector, in_state("ok"))
        assert alive.value(s.REQUESTS_RUNNING) == 9
        server.behaviours["*"] = answer("no page", status=500)
        dead = eventually(collector, in_state("unreachable"))
    kept = {sample.signal for sample in dead.samples}
    assert kept == {s.SERVER_UP, s.SERVER_SCRAPE_STATE, s.SERVER_RELEASE_INFO, s.SERVER_RESTARTS, s.EXPORTER_DROPPED}
    assert dead.value(s.SERVER_UP, runtime="vllm") == 0, "it is still known what it was"


def test_a_result_that_is_not_renewed_is_not_served_for_long() -> None:
    # The name of the server could hang in the resolver, which no watchdog reaches; here the thread simply ends.
    with serving(answer(PAGE)) as server, watching(f"{server.url}/metrics", exporter=IMPATIENT) as collector:
        eventually(collector, in_state("ok"))
        collector.stop()
        stale = eventually(collector, in_state("timeout"))
        assert {sample.signal for sample in stale.samples} == {
            s.SERVER_UP,
            s.SERVER_SCRAPE_STATE,
            s.SERVER_RELEASE_INFO,
        }


def test_collecting_never_waits_for_the_server() -> None:
    with serving(hang) as server, watching(server.url, exporter=Exporter(timeout_seconds=60)) as collector:
        assert collector.collect() == [], "nothing is known before the first round is over"
        assert not collector.ready
        assert collector.last_round() is None


def test_stopping_does_not_wait_for_a_hung_server() -> None:
    with serving(hang) as server, watching(server.url, exporter=Exporter(timeout_seconds=600)) as collector:
        while not server.requests:
            time.sleep(0.001)
        collector.stop()
        assert not collector._thread.is_alive()


def test_restarts_are_there_from_the_start_and_count() -> None:
    start = "process_start_time_seconds 1.79542021105e+09"
    assert start in PAGE
    with serving(answer(PAGE)) as server, watching(f"{server.url}/metrics") as collector:
        assert eventually(collector, in_state("ok")).value(s.SERVER_RESTARTS) == 0
        server.behaviours["*"] = answer(PAGE.replace(start, "process_start_time_seconds 1.79542029999e+09"))
        eventually(collector, lambda page: page.value(s.SERVER_RESTARTS) == 1)


@pytest.mark.parametrize(("status", "ready"), [(200, 1.0), (503, 0.0), (500, 0.0), (404, None), (302, None)])
def test_readiness_is_what_the_endpoint_says(status: int, ready: float | None) -> None:
    with serving(metrics=answer(PAGE), health=answer("", status=status)) as server, watching(server.url) as collector:
        page = eventually(collector, lambda _: collector.ready)
    assert page.values(s.SERVER_READY, "server") == ({server.address: ready} if ready is not None else {})


def test_a_hung_readiness_endpoint_costs_only_its_own_signal() -> None:
    pages = serving(metrics=answer(PAGE), health=hang)
    with pages as server, watching(server.url, exporter=IMPATIENT) as collector:
        page = eventually(collector, in_state("ok"))
    assert page.value(s.REQUESTS_RUNNING) == 9
    assert not page.has(s.SERVER_READY)


def test_what_an_endpoint_said_before_the_server_was_away_is_not_told_when_it_is_back() -> None:
    pages = serving(metrics=answer(PAGE), health=answer(""))
    with pages as server, watching(server.url, exporter=IMPATIENT) as collector:
        eventually(collector, lambda page: page.has(s.SERVER_READY))
        server.behaviours |= {"/metrics": answer("", status=500), "/health": hang}
        eventually(collector, in_state("unreachable"))
        server.behaviours["/metrics"] = answer(PAGE)
        page = eventually(collector, in_state("ok"))
    assert not page.has(s.SERVER_READY)


def test_the_name_of_the_model_is_asked_before_the_first_page_that_names_none_is_told() -> None:
    patient = Exporter(interval_seconds=600, timeout_seconds=2)
    with serving(metrics=answer(text_of("llamacpp/load-1")), v1=answer("", status=404)) as server:
        server.behaviours["/v1/models"] = answer('{"data": [{"id": "gemma"}]}')
        with watching(server.url, exporter=patient, runtime="llamacpp") as collector:
            page = eventually(collector, in_state("ok"))
    assert set(page.values(s.REQUESTS_RUNNING, "model")) == {"gemma"}


def test_readiness_is_not_asked_where_it_is_on_another_port() -> None:
    with serving(answer(text_of("triton/idle"))) as server, watching(server.url) as collector:
        page = eventually(collector, lambda _: collector.ready)
        assert {request.split()[1] for request in server.requests} == {"/metrics"}
    assert not page.has(s.SERVER_READY)
    assert page.value(s.SERVER_UP, runtime="triton") == 1


@pytest.mark.parametrize(
    ("path", "asked"),
    [("", "/metrics"), ("/", "/metrics"), ("/v1/metrics", "/v1/metrics"), ("/m?model=a", "/m?model=a")],
)
def test_an_address_without_a_path_means_the_runtimes_own(path: str, asked: str) -> None:
    with serving(answer(PAGE)) as server, watching(f"{server.url}{path}") as collector:
        eventually(collector, in_state("ok"))
        assert server.requests[0].split()[1] == asked


def test_the_labels_of_a_pod_are_on_every_sample_and_the_server_keeps_its_address() -> None:
    with serving(answer(PAGE)) as server, watching(server.url, namespace="chat", pod="llama-0") as collector:
        page = eventually(collector, in_state("ok"))
    for sample in page.samples:
        labels = dict(sample.labels)
        assert labels["server"] == server.url.removeprefix("http://")
        if "k8s_pod_name" in sample.signal.labels:
            assert (labels["k8s_pod_name"], labels["k8s_namespace_name"]) == ("llama-0", "chat")
            assert labels["host_name"] == "node-1"


def test_a_server_is_stable_until_it_is_told_to_be_a_canary_and_goes_on_counting_when_that_changes() -> None:
    with serving(answer(PAGE)) as server, watching(server.url) as collector:
        page = eventually(collector, in_state("ok"))
        assert page.values(s.SERVER_RELEASE_INFO, "track") == {"stable": 1}
        restarts = page.value(s.SERVER_RESTARTS)
        collector.renew(Server(url=server.url, track="canary", release="v2"))
        page = eventually(collector, lambda page: page.has(s.SERVER_RELEASE_INFO, track="canary", release="v2"))
        assert page.values(s.SERVER_RELEASE_INFO, "track") == {"canary": 1}, "a server has one track"
        assert page.value(s.SERVER_RESTARTS) == restarts


def test_servers_that_would_share_a_name_get_longer_ones() -> None:
    servers = [
        Server(url="http://10.0.0.1:8000"),
        Server(url="http://[::1]:8000/metrics"),
        Server(url="http://10.0.0.1"),
        Server(url="https://10.0.0.1"),
        Server(url="http://10.0.0.2:1", pod="llama-0"),
        Server(url="http://10.0.0.2:2", pod="llama-0"),
        Server(url="http://10.0.0.3:1/metrics?model=a"),
        Server(url="http://10.0.0.3:1/metrics?model=b"),
    ]
    assert name_servers(servers) == (
        "10.0.0.1:8000", "[::1]:8000", "10.0.0.1:80", "10.0.0.1:443", "10.0.0.2:1", "10.0.0.2:2",
        "10.0.0.3:1/metrics?model=a", "10.0.0.3:1/metrics?model=b",
    )  # fmt: skip


def test_secrets_in_an_address_are_in_no_name_and_servers_are_told_apart_all_the_same() -> None:
    base = "http://10.0.0.3:1/metrics"
    servers = [
        Server(url=f"{base}?model=a&Auth_Token=s3cret"),
        Server(url=f"{base}?model=a&Auth_Token=other;more"),
        Server(url=f"{base}?api_key=s3cret&model=b"),
        Server(url="http://10.0.0.4:1/metrics?api_key=s3cret"),
    ]
    assert name_servers(servers) == (
        "10.0.0.3:1/metrics?model=a&Auth_Token=***", "10.0.0.3:1/metrics?model=a&Auth_Token=***#2",
        "10.0.0.3:1/metrics?api_key=***&model=b", "10.0.0.4:1",
    )  # fmt: skip


def test_a_server_that_becomes_another_runtime_is_recognised_again() -> None:
    with serving(answer(PAGE)) as server, watching(f"{server.url}/metrics") as collector:
        eventually(collector, lambda page: page.has(s.SERVER_UP, runtime="vllm"))
        server.behaviours["*"] = answer(text_of("bentoml/idle"))
        page = eventually(collector, lambda page: page.has(s.SERVER_UP, runtime="bentoml"))
    assert not page.has(s.SERVER_UP, runtime="vllm")


def test_an_engine_whose_metrics_were_switched_off_is_not_taken_for_a_web_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(answer(PAGE)) as server, watching(f"{server.url}/metrics") as collector:
        eventually(collector, in_state("ok"))
        server.behaviours["*"] = answer('http_requests_total{handler="/v1/completions",method="POST",status="2xx"} 5\n')
        page = eventually(collector, in_state("empty"))
    assert page.has(s.SERVER_UP, runtime="vllm")
    assert "--disable-log-stats" in caplog.text


def test_a_page_that_breaks_the_translator_breaks_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("atlas_ops.exporter.translate.Translator.translate", broken)
    with serving(answer(PAGE)) as server, watching(f"{server.url}/metrics") as collector:
        eventually(collector, in_state("unparsable"))
        last = collector.last_round()
    assert last is not None
    assert not last.success
    assert "ZeroDivisionError" in caplog.text


def test_a_state_is_logged_when_it_changes_and_not_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving(answer("x", status=401)) as server, watching(f"{server.url}/metrics") as collector:
        while len(server.requests) < 4:
            time.sleep(0.005)
        eventually(collector, in_state("unauthorized"))
    assert caplog.text.count("unauthorized") == 1
    assert "bearer_token_file" in caplog.text
