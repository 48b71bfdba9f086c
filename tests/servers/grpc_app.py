"""A model server as users write it with gRPC, in the instrumentations that they choose. Run by `grpc_server`.

`python -m tests.servers.grpc_app KIND`. Requests and answers are JSON, so that nothing has to be generated.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_observability import OpenTelemetryPlugin
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server
from py_grpc_prometheus.prometheus_server_interceptor import PromServerInterceptor

from tests.servers.child import introduce

SERVICE = "tests.Classifier"
THREADS = 4
AT_ONCE = 8
"""Calls beyond are refused by gRPC itself, with RESOURCE_EXHAUSTED."""


def predict(body: bytes, context: grpc.ServicerContext) -> bytes:
    asked = json.loads(body)
    time.sleep(asked.get("seconds", 0.0))
    if asked.get("crash"):
        raise ZeroDivisionError("provoked by a test")
    if status := asked.get("status"):
        context.abort(grpc.StatusCode[status], "provoked by a test")
    return b'"label"'


def generate(body: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    yield predict(body, context)
    yield b'"more"'


@contextlib.contextmanager
def measured(kind: str) -> Iterator[tuple[Any, ...]]:
    """Yield the interceptors that a server needs; what needs none has to be there before the server is."""
    if kind == "py-grpc-prometheus":
        yield (PromServerInterceptor(enable_handling_time_histogram=True),)
    elif kind == "observability":
        plugin = OpenTelemetryPlugin(meter_provider=MeterProvider([PrometheusMetricReader()]))
        plugin.register_global()
        yield ()
        plugin.deregister_global()
    else:
        raise ValueError(kind)


def main() -> None:
    with measured(sys.argv[1]) as watching, ThreadPoolExecutor(THREADS) as pool:
        server = grpc.server(pool, interceptors=watching, maximum_concurrent_rpcs=AT_ONCE)
        handlers = {
            "Predict": grpc.unary_unary_rpc_method_handler(predict),
            "Generate": grpc.unary_stream_rpc_method_handler(generate),
        }
        server.add_registered_method_handlers(SERVICE, handlers)
        port = server.add_insecure_port("127.0.0.1:0")
        page, _ = start_http_server(0, "127.0.0.1")
        server.start()
        introduce(address=f"127.0.0.1:{port}", metrics_url=f"http://127.0.0.1:{page.server_port}/metrics")
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        stop.wait()
        server.stop(grace=None).wait()


if __name__ == "__main__":
    main()
