"""A small HTTP server for pages that are made when they are asked for, and that nobody can block.

Made by `service`. One request for each connection; connections are few, short-lived and may not be slow.
"""

from __future__ import annotations

import errno
import gzip
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from atlas_ops.errors import EnvironmentProblem

_log = logging.getLogger(__name__)

MAX_CONNECTIONS = 40
"""At the same time; node_exporter's limit. Two Prometheus servers need two."""
SOCKET_SECONDS = 10.0
"""Prometheus's default scrape timeout: whoever needs longer for a read or a write has given up anyway."""
CONNECTION_SECONDS = 30.0
"""A whole connection, so that nobody can hold one by dripping bytes."""
_POLL_SECONDS = 0.1
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\ntoo many requests at once\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a route answers."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Route = Callable[[], Reply]


class Server:
    """Serves some routes on one address, in threads of its own."""

    def __init__(self, host: str, port: int, routes: Mapping[str, Route]) -> None:
        """Bind; EnvironmentProblem when the address cannot be had."""
        try:
            self._server = _HttpServer((host, port), routes, socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        self._host = f"[{host}]" if ":" in host else host
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
        )

    @property
    def url(self) -> str:
        """Address without a path; with the port that was chosen when 0 was asked for."""
        return f"http://{self._host}:{self._server.socket.getsockname()[1]}"

    def start(self) -> None:
        """Begin to serve. Until then connections wait in the backlog."""
        self._thread.start()

    def stop(self) -> None:
        """End every connection and give the port back."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.shut_connections(older_than=0.0)
        self._server.server_close()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], routes: Mapping[str, Route], family: socket.AddressFamily) -> None:
        self.address_family = family
        self.routes = routes
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, float] = {}
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own version looks its name up in the DNS, which can take long and is of no use here.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            busy = len(self._connections) >= MAX_CONNECTIONS
            if not busy:
                self._connections[request] = time.monotonic()
        if busy:
            request.settimeout(0)
            try:
                request.send(_BUSY)
                # Closing with unread bytes would reset the connection, and could take the answer with it.
                request.recv(1 << 16)
            except OSError as error:
                _log.debug("the client of one request too many has gone: %s", error)
            super().shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Do what serve_forever has done after each of its rounds."""
        self.shut_connections(older_than=CONNECTION_SECONDS)

    def shut_connections(self, older_than: float) -> None:
        limit = time.monotonic() - older_than
        with self._lock:
            old = [connection for connection, since in self._connections.items() if since <= limit]
        for connection in old:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                _log.debug("the connection has ended by itself: %s", error)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the base class calls it)
        _log.debug("a connection broke off", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    server_version = "atlas-ops"
    sys_version = ""
    timeout = SOCKET_SECONDS

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _refuse(self) -> None:
        self._send(Reply(status=405, body=b"only GET and HEAD\n"), with_body=True)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815 (the base class looks these names up)

    def _answer(self, *, with_body: bool) -> None:
        route = self.server.routes.get(urlsplit(self.path).path)
        if route is None:
            reply = Reply(status=404, body=b"not found; the metrics are at /metrics\n")
        else:
            try:
                reply = route()
            except Exception:  # noqa: BLE001 (logged whole; a page must not end the server)
                _log.exception("the page %s could not be made", self.path)
                reply = Reply(status=500, body=b"the page could not be made; the log says why\n")
        self._send(reply, with_body=with_body)

    def _send(self, reply: Reply, *, with_body: bool) -> None:
        body = reply.body
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        if _accepts_gzip(self.headers.get("Accept-Encoding", "")):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Length", str(len(body)))
        if reply.status == 405:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
        _log.debug(format, *args)


def _accepts_gzip(header: str) -> bool:
    offers = (offer.strip().partition(";") for offer in header.split(","))
    return any(name.strip() == "gzip" and weight.replace(" ", "") not in ("q=0", "q=0.0") for name, _, weight in offers)


def _cannot_listen(host: str, port: int, error: OSError) -> EnvironmentProblem:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return EnvironmentProblem(
            f"the address {where} is in use", next_step="stop the other process, or give --listen another port"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return EnvironmentProblem(f"the address {where} is not allowed", next_step="take a port above 1023")
    return EnvironmentProblem(
        f"the address {where} cannot be listened on: {error.strerror or error}",
        next_step="give --listen an address of this machine",
    )
