"""A server on loopback that answers as a test wants it to, down to the single byte."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping

Behaviour = Callable[[socket.socket], None]
"""What is done with a connection after the request was read; it is closed afterwards."""


class FakeServer(socketserver.ThreadingTCPServer):
    """Answers every request with the behaviour of its path, or with that of `*`."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, behaviours: Mapping[str, Behaviour]) -> None:
        self.behaviours = dict(behaviours)
        self.requests: list[str] = []
        """The heads of the requests, as they came."""
        self.bodies: list[bytes] = []
        """What was sent with them."""
        self.released = threading.Event()
        """Set at the end of the test, so that nothing hangs on."""
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"


class _Handler(socketserver.BaseRequestHandler):
    server: FakeServer

    def handle(self) -> None:
        head = b""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in head and (more := self.request.recv(65536)):
                head += more
            head, _, body = head.partition(b"\r\n\r\n")
            text = head.decode("latin-1") + "\r\n\r\n"
            length = next((line[15:] for line in text.splitlines() if line.lower().startswith("content-length:")), "0")
            while len(body) < int(length) and (more := self.request.recv(65536)):
                body += more
            self.server.bodies.append(body)
            self.server.requests.append(text)
            words = text.split(" ", 2)
            path = words[1] if len(words) > 1 else ""
            behaviours = self.server.behaviours
            behaviour = behaviours.get(path) or behaviours.get("*") or answer("", status=404)
            behaviour(self.request)


@contextlib.contextmanager
def serving(behaviour: Behaviour | None = None, **paths: Behaviour) -> Iterator[FakeServer]:
    """Serve `behaviour` for every path, or others for the paths in `paths` (`metrics` means `/metrics`)."""
    behaviours = {f"/{path}": own for path, own in paths.items()} | ({"*": behaviour} if behaviour else {})
    server = FakeServer(behaviours)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answer(
    text: str | bytes, *, status: int = 200, headers: str = "Content-Type: text/plain; version=0.0.4"
) -> Behaviour:
    """A whole, honest answer."""
    body = text.encode() if isinstance(text, str) else text

    def behave(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status} X\r\n{headers}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)

    return behave


def raw(data: bytes) -> Behaviour:
    """These bytes, whatever they are, and then the end of the connection."""
    return lambda connection: connection.sendall(data)


def hang(_connection: socket.socket) -> None:
    """Nothing, until the client gives up."""
    with contextlib.suppress(OSError):
        _connection.recv(1)


def drip(start: bytes, drop: bytes) -> Behaviour:
    """`start`, then `drop` again and again, faster than any timeout between bytes."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        pause = threading.Event()
        with contextlib.suppress(OSError):
            while not pause.wait(0.01):
                connection.sendall(drop)

    return behave


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
