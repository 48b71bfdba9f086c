"""The page of a server that has no exporter of OpenTelemetry: as text, as an ASGI app, or at a port of its own.

Used by `instrument`. The metrics come from `telemetry.provider_of_a_page`; the times of the process are added, because a
start time that changes is how a restart is seen.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from atlas_ops.errors import EnvironmentProblem, UsageError

Message = MutableMapping[str, Any]


class Registry(CollectorRegistry):
    """What is on the page, collected by one thread at a time: OpenTelemetry's reader mixes the pages of two scrapes."""

    def __init__(self) -> None:
        super().__init__()
        self._one_at_a_time = threading.Lock()
        ProcessCollector(registry=self)

    def collect(self) -> Iterable[Metric]:
        """Return everything there is."""
        with self._one_at_a_time:
            return list(super().collect())

    def text(self) -> str:
        """Return the page."""
        return generate_latest(self).decode()


class MetricsApp:
    """The page as an ASGI app; an object, so that `add_route` of Starlette takes it as one, and no slash is needed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def __call__(
        self,
        scope: Message,
        _receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request, whatever is asked for."""
        if scope["type"] != "http":
            return
        body = self._registry.text().encode()
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Serving:
    """A page that is served at an address of its own, by threads of its own, until `close` or the end of the process."""

    def __init__(self, server: WSGIServer, thread: threading.Thread) -> None:
        self._server = server
        self._thread = thread
        host, port = server.server_address[:2]
        self.url = f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}/metrics"
        """Where the page is."""

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(registry: Registry, address: str) -> Serving:
    """Serve the page at `address`, which is host:port; port 0 takes a free one."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(
            f"expected host:port, found {address!r}", next_step="name both, such as 127.0.0.1:9470 or 0.0.0.0:9470"
        )
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise EnvironmentProblem(
            f"the metrics page cannot be served at {address}: {error}", next_step="choose another port"
        ) from error
    return Serving(server, thread)
