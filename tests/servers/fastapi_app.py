"""A model server as users write it with FastAPI, in the instrumentations that they choose. Run by `fastapi_server`.

`python -m tests.servers.fastapi_app KIND`; in the kinds `otel` and `otel-http` the names are chosen by the environment
variable OTEL_SEMCONV_STABILITY_OPT_IN, which OpenTelemetry reads.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import make_asgi_app
from prometheus_fastapi_instrumentator import Instrumentator

from tests.servers.child import introduce


def build(kind: str) -> FastAPI:
    app = FastAPI()
    if kind == "instrumentator":
        Instrumentator(should_instrument_requests_inprogress=True, inprogress_labels=True).instrument(app).expose(app)
    elif kind in ("otel", "otel-http"):
        _measure_by_opentelemetry(app)
    else:
        raise ValueError(kind)
    _routes(app)
    return app


def _measure_by_opentelemetry(app: FastAPI) -> None:
    metrics.set_meter_provider(MeterProvider(metric_readers=[PrometheusMetricReader()]))
    FastAPIInstrumentor.instrument_app(app)
    app.mount("/metrics", make_asgi_app())


def _routes(app: FastAPI) -> None:
    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    @app.post("/predict")
    async def predict(seconds: float = 0.0, status: int = 200) -> str:
        """Work for a while, then answer with a status that the application chooses."""
        await asyncio.sleep(seconds)
        if status != 200:
            raise HTTPException(status)
        return "label"

    @app.post("/crash")
    async def crash() -> str:
        raise ZeroDivisionError("provoked by a test")

    @app.get("/generate")
    async def generate(breaks: bool = False) -> StreamingResponse:
        """Stream; `breaks` is a generation that fails when the client has seen 200 long ago."""

        async def tokens() -> AsyncIterator[str]:
            yield "first "
            if breaks:
                raise ZeroDivisionError("provoked by a test")
            yield "second"

        return StreamingResponse(tokens())


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(build(sys.argv[1]), log_level="critical", timeout_graceful_shutdown=1)
        introduce(url=url)  # the port is open; who comes early waits
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
