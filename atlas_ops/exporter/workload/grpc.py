"""One unary gRPC call over a unix socket that ends in time, whatever the other side does.

Called by `collector` to ask the kubelet; the only importer of h2. Every call dials anew, so a kubelet that restarts or
replaces its socket needs no special care. Format: github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import threading
import time
from pathlib import Path
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

from atlas_ops import __version__
from atlas_ops.errors import EnvironmentProblem

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""A guard against an endless answer, not a limit for real ones: 20,000 pods fill 2.7 MB."""
UNIMPLEMENTED = 12
_EMPTY_REQUEST = bytes(5)
_PREFIX_BYTES = 5
_CHUNK = 1 << 16
_STREAM = 1
_MESSAGE_CHARACTERS = 200
_STATUS = re.compile(r"[0-9]{1,3}\Z")


class GrpcError(EnvironmentProblem):
    """The call brought no answer. `status` is the gRPC status code when the other side gave one."""

    def __init__(self, message: str, *, status: int | None = None, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.status = status


class UnaryClient:
    """Calls methods without arguments of the server behind `path`. For one thread; `close` may come from another."""

    def __init__(self, path: Path, *, timeout_seconds: float, max_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._path, self._timeout, self._max_bytes = path, timeout_seconds, max_bytes
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._closed = False

    def call(self, method: str) -> bytes:
        """Return the message that answers; GrpcError when there is none within the whole time."""
        exchange = _Exchange(self._max_bytes)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            self._hold(sock)
            try:
                return exchange.run(sock, str(self._path), method, time.monotonic() + self._timeout)
            except TimeoutError:
                raise GrpcError(f"no whole answer within {self._timeout:g} s") from None
            except OSError as error:
                raise _unreachable(error) from None
            except H2Error as error:
                raise GrpcError(f"the answer is no HTTP/2: {type(error).__name__}") from None
            finally:
                self._hold(None)

    def close(self) -> None:
        """End the call in flight; later ones fail."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                _shut_down(self._socket)

    def _hold(self, sock: socket.socket | None) -> None:
        with self._lock:
            if sock is not None and self._closed:
                raise GrpcError("the client is closed")
            self._socket = sock


class _Exchange:
    """The one request of a connection and what has come back so far."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._body = bytearray()
        self._status = self._told = ""
        self._ended = False

    def run(self, sock: socket.socket, path: str, method: str, end: float) -> bytes:
        """Send the request, read until the answer is over, and return its message."""
        sock.settimeout(_left(end))
        sock.connect(path)
        self._http.initiate_connection()
        self._http.send_headers(_STREAM, _headers(method, _left(end)))
        self._http.send_data(_STREAM, _EMPTY_REQUEST, end_stream=True)
        while not self._ended:
            sock.settimeout(_left(end))
            sock.sendall(self._http.data_to_send())
            data = sock.recv(_CHUNK)
            if not data:
                raise GrpcError("the connection was closed in the middle of the answer")
            for event in self._http.receive_data(data):
                self._take(event)
        return self._message()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
                self._read_headers({str(name): str(value) for name, value in headers or ()})
            case DataReceived(data=data, flow_controlled_length=length):
                self._body += data or b""
                if len(self._body) > self._max_bytes + _PREFIX_BYTES:
                    raise GrpcError(f"the answer has more than {self._max_bytes} bytes")
                self._http.acknowledge_received_data(length or 0, _STREAM)
            case StreamEnded():
                self._ended = True
            case StreamReset() | ConnectionTerminated():
                raise GrpcError(f"the answer was broken off (HTTP/2 error code {event.error_code})")

    def _read_headers(self, headers: dict[str, str]) -> None:
        http_status = headers.get(":status", "200")
        if http_status != "200":
            raise GrpcError(f"HTTP status {http_status}, expected 200: this is no gRPC server")
        self._status = headers.get("grpc-status", self._status)
        self._told = headers.get("grpc-message", self._told)

    def _message(self) -> bytes:
        if not _STATUS.match(self._status):
            raise GrpcError("the answer has no gRPC status")
        status = int(self._status)
        if status:
            told = "".join(c if c.isprintable() else " " for c in unquote(self._told))[:_MESSAGE_CHARACTERS]
            raise GrpcError(f"gRPC status {status}: {told or 'no reason given'}", status=status)
        compressed, size = self._body[:1], int.from_bytes(self._body[1:_PREFIX_BYTES])
        if compressed == b"\1":
            raise GrpcError("the answer is compressed, which was not asked for")
        if compressed != b"\0" or len(self._body) != _PREFIX_BYTES + size:
            raise GrpcError(f"the answer has {len(self._body)} bytes and is not exactly one gRPC message")
        return bytes(self._body[_PREFIX_BYTES:])


def _headers(method: str, seconds: float) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", f"atlas-ops/{__version__}"),
        ("grpc-timeout", f"{max(1, int(seconds * 1000))}m"),
    ]


def _left(end: float) -> float:
    """Return the seconds left; TimeoutError when there are none, so that a server that drips cannot go on for ever."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _unreachable(error: OSError) -> GrpcError:
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno in (errno.EACCES, errno.EPERM):
        step = "the kubelet's socket belongs to root: run the exporter as user 0 (it needs no capability for this)"
        return GrpcError(f"the socket refuses this user: {reason}", next_step=step)
    return GrpcError(f"the connection failed: {reason}")


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is not connected yet, or no longer
        sock.shutdown(socket.SHUT_RDWR)
