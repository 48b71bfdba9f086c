"""A running server and its clients, down to the single byte. Shared by the tests of the exporter's HTTP side."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from atlas_ops.exporter.web.guard import Guard
from atlas_ops.exporter.web.message import Reply, Request
from atlas_ops.exporter.web.server import Server
from atlas_ops.exporter.web.session import Handler, Site
from tests.exporter.web.certificates import Pair

PAGE = b"atlas_build_info 1\n" * 100
SECONDS = 20.0
"""More than anything takes that works."""


def page(_: Request) -> Reply:
    return Reply(status=200, body=PAGE, content_type="text/plain; version=0.0.4")


@dataclass
class Running:
    """A server, and what it counted."""

    server: Server
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.server.url)
        return parts.hostname or "", parts.port or 0

    def settled(self, expected: Mapping[str, int]) -> Mapping[str, int]:
        """Return what was refused, as soon as it is what is expected: the server counts a moment after its client knows."""
        deadline = time.monotonic() + SECONDS
        while self.refused != expected and time.monotonic() < deadline:
            time.sleep(0.002)
        return self.refused

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=SECONDS)

    def ask(
        self, method: str = "GET", path: str = "/metrics", *, tls: ssl.SSLContext | None = None, **headers: str
    ) -> Answer:
        """Ask over a connection of its own; `Accept_Encoding` means `Accept-Encoding`."""
        with contextlib.closing(self.client(tls)) as client:
            return ask(client, method, path, **headers)

    def client(self, tls: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        host, port = self.address
        if tls is None:
            return http.client.HTTPConnection(host, port, timeout=SECONDS)
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=tls)

    def talk(self, said: bytes) -> bytes:
        """Say these bytes and return everything that comes back."""
        with self.connect() as client:
            client.sendall(said)
            return everything(client)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(client: http.client.HTTPConnection, method: str = "GET", path: str = "/metrics", **headers: str) -> Answer:
    client.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
    response = client.getresponse()
    return Answer(response.status, response.headers, response.read())


def everything(client: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def serving(
    handler: Handler = page, *, guard: Guard | None = None, routes: Mapping[str, Handler] | None = None
) -> Iterator[Running]:
    """Serve `handler` at /metrics."""
    refused: Counter[str] = Counter()
    watched = guard or Guard()
    site = Site(
        routes=routes or {"/metrics": handler}, guard=lambda: watched, refused=lambda reason: refused.update([reason])
    )
    server = Server("127.0.0.1", 0, site)
    server.start()
    try:
        yield Running(server, refused)
    finally:
        server.stop()


def web_config(folder: Path, text: str) -> Path:
    file = folder / "web-config.yml"
    file.write_text(text)
    return file


def tls_config(folder: Path, pair: Pair, *lines: str) -> Path:
    """A web-config file that serves a certificate; its paths are relative to the file."""
    section = [f"cert_file: {pair.certificate.name}", f"key_file: {pair.key.name}", *lines]
    return web_config(folder, "\n".join(["tls_server_config:", *(f"  {line}" for line in section), ""]))


def trusting(authority: Path, client: Pair | None = None, *, newest: str = "TLSv1_3") -> ssl.SSLContext:
    """What a client needs to trust a server, and to show its own certificate."""
    context = ssl.create_default_context(cafile=str(authority))
    context.maximum_version = ssl.TLSVersion[newest]
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


def at_once(number: int, work: Callable[[], object], results: list[object] | None = None) -> list[object]:
    """Do the same from many threads at the same moment; return all results and errors (in `results` as they come)."""
    results = [] if results is None else results
    gate = threading.Barrier(number)

    def run() -> None:
        gate.wait()
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 (looked at by the test)
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
