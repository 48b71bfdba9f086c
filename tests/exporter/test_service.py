"""The exporter as a whole: one bad collector never costs the page, and readiness says who is late."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.collector import Collector, Round
from atlas_ops.exporter.parse import Page
from atlas_ops.exporter.samples import Sample, labels
from atlas_ops.exporter.service import Service
from tests.exporter.pages import parsed


class Steady:
    """A collector that does what it should."""

    def __init__(self, name: str = "steady", *, ready: bool = True) -> None:
        self.name = name
        self.ready = ready
        self.running = False

    def start(self) -> None:
        self.running = True

    def collect(self) -> list[Sample]:
        return [Sample(s.GPU_UP, labels(gpu="0"), 1.0)]

    def stop(self) -> None:
        self.running = False


class Broken(Steady):
    """A collector that fails."""

    def collect(self) -> list[Sample]:
        raise ZeroDivisionError


class AtItsOwnPace(Steady):
    """A collector that keeps rounds."""

    interval_seconds = 5.0

    def __init__(self, age: float) -> None:
        super().__init__("paced")
        self.age = age

    def last_round(self) -> Round | None:
        return Round(age_seconds=self.age, duration_seconds=0.25, success=True)


@contextlib.contextmanager
def serving(*collectors: Collector, wait: float = 20.0) -> Iterator[Service]:
    with Service("127.0.0.1", 0, collectors) as service:
        service.start(wait, threading.Event())
        yield service


def ask(service: Service, path: str) -> tuple[int, str]:
    connection = HTTPConnection(urlsplit(service.url).netloc, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


def page(service: Service) -> Page:
    status, text = ask(service, "/metrics")
    assert status == 200
    return parsed(text)


def values(found: Page, name: str, label: str) -> dict[str, float]:
    return {dict(sample.labels)[label]: sample.value for sample in found.of(name)}


def test_a_collector_that_fails_costs_its_own_samples_only() -> None:
    with serving(Broken("broken"), Steady()) as service:
        found = page(service)
    assert values(found, "atlas_exporter_collector_success", "collector") == {"broken": 0, "steady": 1}
    assert found.of("atlas_gpu_up")


def test_the_exporter_tells_what_it_costs_and_which_version_it_is() -> None:
    with serving() as service:
        page(service)
        found = page(service)
    assert found.of("atlas_exporter_scrapes_total")[0].value == 2
    assert found.of("atlas_exporter_cpu_seconds_total")[0].value > 0
    assert found.of("atlas_exporter_memory_bytes")[0].value > 1_000_000
    assert "version" in dict(found.of("atlas_build_info")[0].labels)


def test_the_age_and_the_duration_are_those_of_the_last_round() -> None:
    with serving(AtItsOwnPace(age=7)) as service:
        found = page(service)
    assert values(found, "atlas_exporter_snapshot_age_seconds", "collector") == {"paced": 7}
    assert values(found, "atlas_exporter_collector_duration_seconds", "collector") == {"paced": 0.25}


def test_it_is_ready_while_every_round_is_younger_than_three_intervals() -> None:
    collector = AtItsOwnPace(age=14.9)
    with serving(Steady(), collector) as service:
        assert ask(service, "/-/ready") == (200, "ready\n")
        collector.age = 15.1
        status, text = ask(service, "/-/ready")
        assert ask(service, "/-/healthy")[0] == 200, "the process itself is well"
    assert status == 503
    assert "paced: its last round was 15.1 s ago, more than 15 s" in text
    assert "steady" not in text


def test_it_is_not_ready_before_every_collector_has_been_at_its_source() -> None:
    with serving(Steady(ready=False), wait=0.0) as service:
        assert ask(service, "/-/ready") == (503, "not ready\nsteady: its first round is not over\n")


def test_the_index_leads_to_the_pages() -> None:
    with serving() as service:
        status, text = ask(service, "/")
    assert status == 200
    assert all(f'href="{path}"' in text for path in ("/metrics", "/-/healthy", "/-/ready"))


def test_collectors_run_while_it_serves_and_not_longer() -> None:
    collector = Steady()
    with serving(collector):
        assert collector.running
    assert not collector.running


def test_the_wait_for_the_first_round_ends_when_the_process_has_to_stop() -> None:
    stopping = threading.Event()
    stopping.set()
    with Service("127.0.0.1", 0, [Steady(ready=False)]) as service:
        service.start(3600, stopping)
        assert ask(service, "/-/healthy")[0] == 200
