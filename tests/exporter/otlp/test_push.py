"""Pushing: what arrives at a strict receiver, and that one which misbehaves costs its own pushes only."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from atlas_ops import __version__
from atlas_ops.catalog import signals as s
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.exporter.otlp import push as push_module
from atlas_ops.exporter.otlp.push import Push
from atlas_ops.exporter.samples import Sample
from tests.exporter.otlp.receiver import Answer, Receiver, accept, number, receiving, refuse, reply, say
from tests.exporter.otlp.test_series import CONVENTIONS, INFO, sample

EVERYTHING = [INFO, *(measured for measured, *_ in CONVENTIONS)]


@contextlib.contextmanager
def pushing(
    url: str, collect: Callable[[], Sequence[Sample]] = lambda: EVERYTHING, interval: float = 0.02
) -> Iterator[Push]:
    push = Push(url, interval, collect, "node-1", timeout_seconds=1)
    push.start()
    try:
        yield push
    finally:
        push.stop()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


def count(push: Push, result: str) -> float:
    (value,) = [told.value for told in push.collect() if dict(told.labels) == {"result": result}]
    return value


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running
        assert running.store.violations == []


def test_a_strict_receiver_takes_every_push(receiver: Receiver) -> None:
    with pushing(receiver.url) as push:
        until(lambda: len(receiver.store.requests) >= 3 and count(push, "ok") >= 3)
        assert count(push, "failed") == 0
    assert set(receiver.store.metrics()) >= {name for _, name, *_ in CONVENTIONS}
    assert receiver.store.resources[0].items() >= {
        "service.name": "atlas-ops-exporter", "service.version": __version__, "host.name": "node-1",
    }.items()  # fmt: skip


def test_an_address_with_the_path_of_metrics_is_the_same_receiver(receiver: Receiver) -> None:
    with pushing(f"{receiver.url}/v1/metrics"):
        until(lambda: len(receiver.store.requests) >= 1)


def test_a_counter_that_falls_arrives_as_a_new_stream(receiver: Receiver) -> None:
    energy = iter([100.0, 110.0, 5.0])
    last = [5.0]

    def collect() -> list[Sample]:
        return [sample(s.GPU_ENERGY, next(energy, last[0]))]

    with pushing(receiver.url, collect):
        until(lambda: len(receiver.store.requests) >= 4)
    points = [receiver.store.points("hw.energy", push)[0][1] for push in range(4)]
    assert [number(point) for point in points] == [100, 110, 5, 5]
    starts = [point.start_time_unix_nano for point in points]
    assert starts[0] == starts[1] < starts[2] == starts[3]


def test_the_results_are_there_before_the_first_push() -> None:
    samples = Push("http://127.0.0.1:9", 1, list, "node-1").collect()
    assert {told.labels: told.value for told in samples} == {(("result", "ok"),): 0, (("result", "failed"),): 0}
    assert {told.signal for told in samples} == {s.EXPORTER_PUSHES}


def test_credentials_come_from_the_environment_alone(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20sesame")
    with pushing(receiver.url):
        until(lambda: len(receiver.store.requests) >= 1)
    assert {name.lower(): text for name, text in receiver.store.headers[0].items()}["authorization"] == "Bearer sesame"


@pytest.mark.parametrize("header", ["authorization Bearer sesame", "authorization=Bearer%0Asesame"])
def test_credentials_that_are_no_header_are_not_in_the_log(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", header)
    receiver.answer = refuse(401)
    with caplog.at_level(logging.DEBUG), pushing(receiver.url) as push:
        until(lambda: count(push, "failed") >= 1)
    assert "OTLP push" in caplog.text
    assert "sesame" not in caplog.text


def rejecting(handler: object) -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse  # noqa: PLC0415

    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = 3
    answer.partial_success.error_message = "out of order\nand old"
    reply(handler, 200, answer.SerializeToString())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (refuse(500), "HTTP 500"),
        (refuse(400), "HTTP 400"),
        (refuse(403), "OTEL_EXPORTER_OTLP_HEADERS"),
        (refuse(302, Location="http://127.0.0.1:9/elsewhere"), "otlp_endpoint has to be the receiver itself"),
        (refuse(429, Retry_After="3600"), "HTTP 429"),
        (refuse(503), "HTTP 503"),
        (say(b"<html>please log in</html>", "text/html"), "no OTLP receiver"),
        (say(b"\xff\xff\xff", "application/x-protobuf"), "no OTLP receiver"),
        (rejecting, "rejected 3 points: 'out of order\\nand old'"),
    ],
)
def test_a_push_that_was_not_taken_counts_as_failed_and_says_why(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, answer: Answer, problem: str
) -> None:
    receiver.answer = answer
    with caplog.at_level(logging.INFO), pushing(receiver.url) as push:
        until(lambda: count(push, "failed") >= 1)
        assert count(push, "ok") == 0
    assert problem in caplog.text


def test_an_answer_without_an_end_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.answer = receiver.babble
    with pushing(receiver.url) as push:
        until(lambda: count(push, "failed") >= 2)


def test_a_receiver_that_comes_back_gets_the_newest_state(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    power = iter(range(1, 1000))
    receiver.answer = refuse(500)
    with caplog.at_level(logging.INFO), pushing(receiver.url, lambda: [sample(s.GPU_POWER, next(power))]) as push:
        until(lambda: count(push, "failed") >= 3)
        assert receiver.store.requests == []
        receiver.answer = accept
        until(lambda: count(push, "ok") >= 1)
    assert number(receiver.store.points("hw.power", 0)[0][1]) == count(push, "failed") + 1  # nothing piled up
    told = [record.getMessage() for record in caplog.records if record.name == push_module.__name__]
    assert [("fails" in text, "works again" in text) for text in told] == [(True, False), (False, True)]


def test_a_receiver_that_is_down_is_asked_less_and_less_often() -> None:
    push = Push("http://127.0.0.1:9", 10, list, "node-1")
    push._sender.close()  # no attempt waits for another one
    pauses = [push._push() for _ in range(8)]
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_an_interval_above_the_longest_pause_is_kept() -> None:
    push = Push("http://127.0.0.1:9", 1000, list, "node-1")
    push._sender.close()
    assert [push._push() for _ in range(3)] == [1000, 1000, 1000]


def test_the_receivers_wish_for_a_pause_is_granted_within_reason(receiver: Receiver) -> None:
    push = Push(receiver.url, 1, lambda: EVERYTHING, "node-1")
    receiver.answer = refuse(429, Retry_After="120")
    assert push._push() == 120
    receiver.answer = refuse(429, Retry_After="86400")
    assert push._push() == 300


def test_a_rejected_point_is_no_reason_to_push_less_often(receiver: Receiver) -> None:
    push = Push(receiver.url, 1, lambda: EVERYTHING, "node-1")
    receiver.answer = rejecting
    assert [push._push() for _ in range(4)] == [1, 1, 1, 1]


def test_a_collector_that_fails_once_does_not_end_the_pushes(receiver: Receiver) -> None:
    rounds = iter([True])

    def collect() -> Sequence[Sample]:
        if next(rounds, False):
            raise RuntimeError("once")
        return EVERYTHING

    with pushing(receiver.url, collect) as push:
        until(lambda: count(push, "ok") >= 1)
        assert count(push, "failed") == 1


def test_stopping_does_not_wait_for_a_receiver_that_hangs(receiver: Receiver) -> None:
    receiver.answer = receiver.hang
    push = Push(receiver.url, 0.02, lambda: EVERYTHING, "node-1", timeout_seconds=600)
    push.start()
    until(lambda: receiver.asked >= 1)
    stopped = threading.Thread(target=push.stop)
    stopped.start()
    until(lambda: not stopped.is_alive())  # within two seconds; the receiver would hang for a minute


def test_a_hanging_receiver_counts_as_failed_after_the_timeout(receiver: Receiver) -> None:
    receiver.answer = receiver.hang
    with pushing(receiver.url) as push:
        until(lambda: count(push, "failed") >= 1)


def test_stopping_interrupts_the_wait_for_another_attempt_and_leaves_no_thread(receiver: Receiver) -> None:
    receiver.answer = refuse(503, Retry_After="500")
    push = Push(receiver.url, 0.02, lambda: EVERYTHING, "node-1", timeout_seconds=600)
    push.start()
    until(lambda: receiver.asked >= 1)
    push.stop()
    assert not push._thread.is_alive()


def test_stopping_what_was_never_started_is_no_error() -> None:
    Push("http://127.0.0.1:9", 1, list, "node-1").stop()


def test_nothing_of_opentelemetry_is_loaded_before_something_is_to_be_pushed() -> None:
    loaded = (
        "import sys, atlas_ops.exporter.otlp.push; print([name for name in sys.modules if 'opentelemetry' in name])"
    )
    found = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "atlas_ops.exporter.otlp.sender", raising=False)
    monkeypatch.delattr("atlas_ops.exporter.otlp.sender", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(EnvironmentProblem, match="OpenTelemetry") as caught:
        Push("http://127.0.0.1:9", 1, list, "node-1")
    assert "pip install 'atlas-ops[otlp]'" in caught.value.next_step
