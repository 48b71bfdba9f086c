"""One connection from its first byte to its last: TLS, requests, who may ask, and answers in time.

Run by `server`, each in a thread of its own, so that whoever is slow holds up nobody else.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.web import message, negotiate
from atlas_ops.exporter.web.basic_auth import Login
from atlas_ops.exporter.web.config import WebConfig
from atlas_ops.exporter.web.connection import Connection, HeadTooLarge, begins_tls
from atlas_ops.exporter.web.guard import Guard
from atlas_ops.exporter.web.message import BadRequest, Reply, Request

_log = logging.getLogger(__name__)

MAX_REQUESTS = 40
"""Answered at the same time; node_exporter's limit. Two Prometheus servers need two."""
HEAD_SECONDS = 10.0
"""For the TLS handshake and the head of a request together. Prometheus's default scrape timeout: whoever needs longer
has given up anyway."""
ANSWER_SECONDS = 10.0
"""From the first byte of a request to the last one of its answer, where the client does not say how long it waits."""
MAX_ANSWER_SECONDS = 60.0
"""However long the client says that it would wait."""
OFFSET_SECONDS = 0.25
"""An answer is over so long before the client gives up, so that it gets a word instead of nothing (as mysqld_exporter;
half of the time where that is shorter)."""
IDLE_SECONDS = 90.0
"""Between two requests on one connection: beyond Prometheus's default scrape interval of a minute."""
_LAST_WORD_SECONDS = 1.0
"""For a refusal that is sent when the time for the answer is over, and for the client to take it."""
_SCRAPE_TIMEOUT = "x-prometheus-scrape-timeout-seconds"
_PLAIN_ON_TLS = b"Client sent an HTTP request to an HTTPS server.\n"  # word for word what Go's servers say

Handler = Callable[[Request], Reply]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What all connections of one server share."""

    routes: Mapping[str, Handler]
    """By path. A handler that runs out of time raises TimeoutError."""
    guard: Callable[[], Guard]
    refused: Callable[[str], None]
    """Told the reason (`conventions.REFUSALS`) of each refusal."""
    slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_REQUESTS))


class Session:
    """Talks with one client. `idle` is true while it waits for a further request: then it may be ended for another."""

    def __init__(self, connection: Connection, site: Site) -> None:
        self.idle = False
        self._connection, self._site = connection, site

    def run(self) -> None:
        """Answer until the client or a limit ends it. Never raises an error of the connection."""
        try:
            self._talk()
        except TimeoutError:
            self._site.refused(c.REFUSED_TIMEOUT)
        except OSError as error:
            _log.debug("a connection broke off: %s", error)

    def _talk(self) -> None:
        deadline = Deadline(HEAD_SECONDS)
        if not self._secured(deadline):
            return
        while (head := self._head(deadline)) is not None and self._exchange(head, deadline):
            self.idle = True
            if not self._connection.wait(Deadline(IDLE_SECONDS)):
                return
            self.idle = False
            deadline = Deadline(HEAD_SECONDS)

    def _secured(self, deadline: Deadline) -> bool:
        """Begin TLS where it is wanted; say whether the client may go on."""
        tls = self._site.guard().current().tls
        if tls is None:
            return True
        first = self._connection.first_byte(deadline)
        if first is None:
            return False  # somebody looked whether the port is open
        if not begins_tls(first):
            self._end(Reply(status=400, body=_PLAIN_ON_TLS, refusal=c.REFUSED_TLS))
            return False
        try:
            self._connection.secure(tls.context, deadline)
        except (ssl.SSLError, ConnectionError) as error:
            _log.debug("no TLS with a client: %s", error)
            self._site.refused(c.REFUSED_TLS)
            self._connection.drain(Deadline(_LAST_WORD_SECONDS))  # or it would not see why
            return False
        if tls.allows(self._connection.alternative_names()):
            return True
        _log.debug("the certificate of a client has none of client_allowed_sans")
        self._site.refused(c.REFUSED_TLS)
        return False

    def _head(self, deadline: Deadline) -> bytes | None:
        try:
            return self._connection.read_head(deadline)
        except HeadTooLarge:
            self._end(Reply(status=431, body=b"the request is too large\n", refusal=c.REFUSED_BAD_REQUEST))
            return None

    def _exchange(self, head: bytes, deadline: Deadline) -> bool:
        """Answer one request; say whether another one may follow."""
        try:
            request = _timed(message.parse(head, deadline))
        except BadRequest as error:
            self._end(Reply(status=400, body=f"{error.message}\n".encode(), refusal=c.REFUSED_BAD_REQUEST))
            return False
        if not self._site.slots.acquire(blocking=False):
            self._end(Reply(status=503, body=b"too many requests at once\n", refusal=c.REFUSED_BUSY))
            return False
        try:
            return self._answer(request)
        finally:
            self._site.slots.release()

    def _answer(self, request: Request) -> bool:
        config = self._site.guard().current()
        reply = self._reply(request, config)
        if request.deadline.over and not reply.refusal:
            reply = _out_of_time()
        keep_alive = request.keep_alive and reply.status < 500
        data = message.encode(reply, headers=config.headers, keep_alive=keep_alive, with_body=request.method != "HEAD")
        if reply.refusal:
            self._site.refused(reply.refusal)
        self._connection.send(data, Deadline(_LAST_WORD_SECONDS) if reply.refusal else request.deadline)
        return keep_alive

    def _reply(self, request: Request, config: WebConfig) -> Reply:
        login = config.users.check(request.header("authorization"), request.deadline)
        if login is Login.BUSY:
            return Reply(status=503, body=b"too many logins at once\n", refusal=c.REFUSED_BUSY)
        if login is Login.WRONG:
            headers = {"WWW-Authenticate": "Basic"}
            return Reply(status=401, body=b"Unauthorized\n", headers=headers, refusal=c.REFUSED_UNAUTHORIZED)
        if request.method not in ("GET", "HEAD"):
            headers = {"Allow": "GET, HEAD"}
            return Reply(status=405, body=b"only GET and HEAD\n", headers=headers, refusal=c.REFUSED_BAD_REQUEST)
        handler = self._site.routes.get(request.path)
        if handler is None:
            text = b"not found; the metrics are at /metrics\n"
            return Reply(status=404, body=text, refusal=c.REFUSED_BAD_REQUEST)
        try:
            return handler(request)
        except TimeoutError:
            return _out_of_time()
        except Exception:  # noqa: BLE001 (logged whole; a page must not end the connection)
            _log.exception("the page %s could not be made", request.path)
            text = b"the page could not be made; the log says why\n"
            return Reply(status=500, body=text, refusal=c.REFUSED_FAILED)

    def _end(self, reply: Reply) -> None:
        """Send a last word to a client that may still be sending."""
        self._site.refused(reply.refusal)
        deadline = Deadline(_LAST_WORD_SECONDS)
        headers = self._site.guard().current().headers
        self._connection.send(message.encode(reply, headers=headers, keep_alive=False), deadline)
        self._connection.drain(deadline)


def _timed(request: Request) -> Request:
    """Return the request with the deadline of its answer, counted from when its head began to come."""
    told = negotiate.scrape_seconds(request.header(_SCRAPE_TIMEOUT))
    seconds = ANSWER_SECONDS if told is None else min(max(told - OFFSET_SECONDS, told / 2), MAX_ANSWER_SECONDS)
    return request.until(Deadline(seconds, begin=request.deadline.begin))


def _out_of_time() -> Reply:
    return Reply(status=503, body=b"the page could not be made in the time for a scrape\n", refusal=c.REFUSED_TIMEOUT)
