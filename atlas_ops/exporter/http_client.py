"""Sends one HTTP request that ends in time, whatever the other side does.

Used by `fetch` for pages, by `probe` for black-box requests, and by `discovery` for the API of Kubernetes. A timeout of the
socket starts anew with every byte, so a server that drips could hold a request for ever; here a watchdog shuts the
connection when the whole time is over. Redirects, proxies and compression are not followed, used or asked for.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit

from atlas_ops.errors import AtlasError
from atlas_ops.exporter.deadline import Deadline

_log = logging.getLogger(__name__)
_SAFE = "/%:@!$&'()*+,;=~?"  # what a path or query may hold as it is; anything else is percent-encoded
_HEADERS = {"Accept-Encoding": "identity", "Connection": "close"}
_HIDDEN = "***"
_TELLING_CHARACTERS = 4
"""So much of the beginning of a token may be shown: what is shorter helps nobody, and may stand anywhere by chance."""

PROBLEMS = (OSError, http.client.HTTPException, ValueError)
"""What a request can end in. UnicodeError is a ValueError; ssl and name resolution raise children of OSError."""


class TokenProblem(AtlasError):
    """The file of the bearer token cannot be used; nothing was sent."""


class BrokenChunk(http.client.HTTPException):
    """A piece of the answer says that its size is below 0."""

    def __str__(self) -> str:
        return "a piece of the answer has a size below 0"


class _Response(http.client.HTTPResponse):
    """An answer whose pieces have sizes: http.client takes one of -1 bytes for all that comes, and keeps it in memory."""

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc] # http.client's own; the tests tell if it goes
        if size < 0:
            raise BrokenChunk
        return size


class _Connection:
    """The socket of one request, which a watchdog may shut at any moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.was_shut = False

    def hold(self, sock: socket.socket) -> socket.socket:
        """Take over a socket; TimeoutError when the time was over before it was there."""
        with self._lock:
            self._socket = sock
            if self.was_shut:
                raise TimeoutError
        return sock

    def shut(self) -> None:
        """End whatever is going on over the socket."""
        with self._lock:
            self.was_shut = True
            if self._socket is not None:
                _shut_down(self._socket)

    def close(self) -> None:
        """Give the socket back."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None


class HttpClient:
    """Sends requests, one at a time. `close` may be called from another thread."""

    def __init__(self, bearer_token_file: str = "", *, ca_file: str = "") -> None:
        """Both files are read for each request, so they may be replaced. No `ca_file`: whom the machine trusts."""
        self._token_file, self._ca_file = bearer_token_file, ca_file
        self._connection = _Connection()
        self._token = ""
        """The one that was sent last."""
        self._closed = False

    @contextlib.contextmanager
    def send(
        self, method: str, url: str, deadline: Deadline, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Give the answer, its body still to be read in the block.

        TokenProblem when nothing could be sent, one of PROBLEMS when there is no answer; TimeoutError, at the end of the
        block as well and in place of any AtlasError from it, when the time was over or the client was closed.
        """
        self._token = _token(self._token_file)
        headers = {**_HEADERS, **headers, **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        connection = self._connection = _Connection()
        if self._closed:
            connection.shut()
        watchdog = threading.Timer(deadline.left, connection.shut)
        watchdog.daemon = True
        watchdog.start()
        try:
            exchange = _exchange(method, url, deadline, connection, headers, body, self._ca_file)
            with contextlib.closing(exchange) as response:
                yield response
        except (AtlasError, *PROBLEMS) as error:
            # What was shut looks like an end to whoever reads it, so no verdict of the block on it counts.
            if connection.was_shut:
                raise TimeoutError from error
            raise
        finally:
            watchdog.cancel()
            connection.close()
        if connection.was_shut:
            raise TimeoutError

    def without_token(self, text: str) -> str:
        """Return what a server said without the token that it got, which some repeat; the text may end in the middle of it."""
        if not self._token:
            return text
        text = text.replace(self._token, _HIDDEN)
        for length in range(len(self._token) - 1, _TELLING_CHARACTERS, -1):
            if text.endswith(self._token[:length]):
                return text[:-length] + _HIDDEN
        return text

    def close(self) -> None:
        """End the running request now, and every later one at once."""
        self._closed = True
        self._connection.shut()


def _exchange(
    method: str,
    url: str,
    deadline: Deadline,
    connection: _Connection,
    headers: dict[str, str],
    body: bytes | None,
    ca_file: str,
) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    client = http.client.HTTPConnection(host, port)
    client.response_class = _Response
    client.sock = _connect(host, port, deadline, connection)
    if secure:
        # The handshake waits until the watchdog knows the socket that does it.
        context = ssl.create_default_context(cafile=ca_file) if ca_file else _context()
        secured = context.wrap_socket(client.sock, server_hostname=host, do_handshake_on_connect=False)
        client.sock = connection.hold(secured)
        secured.do_handshake()
    path, query = quote(parts.path or "/", safe=_SAFE), quote(parts.query, safe=_SAFE)
    client.request(method, f"{path}?{query}" if query else path, body=body, headers=headers)
    return client.getresponse()


def _connect(host: str, port: int, deadline: Deadline, connection: _Connection) -> socket.socket:
    """Connect to the first address that answers; all of them share the time."""
    problem: OSError = OSError(f"the name {host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = connection.hold(socket.socket(family, kind, protocol))
        try:
            sock.settimeout(deadline.left)
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(sock)
            return sock
    raise problem


def _keep_alive(sock: socket.socket) -> None:
    """Have the kernel find out, within half a minute, that the other side is gone although it never said so."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _token(token_file: str) -> str:
    if not token_file:
        return ""
    try:
        token = Path(token_file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds something that is no token"
        raise TokenProblem(f"the token file {token_file} is refused: {why}") from None
    if not token or not token.isprintable() or " " in token:
        raise TokenProblem(f"the token file {token_file} does not hold exactly one token")
    return token


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _shut_down(sock: socket.socket) -> None:
    try:
        # Not SSLSocket.shutdown: it tears the TLS state down under the thread that is reading from it.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("nothing to shut down: %s", error)
