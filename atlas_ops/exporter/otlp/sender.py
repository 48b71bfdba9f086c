"""Sends metrics by OTLP over HTTP, and says in our words what came of it. The only importer of OpenTelemetry.

Made by `push`, which imports it only when something is to be pushed: it costs 15 MiB. Headers with credentials, a
certificate authority and compression come from OpenTelemetry's own environment variables
(OTEL_EXPORTER_OTLP_HEADERS, ..._CERTIFICATE, ..._COMPRESSION), which its exporter reads itself.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from atlas_ops import __version__
from atlas_ops.exporter.otlp.names import Kind
from atlas_ops.exporter.otlp.series import Metric

PATH = "/v1/metrics"
_MAX_ANSWER = 64 * 1024
"""An answer is some bytes; of a longer one only the beginning is read."""
_MAX_TEXT = 200
_SCOPE = InstrumentationScope(name="atlas_ops.exporter", version=__version__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of one push."""

    problem: str = ""
    """A sentence for people; empty when the receiver took everything."""
    in_order: bool = True
    """Whether the receiver is there and does its work, so that there is no reason to push less often."""
    pause_seconds: float = 0.0
    """How long the receiver wants to be left alone; 0 when it does not say."""


class Sender:
    """One receiver. Used by one thread; `close` may be called by another one."""

    def __init__(self, endpoint: str, *, timeout_seconds: float, resource: Mapping[str, str]) -> None:
        """`endpoint` as in OTEL_EXPORTER_OTLP_ENDPOINT: without /v1/metrics, which may be there all the same.

        `timeout_seconds` is for one push with all its attempts.
        """
        # It logs every attempt, and prints headers that it cannot parse; we say what matters ourselves.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._session = _Session()
        url = endpoint if endpoint.endswith(PATH) else endpoint.rstrip("/") + PATH
        self._exporter = OTLPMetricExporter(endpoint=url, timeout=timeout_seconds, session=self._session)
        self._resource = Resource.create(dict(resource))

    def send(self, metrics: Sequence[Metric]) -> Outcome:
        """Push once. Transient failures are tried again within the timeout; never raises for what a receiver does."""
        self._session.outcome = Outcome(problem="nothing was sent", in_order=False)
        scope = sdk.ScopeMetrics(scope=_SCOPE, metrics=[_encode(metric) for metric in metrics], schema_url="")
        data = sdk.MetricsData(
            resource_metrics=[sdk.ResourceMetrics(resource=self._resource, scope_metrics=[scope], schema_url="")]
        )
        with contextlib.suppress(Exception):  # older versions raise some of what the session has told already
            self._exporter.export(data)
        return self._session.outcome

    def close(self) -> None:
        """Give up waiting for another attempt, at once; an attempt in flight ends by its timeout."""
        self._exporter.shutdown()


class _Session(requests.Session):
    """The connection, which keeps what became of the last request; OpenTelemetry's exporter tells only yes or no."""

    outcome = Outcome()

    def request(self, *args: Any, **options: Any) -> requests.Response:
        try:
            # Streamed, because a body without an end would otherwise be read into memory to its end.
            response = super().request(*args, **{**options, "stream": True})
            body = next(response.iter_content(_MAX_ANSWER), b"")
            response.close()
        except Exception as error:
            self.outcome = Outcome(problem=_explain(error), in_order=False)
            raise
        self.outcome = _judge(response, body)
        return response


def _explain(error: Exception) -> str:
    """Say what went wrong, without the text of the error where that may hold a header."""
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS: {str(error)[:_MAX_TEXT]}"
    if isinstance(error, requests.ConnectionError):
        return "it cannot be reached, or breaks off"
    return f"the request is not possible ({type(error).__name__})"


def _judge(response: requests.Response, body: bytes) -> Outcome:
    status, told = response.status_code, f"HTTP {response.status_code}"
    if 200 <= status < 300:
        return _judge_answer(response.headers.get("Content-Type", ""), body)
    if 300 <= status < 400:
        told += ": it sends elsewhere, and is not followed; otlp_endpoint has to be the receiver itself"
    elif status in (401, 403):
        told += ": credentials belong in the environment variable OTEL_EXPORTER_OTLP_HEADERS"
    pause = response.headers.get("Retry-After", "").strip()
    return Outcome(problem=told, in_order=False, pause_seconds=float(pause) if pause.isdecimal() else 0.0)


def _judge_answer(content_type: str, body: bytes) -> Outcome:
    """Judge the body of a success: proxies and login pages answer 200 as well, and receivers may reject some points."""
    kind = content_type.partition(";")[0].strip().lower()
    if not body or kind == "application/json":
        return Outcome()
    try:
        if kind != "application/x-protobuf":
            raise DecodeError
        partial = ExportMetricsServiceResponse.FromString(body).partial_success
    except DecodeError:
        return Outcome(problem=f"what answers is no OTLP receiver (it sent {kind[:40]!r})", in_order=False)
    if not partial.rejected_data_points:
        return Outcome()
    reason = partial.error_message[:_MAX_TEXT]
    return Outcome(problem=f"it rejected {partial.rejected_data_points} points: {reason!r}")


def _encode(metric: Metric) -> sdk.Metric:
    points = [
        sdk.NumberDataPoint(
            attributes=point.attributes,
            start_time_unix_nano=point.start,
            time_unix_nano=point.time,
            value=point.value,
        )
        for point in metric.points
    ]
    target = metric.target
    data: sdk.Gauge | sdk.Sum = sdk.Gauge(data_points=points)
    if target.kind is not Kind.GAUGE:
        cumulative, monotonic = sdk.AggregationTemporality.CUMULATIVE, target.kind is Kind.COUNTER
        data = sdk.Sum(data_points=points, aggregation_temporality=cumulative, is_monotonic=monotonic)
    return sdk.Metric(name=target.name, description=target.help, unit=target.unit, data=data)
