"""The exporter as a whole: pages in every form that a client asks for, readiness that says who is late, no gap."""

from __future__ import annotations

import contextlib
import gzip
import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter import snapshot
from atlas_ops.exporter.parse import Page
from atlas_ops.exporter.service import Service
from atlas_ops.exporter.web.guard import Guard
from tests.exporter.collectors import SECONDS, AtItsOwnPace, Broken, Hanging, Steady, await_that, plans, serving
from tests.exporter.pages import parsed
from tests.exporter.web.rig import Answer
from tests.exporter.web.rig import ask as ask_over
from tests.exporter.web.test_negotiate import PROMETHEUS_2, headers


def ask(service: Service, path: str = "/metrics", **asked: str) -> Answer:
    with contextlib.closing(HTTPConnection(urlsplit(service.url).netloc, timeout=SECONDS)) as connection:
        return ask_over(connection, "GET", path, **asked)


def said(service: Service, path: str) -> tuple[int, str]:
    answer = ask(service, path)
    return answer.status, answer.body.decode()


def page(service: Service) -> Page:
    answer = ask(service)
    assert answer.status == 200
    return parsed(answer.body.decode())


def values(found: Page, name: str, label: str) -> dict[str, float]:
    return {dict(sample.labels)[label]: sample.value for sample in found.of(name)}


def test_a_page_comes_in_the_form_that_is_asked_for() -> None:
    with serving(Steady()) as service:
        plain = ask(service)
        packed = ask(service, Accept_Encoding="gzip")
        openmetrics = ask(service, Accept=PROMETHEUS_2, Accept_Encoding="gzip")
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == openmetrics.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept, Accept-Encoding"
    assert gzip.decompress(packed.body).startswith(b"# HELP atlas_gpu_up ")
    assert openmetrics.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert gzip.decompress(openmetrics.body).endswith(b"# EOF\n")


@pytest.fixture(scope="module")
def steady_service() -> Service:  # type: ignore[misc]
    with serving(Steady()) as service:
        yield service


latin = headers.map(lambda text: "".join(char for char in text if char.isprintable()))


@given(accept=latin, encoding=latin, timeout=latin | st.floats().map(str))
def test_whatever_is_in_its_headers_a_scrape_gets_a_page(
    steady_service: Service, accept: str, encoding: str, timeout: str
) -> None:
    # A client may well ask for less time than there is.
    answer = ask(steady_service, Accept=accept, Accept_Encoding=encoding, X_Prometheus_Scrape_Timeout_Seconds=timeout)
    assert answer.status in (200, 503)
    if answer.status == 200:
        unpacked = gzip.decompress(answer.body) if answer.headers["Content-Encoding"] else answer.body
        assert unpacked.endswith(b"# EOF\n") == ("openmetrics" in answer.headers["Content-Type"])


def test_a_collector_that_fails_costs_its_own_samples_only() -> None:
    with serving(Broken("broken"), Steady()) as service:
        found = page(service)
    assert values(found, "atlas_exporter_collector_success", "collector") == {"broken": 0, "steady": 1, "page": 1}
    assert found.of("atlas_gpu_up")


def test_the_exporter_tells_what_it_costs_and_which_version_it_is() -> None:
    with serving() as service:
        found = page(service)
        await_that(lambda: page(service).of("atlas_exporter_scrapes_total")[0].value >= 2)
    assert found.of("atlas_exporter_cpu_seconds_total")[0].value > 0
    assert found.of("atlas_exporter_memory_bytes")[0].value > 1_000_000
    assert "version" in dict(found.of("atlas_build_info")[0].labels)


def test_refusals_are_counted_by_reason_and_every_reason_starts_at_0() -> None:
    with serving() as service:
        before = values(page(service), "atlas_exporter_refused_requests_total", "reason")
        assert before == dict.fromkeys(c.REFUSALS, 0)
        ask(service, "/nowhere")
        await_that(lambda: values(page(service), "atlas_exporter_refused_requests_total", "reason")["bad_request"] == 1)


def test_it_is_ready_while_every_round_is_younger_than_three_intervals() -> None:
    collector = AtItsOwnPace(age=14.9)
    with serving(Steady(), collector) as service:
        assert said(service, "/-/ready") == (200, "ready\n")
        collector.age = 15.1
        status, text = said(service, "/-/ready")
        assert said(service, "/-/healthy")[0] == 200, "the process itself is well"
    assert status == 503
    assert "paced: its last round was 15.1 s ago, more than 15 s" in text
    assert "steady" not in text


def test_it_is_not_ready_before_every_collector_has_been_at_its_source() -> None:
    with serving(Steady(ready=False), wait=0.0) as service:
        assert said(service, "/-/ready") == (503, "not ready\nsteady: its first round is not over\n")


def test_it_is_not_ready_when_no_new_page_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = Hanging()
    with serving(hanging) as service:
        hanging.free.clear()
        assert hanging.asked.wait(SECONDS)
        monkeypatch.setattr(snapshot, "STALE_SECONDS", 0.05)
        await_that(lambda: said(service, "/-/ready")[0] == 503)
        assert "the collector hanging was asked" in said(service, "/-/ready")[1]
        assert not page(service).of("atlas_gpu_up"), "and the page does not repeat what was"
        hanging.free.set()


def test_before_the_first_page_it_is_healthy_and_a_scrape_waits_no_longer_than_it_may() -> None:
    with Service("127.0.0.1", 0, Guard()) as service:
        service.start()
        assert said(service, "/-/healthy") == (200, "healthy\n")
        assert said(service, "/-/ready")[0] == 503
        assert ask(service, X_Prometheus_Scrape_Timeout_Seconds="0.1").status == 503
        waiting: list[Answer] = []
        scrape = threading.Thread(target=lambda: waiting.append(ask(service)))
        scrape.start()
        service.use(plans(Steady()), first_round_seconds=SECONDS)
        scrape.join()
        assert waiting[0].status == 200


def test_the_index_leads_to_the_pages() -> None:
    with serving() as service:
        status, text = said(service, "/")
    assert status == 200
    assert all(f'href="{path}"' in text for path in ("/metrics", "/-/healthy", "/-/ready"))


def test_collectors_run_while_it_serves_and_not_longer() -> None:
    collector = Steady()
    with serving(collector):
        assert collector.running
    assert not collector.running


def test_a_changed_line_up_is_never_half_on_the_page() -> None:
    kept = Steady("kept")
    stop = threading.Event()
    pages: list[set[str]] = []
    with serving(kept, Steady("old1"), Steady("old2"), snapshot_seconds=0.001) as service:

        def scrape() -> None:
            while not stop.is_set():
                pages.append(set(values(page(service), "atlas_gpu_up", "gpu")))

        scraper = threading.Thread(target=scrape)
        scraper.start()
        late = Steady("new2", ready=False)
        timer = threading.Timer(0.1, lambda: setattr(late, "ready", True))
        timer.start()
        service.use(plans(kept, Steady("new1"), late), first_round_seconds=SECONDS)
        assert set(values(page(service), "atlas_gpu_up", "gpu")) == {"kept", "new1", "new2"}
        stop.set()
        scraper.join()
    assert {frozenset(found) for found in pages} <= {
        frozenset({"kept", "old1", "old2"}),
        frozenset({"kept", "new1", "new2"}),
    }
    assert {"kept", "old1", "old2"} in pages
