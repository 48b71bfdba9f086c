"""The socket of one client: every wait for bytes ends with a deadline, however the client spreads them.

Used by `session` in the connection's own thread; `shut` is called by `server` from others.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading

from atlas_ops.exporter.deadline import Deadline

_log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 16 * 1024
"""Of one request. Prometheus sends some 400 bytes; a bearer token or a cookie may add some thousands."""
_CHUNK = 1 << 16
_TLS_HANDSHAKE = 0x16
"""First byte of every TLS connection (RFC 8446, section 5.1); no HTTP request begins with it."""


class HeadTooLarge(Exception):
    """The head of a request is longer than any honest one."""


class Connection:
    """Reads heads of requests and sends answers. Every method may raise OSError, of which TimeoutError is a child."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self._was_shut = False
        self._received = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first_byte(self, deadline: Deadline) -> int | None:
        """Return the first byte that the client sends, and leave it there; None when it closes without one."""
        self._socket.settimeout(deadline.left)
        first = self._socket.recv(1, socket.MSG_PEEK)
        return first[0] if first else None

    def secure(self, context: ssl.SSLContext, deadline: Deadline) -> None:
        """Begin TLS; ssl.SSLError (an OSError) when client and server do not agree on it."""
        secured = context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._socket = secured
            if self._was_shut:
                _shut(secured, socket.SHUT_RDWR)
        secured.settimeout(deadline.left)
        secured.do_handshake()

    def alternative_names(self) -> tuple[tuple[str, str], ...]:
        """Return (kind, name) for each alternative name of the client's certificate; none without TLS."""
        certificate = self._socket.getpeercert() if isinstance(self._socket, ssl.SSLSocket) else None
        return tuple((certificate or {}).get("subjectAltName", ()))  # type: ignore[arg-type]

    def wait(self, deadline: Deadline) -> bool:
        """Wait for the first byte of a request; False when the client closes, or says nothing until the deadline."""
        try:
            return bool(self._received) or self._receive(deadline)
        except TimeoutError:
            return False

    def read_head(self, deadline: Deadline) -> bytes | None:
        """Return the head of the next request without its empty line; None when the client closes before its end."""
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if len(self._received) > MAX_HEAD_BYTES:
                raise HeadTooLarge
            if not self._receive(deadline):
                return None
        head, self._received = self._received[:end], self._received[end + 4 :]
        return head

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it; TimeoutError when the client has not taken it by then."""
        left = memoryview(data)
        while left:
            if deadline.over:
                raise TimeoutError
            self._socket.settimeout(deadline.left)
            left = left[self._socket.send(left[:_CHUNK]) :]

    def drain(self, deadline: Deadline) -> None:
        """End our side and read what still comes: closing over unread bytes would take the answer with it."""
        _shut(self._socket, socket.SHUT_WR)
        try:
            while not deadline.over:
                self._socket.settimeout(deadline.left)
                if not socket.socket.recv(self._socket, _CHUNK):
                    return
        except OSError as error:
            _log.debug("the client has gone, or does not stop to send: %s", error)

    def shut(self) -> None:
        """End whatever goes on over the socket, from another thread."""
        with self._lock:
            self._was_shut = True
            _shut(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        with self._lock:
            self._socket.close()

    def _receive(self, deadline: Deadline) -> bool:
        if deadline.over:
            raise TimeoutError
        self._socket.settimeout(deadline.left)
        more = self._socket.recv(_CHUNK)
        self._received += more
        return bool(more)


def begins_tls(first_byte: int) -> bool:
    """Say whether a connection that begins with this byte speaks TLS."""
    return first_byte == _TLS_HANDSHAKE


def _shut(sock: socket.socket, how: int) -> None:
    try:
        # Not SSLSocket.shutdown: it tears the TLS state down under the thread that is reading from it.
        socket.socket.shutdown(sock, how)
    except OSError as error:
        _log.debug("nothing to shut down: %s", error)
