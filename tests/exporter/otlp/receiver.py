"""A stand-in for an OpenTelemetry receiver: real HTTP on loopback, as strict as the protocol allows, and misbehaving on demand."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint

UNITS = {"1", "By", "By/s", "s", "Cel", "W", "J", "Hz", "{error}"}
PROTOBUF = "application/x-protobuf"
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\Z")

Attributes = dict[str, str | int]


def attributes_of(pairs: list[KeyValue]) -> Attributes:
    """Plain values; whatever is neither text nor a whole number is refused."""
    found: Attributes = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        assert kind in ("string_value", "int_value"), pair
        assert pair.key not in found, f"{pair.key} twice"
        assert _NAME.match(pair.key), pair.key
        value: str | int = pair.value.string_value if kind == "string_value" else pair.value.int_value
        assert value != "", pair.key
        assert not isinstance(value, str) or len(value) <= 256, pair.key
        found[pair.key] = value
    return found


def number(point: NumberDataPoint) -> float:
    return point.as_double if point.WhichOneof("value") == "as_double" else point.as_int


class Store:
    """Checks every request as a strict backend would, and keeps what it said."""

    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.resources: list[Attributes] = []
        self.violations: list[str] = []
        self._last: dict[tuple[str, frozenset[tuple[str, str | int]]], NumberDataPoint] = {}

    def take(self, body: bytes) -> None:
        try:
            request = ExportMetricsServiceRequest.FromString(body)
            self._check(request)
        except (AssertionError, DecodeError) as violation:
            self.violations.append(repr(violation))
            return
        self.requests.append(request)

    def points(self, name: str, push: int = -1) -> list[tuple[Attributes, NumberDataPoint]]:
        metric = self.metrics(push)[name]
        data = metric.gauge if metric.WhichOneof("data") == "gauge" else metric.sum
        return [(attributes_of(list(point.attributes)), point) for point in data.data_points]

    def metrics(self, push: int = -1) -> dict[str, Metric]:
        return {metric.name: metric for metric in self.requests[push].resource_metrics[0].scope_metrics[0].metrics}

    def _check(self, request: ExportMetricsServiceRequest) -> None:
        (resource,) = request.resource_metrics
        (scope,) = resource.scope_metrics
        assert scope.scope.name
        self.resources.append(attributes_of(list(resource.resource.attributes)))
        names = [metric.name for metric in scope.metrics]
        assert names
        assert len(set(names)) == len(names), "a metric twice in one request"
        for metric in scope.metrics:
            self._check_metric(metric)

    def _check_metric(self, metric: Metric) -> None:
        assert _NAME.match(metric.name), metric.name
        assert metric.unit in UNITS, metric
        assert metric.description
        kind = metric.WhichOneof("data")
        assert kind in ("gauge", "sum"), metric
        if kind == "sum":
            assert metric.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        seen = set()
        for point in metric.gauge.data_points if kind == "gauge" else metric.sum.data_points:
            key = (metric.name, frozenset(attributes_of(list(point.attributes)).items()))
            assert key not in seen, f"one point twice: {key}"
            seen.add(key)
            self._check_times(point, self._last.get(key), cumulative=kind == "sum", monotonic=metric.sum.is_monotonic)
            self._last[key] = point

    def _check_times(
        self, point: NumberDataPoint, last: NumberDataPoint | None, *, cumulative: bool, monotonic: bool
    ) -> None:
        assert point.time_unix_nano > (last.time_unix_nano if last else 0), "time does not go on"
        if cumulative:
            assert 0 < point.start_time_unix_nano <= point.time_unix_nano
            if last is not None and point.start_time_unix_nano != last.start_time_unix_nano:
                assert point.start_time_unix_nano > last.time_unix_nano, "two streams overlap"
            elif last is not None and monotonic:
                assert number(point) >= number(last), "a monotonic sum fell without a new start"


Answer = Callable[[BaseHTTPRequestHandler], None]


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in (
        {"Content-Type": PROTOBUF} | {key.replace("_", "-"): text for key, text in headers.items()}
    ).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def accept(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, 200, ExportMetricsServiceResponse().SerializeToString())


def refuse(status: int, **headers: str) -> Answer:
    return lambda handler: reply(handler, status, b"", **headers)


def say(body: bytes, content_type: str) -> Answer:
    return lambda handler: reply(handler, 200, body, Content_Type=content_type)


class Receiver:
    """`answer` can be changed at any time; `released` lets handlers go that hang."""

    def __init__(self, url: str, store: Store, released: threading.Event) -> None:
        self.url, self.store, self.released = url, store, released
        self.answer: Answer = accept
        self.asked = 0

    def hang(self, _handler: BaseHTTPRequestHandler) -> None:
        self.released.wait(60)

    def babble(self, handler: BaseHTTPRequestHandler) -> None:
        """An answer without an end."""
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not self.released.is_set():
                handler.wfile.write(b"garbage " * 1024)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.asked += 1
            answer = receiver.answer
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.store.headers.append(dict(self.headers))
            if self.path != "/v1/metrics" or self.headers["Content-Type"] != PROTOBUF:
                receiver.store.violations.append(f"{self.path} {self.headers['Content-Type']}")
            if answer is accept:
                receiver.store.take(body)
            answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing: the tests say what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}", Store(), threading.Event())
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
