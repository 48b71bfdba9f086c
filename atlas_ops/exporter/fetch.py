"""One HTTP GET that ends in time, whatever the other side does.

Called by `server_collector`, one `Fetcher` for each server. A timeout of the socket starts anew with every byte, so a
server that drips could hold a scrape for ever; here a watchdog shuts the connection when the whole time is over.
Redirects, proxies and compression are not followed, used or asked for.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit

from atlas_ops import __version__
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState

_log = logging.getLogger(__name__)
_CHUNK = 1 << 16
_SAFE = "/%:@!$&'()*+,;=~?"  # what a path or query may hold as it is; anything else is percent-encoded
_HEADERS = {
    "Accept": "text/plain;version=0.0.4;q=1,*/*;q=0.1",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": f"atlas-ops/{__version__}",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back: an HTTP status and the whole body."""

    status: int
    body: bytes


class _Connection:
    """The socket of one request, which a watchdog may shut at any moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.was_shut = False

    def hold(self, sock: socket.socket) -> socket.socket:
        """Take over a socket; it is shut at once when the time was over before it was there."""
        with self._lock:
            self._socket = sock
            if self.was_shut:
                _shut_down(sock)
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


class Fetcher:
    """Gets pages of one server. `close` may be called from another thread."""

    def __init__(self, *, max_bytes: int, bearer_token_file: str = "") -> None:
        self._max_bytes = max_bytes
        self._token_file = bearer_token_file
        self._connection = _Connection()
        self._closed = False

    def get(self, url: str, deadline: Deadline) -> Answer:
        """Return the answer; ScrapeFailure when there is none in time, or none that is whole."""
        headers = _HEADERS | self._authorization()
        connection = self._connection = _Connection()
        if self._closed:
            connection.shut()
        watchdog = threading.Timer(deadline.left, connection.shut)
        watchdog.daemon = True
        watchdog.start()
        try:
            answer = self._exchange(url, headers, deadline, connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            # UnicodeError is a ValueError; ssl and name resolution raise children of OSError.
            raise _failure(error, timed_out=connection.was_shut) from error
        finally:
            watchdog.cancel()
            connection.close()
        if connection.was_shut:
            raise _failure(TimeoutError(), timed_out=True)
        return answer

    def close(self) -> None:
        """End the running request now, and every later one at once."""
        self._closed = True
        self._connection.shut()

    def _exchange(self, url: str, headers: dict[str, str], deadline: Deadline, connection: _Connection) -> Answer:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        client = http.client.HTTPConnection(host, port)
        client.sock = connection.hold(_connect(host, port, deadline))
        if secure:
            # The handshake waits until the watchdog knows the socket that does it.
            secured = _context().wrap_socket(client.sock, server_hostname=host, do_handshake_on_connect=False)
            client.sock = connection.hold(secured)
            secured.do_handshake()
        path, query = quote(parts.path or "/", safe=_SAFE), quote(parts.query, safe=_SAFE)
        client.request("GET", f"{path}?{query}" if query else path, headers=headers)
        response = client.getresponse()
        try:
            return Answer(status=response.status, body=self._body(response))
        finally:
            response.close()

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        if response.status >= 300:
            return b""  # its text tells us nothing, and may be as long as it likes
        if response.getheader("Content-Encoding", "identity").lower() != "identity":
            raise ScrapeFailure(ScrapeState.UNPARSABLE, "the page is compressed, although nobody asked for that")
        chunks: list[bytes] = []
        size, announced = 0, response.length or 0
        while max(size, announced) <= self._max_bytes and (chunk := response.read(_CHUNK)):
            chunks.append(chunk)
            size += len(chunk)
        if max(size, announced) > self._max_bytes:
            raise ScrapeFailure(ScrapeState.UNPARSABLE, f"the page is larger than {self._max_bytes} bytes")
        body = b"".join(chunks)
        # http.client says nothing when a server closes before the length that it announced. Where no length was
        # announced, only the line feed that has to end a page shows that it is whole.
        unannounced = response.length is None and not response.chunked
        if response.length or (unannounced and body and not body.endswith(b"\n")):
            raise http.client.IncompleteRead(b"")
        return body

    def _authorization(self) -> dict[str, str]:
        if not self._token_file:
            return {}
        try:
            token = Path(self._token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it holds something that is no token"
            raise ScrapeFailure(
                ScrapeState.UNAUTHORIZED, f"the token file {self._token_file} is refused: {why}"
            ) from None
        if not token or not token.isprintable() or " " in token:
            raise ScrapeFailure(
                ScrapeState.UNAUTHORIZED, f"the token file {self._token_file} does not hold exactly one token"
            )
        return {"Authorization": f"Bearer {token}"}


def _failure(error: Exception, *, timed_out: bool) -> ScrapeFailure:
    if timed_out or isinstance(error, TimeoutError):
        return ScrapeFailure(ScrapeState.TIMEOUT, "no whole answer in time")
    if isinstance(error, http.client.RemoteDisconnected):
        return ScrapeFailure(ScrapeState.UNREACHABLE, "the server closed the connection without an answer")
    if isinstance(error, http.client.IncompleteRead):
        return ScrapeFailure(ScrapeState.UNPARSABLE, "the server closed the connection in the middle of the page")
    if isinstance(error, http.client.HTTPException):
        return ScrapeFailure(ScrapeState.UNPARSABLE, f"the answer is not HTTP: {type(error).__name__}")
    refused = isinstance(error, ConnectionRefusedError)
    return ScrapeFailure(ScrapeState.UNREACHABLE, str(error) or type(error).__name__, loading=refused)


def _connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Connect to the first address that answers; all of them share the time."""
    problem: OSError = OSError(f"the name {host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.left)
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise problem


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _shut_down(sock: socket.socket) -> None:
    try:
        # Not SSLSocket.shutdown: it tears the TLS state down under the thread that is reading from it.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("nothing to shut down: %s", error)
