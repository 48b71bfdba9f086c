"""A real FastAPI server on loopback, in one of the instrumentations that users choose, and what its clients see of it.

What a test claims of the server's page it compares with the clients' own counts.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from tests.servers import child, page

KINDS = ("otel", "otel-http", "instrumentator")
"""OpenTelemetry with its old names (the default), with its new ones, and prometheus-fastapi-instrumentator."""
CANCELLED = "cancelled"
CLIENTS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class FastapiServer:
    """A server that answers."""

    kind: str
    url: str
    metrics_url: str


@contextlib.contextmanager
def running_fastapi(kind: str) -> Iterator[FastapiServer]:
    """Start the server; when the block ends it is gone."""
    environment = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http"} if kind == "otel-http" else {}
    with child.running("tests.servers.fastapi_app", kind, **environment) as told:
        # The app that OpenTelemetry's users mount answers /metrics with a redirect to /metrics/.
        path = "/metrics" if kind == "instrumentator" else "/metrics/"
        yield FastapiServer(kind=kind, url=told["url"], metrics_url=told["url"] + path)


def load(server: FastapiServer, requests: int = 40, seconds: float = 0.01) -> Counter[str]:
    """Ask for so many predictions, `CLIENTS` at a time, and return how many answers had which status."""
    path = f"/predict?seconds={seconds}"
    with page.client(server.url) as client, ThreadPoolExecutor(CLIENTS) as pool:
        return Counter(pool.map(lambda _: _ask(client, path), range(requests)))


def provoke_failures(server: FastapiServer) -> Counter[str]:
    """Have requests fail in every way that a server can tell of, and return what the client saw."""
    paths = [
        *("/crash",) * 3,
        *("/predict?status=503",) * 2,
        *("/predict?status=504",) * 4,
        *("/predict?status=429",) * 5,
        *("/predict?status=400",) * 2,
        *("/predict?seconds=soon", "/nowhere"),
    ]
    # Each on a connection of its own: uvicorn closes the one on which the application crashed.
    with page.client(server.url, Connection="close") as client:
        return Counter(_ask(client, path) for path in paths)


def stream(server: FastapiServer, *, breaks: bool = False) -> str:
    """Ask for a streamed answer, one that `breaks` in the middle perhaps, and return the status that the client saw first."""
    with (
        page.client(server.url, Connection="close") as client,
        contextlib.suppress(httpx.RemoteProtocolError),
        client.stream("GET", "/generate", params={"breaks": breaks}) as answer,
    ):
        status = str(answer.status_code)
        answer.read()
    return status


def check_health(server: FastapiServer) -> None:
    """Ask whether the server is well, as Kubernetes does."""
    with page.client(server.url) as client:
        client.get("/healthz").raise_for_status()


def cancel(server: FastapiServer, requests: int = 3) -> Counter[str]:
    """Hang up while the server works."""
    with page.client(server.url) as client, ThreadPoolExecutor(requests) as pool:
        client.timeout = httpx.Timeout(page.PATIENCE, read=0.2)
        return Counter(pool.map(lambda _: _ask(client, "/predict?seconds=0.5"), range(requests)))


def _ask(client: httpx.Client, path: str) -> str:
    try:
        return str(client.post(path).status_code)
    except httpx.ReadTimeout:
        return CANCELLED
