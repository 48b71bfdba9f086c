"""A probe of the exporter: how often it asks, what it tells, and that it can be cut off."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Objective
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.page import Joiner, Printer, text
from atlas_ops.exporter.probe import collector as collector_module
from atlas_ops.exporter.probe.collector import ProbeCollector
from atlas_ops.exporter.probe.tally import BOUNDS_SECONDS
from atlas_ops.settings import Probe
from tests.exporter.collectors import await_that
from tests.exporter.fake_server import FakeServer, answer, closed_port, hang, serving
from tests.exporter.pages import Told
from tests.exporter.probe.answers import GOOD, event, stream

WHO = Identity(server="10.0.0.1:8000", host_name="node-1", namespace="chat", pod="llama-0")
OFTEN = 0.01


def made(url: str, *, interval: float = OFTEN, **options: Any) -> ProbeCollector:
    settings = Probe(model="llama", interval_seconds=interval, **{"timeout_seconds": 600.0, **options})
    return ProbeCollector(settings, WHO, url, lambda: "vllm")


@contextlib.contextmanager
def probing(url: str, **options: Any) -> Iterator[ProbeCollector]:
    collector = made(url, **options)
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()


def told(collector: ProbeCollector) -> Told:
    return Told(tuple(collector.collect()), {})


def results(collector: ProbeCollector) -> dict[str, float]:
    """How often each result came, without the zeros."""
    found = told(collector).values(s.PROBES, "result")
    assert tuple(found) == c.PROBE_RESULTS, "every result is there from the start"
    return {result: number for result, number in found.items() if number}


def await_results(collector: ProbeCollector, result: str, number: int = 1) -> None:
    await_that(lambda: results(collector).get(result, 0) >= number)


def test_before_the_first_request_there_are_zeros_and_no_verdict() -> None:
    collector = made("http://127.0.0.1:1")
    page = told(collector)
    assert collector.ready, "no page waits for a request"
    assert collector.last_round() is None
    assert results(collector) == {}
    assert page.value(s.PROBE_DURATION, "_count") == page.value(s.PROBE_TIME_TO_FIRST_TOKEN, "_count") == 0
    assert not page.has(s.PROBE_SUCCESS)
    assert not page.has(s.PROBE_LAST)


def test_a_model_that_answers_is_told_with_its_times() -> None:
    before = time.time()
    with serving(stream(*GOOD)) as server, probing(server.url) as collector:
        await_results(collector, "ok", 3)
        collector.stop()
        page, last = told(collector), collector.last_round()
    number = results(collector)["ok"]
    assert page.value(s.PROBE_SUCCESS) == 1
    assert before <= page.value(s.PROBE_LAST) <= time.time()
    assert number == len(server.requests)
    for signal in (s.PROBE_DURATION, s.PROBE_TIME_TO_FIRST_TOKEN):
        buckets = list(page.values(signal, "le", "_bucket").items())
        assert [bound for bound, _ in buckets] == [*(f"{bound:g}" for bound in BOUNDS_SECONDS), "+Inf"]
        assert [value for _, value in buckets] == sorted(value for _, value in buckets)
        assert buckets[-1][1] == page.value(signal, "_count") == number
        assert page.value(signal, "_sum") > 0
    assert page.value(s.PROBE_TIME_TO_FIRST_TOKEN, "_sum") <= page.value(s.PROBE_DURATION, "_sum")
    assert last is not None
    assert last.success


def test_the_samples_follow_the_contract_and_can_be_printed() -> None:
    with serving(stream(*GOOD)) as server, probing(server.url) as collector:
        await_results(collector, "ok")
        samples = collector.collect()
    for sample in samples:
        names = [name for name, _ in sample.labels if name != "le"]
        assert names == [name for name in sample.signal.labels if name != c.K8S_CONTAINER]
    page = text(Joiner().join([Printer().print(samples)])).decode()
    who = 'runtime="vllm",server="10.0.0.1:8000",model="llama",host_name="node-1"'
    pod = 'k8s_namespace_name="chat",k8s_pod_name="llama-0",api="openai"'
    assert f"atlas_probe_success{{{who},{pod}}} 1\n" in page
    assert f'atlas_probes_total{{{who},{pod},result="timeout"}} 0\n' in page


def test_the_objective_can_be_held_against_the_probe() -> None:
    assert Objective().time_to_first_token_seconds in BOUNDS_SECONDS


def test_a_failure_is_told_and_takes_no_part_in_the_times(caplog: pytest.LogCaptureFixture) -> None:
    failing = stream(event({"error": {"message": "Hello is too long", "code": 400}}))
    with serving(failing) as server, probing(server.url) as collector, caplog.at_level(logging.INFO):
        await_results(collector, "error_in_answer", 3)
        page, last = told(collector), collector.last_round()
        server.behaviours["*"] = stream(*GOOD)
        await_results(collector, "ok", 3)
    assert page.value(s.PROBE_SUCCESS) == 0
    assert page.value(s.PROBE_DURATION, "_count") == 0
    assert last is not None
    assert last.success, "the probe did its work"
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2, "only what changes is logged"
    assert lines[0].endswith("error_in_answer: HTTP 200, but the answer tells an error (400)")
    assert lines[1].endswith("answered to the end")
    assert "Hello" not in caplog.text


def test_its_own_fault_says_nothing_of_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "token"
    with serving(stream(*GOOD)) as server, probing(server.url, bearer_token_file=str(file)) as collector:
        await_results(collector, "not_sent")
        assert not told(collector).has(s.PROBE_SUCCESS)
        assert not told(collector).has(s.PROBE_LAST)
        last = collector.last_round()
        assert last is not None
        assert not last.success
        assert str(file) in caplog.text
        assert not server.requests
        file.write_text("token")
        await_results(collector, "ok")
        assert told(collector).value(s.PROBE_SUCCESS) == 1
        file.unlink()
        await_that(lambda: not told(collector).has(s.PROBE_SUCCESS))
        assert told(collector).has(s.PROBE_LAST), "when the server was asked last is still known"


class Pauses(threading.Event):
    """Lets no time pass, and keeps what was waited for; ends after some waits."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return len(self.waited) > self.most


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_the_first_request_is_spread_over_the_interval_and_the_pauses_are_never_shorter(
    chance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes of a request: a server that refuses is not hammered, a late answer is not made up for."""
    monkeypatch.setattr(random, "random", lambda: chance)
    for url, options in ((f"http://127.0.0.1:{closed_port()}", {}), ("", {"timeout_seconds": 0.02})):
        with serving(hang) as server:
            collector = made(url or server.url, interval=0.01, **options)
            pauses = collector._stopping = Pauses(3)
            collector._run()
        assert pauses.waited == pytest.approx([0.01 * chance, *[0.01 * (1 + 0.1 * chance)] * 3])
        assert sum(results(collector).values()) == 3


def test_two_requests_never_overlap_and_a_whole_interval_lies_between_them() -> None:
    times: list[tuple[float, float]] = []

    def behave(connection: socket.socket) -> None:
        came = time.monotonic()
        threading.Event().wait(0.06)  # longer than the interval
        times.append((came, time.monotonic()))
        stream(*GOOD)(connection)

    with serving(behave) as server, probing(server.url, interval=0.05) as collector:
        await_results(collector, "ok", 4)
    for (_, ended), (began, _) in itertools.pairwise(times):
        assert began - ended >= 0.05


def until_asked(server: FakeServer) -> None:
    await_that(lambda: bool(server.requests))


def test_stopping_cuts_off_a_running_request_and_counts_it_as_nothing() -> None:
    with serving(hang) as server:
        collector = made(server.url)
        collector.start()
        until_asked(server)
        collector.stop()
        assert not collector._thread.is_alive(), "the server would have had ten minutes"
    assert results(collector) == {}


def test_stopping_cuts_off_a_connection_that_is_never_accepted() -> None:
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # the backlog is full after these, and the kernel lets further connections wait
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        collector = made(f"http://127.0.0.1:{listener.getsockname()[1]}")
        collector.start()
        await_that(lambda: collector._prober._client._connection._socket is not None)
        collector.stop()
        assert not collector._thread.is_alive()


def test_stopping_before_the_first_request_ends_the_thread() -> None:
    with serving(stream(*GOOD)) as server:
        collector = made(server.url, interval=80_000)
        collector.start()
        collector.stop()
        assert not collector._thread.is_alive()
        assert not server.requests


def test_an_old_verdict_is_no_longer_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer("", status=500)) as server, probing(server.url) as collector:
        await_results(collector, "error_status")
        collector.stop()
        assert told(collector).value(s.PROBE_SUCCESS) == 0
        version = collector.version()
        assert version == collector.version(), "nothing has changed"
        monkeypatch.setattr(collector_module, "STALE_ROUNDS", -1)
        assert not told(collector).has(s.PROBE_SUCCESS)
        assert results(collector), "counts stay"
        assert collector.version() != version, "the page has to be printed anew"


def test_each_request_gives_the_page_a_new_version() -> None:
    versions = set()

    def another() -> bool:
        versions.add(collector.version())
        return len(versions) > 3

    with serving(stream(*GOOD)) as server, probing(server.url) as collector:
        await_that(another)


def test_a_defect_of_the_probe_itself_ends_no_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("atlas_ops.exporter.probe.prober.answer_for", broken)
    with serving(stream(*GOOD)) as server, probing(server.url) as collector:
        await_results(collector, "not_sent", 2)
    assert "ZeroDivisionError" in caplog.text
