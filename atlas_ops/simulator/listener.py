"""A loopback HTTP server with nothing but what the simulator needs: one per model server and one for control."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from atlas_ops.errors import EnvironmentProblem

_log = logging.getLogger(__name__)

SILENCE_SECONDS = 1.0
"""A client that has connected and says nothing is dropped after this; `stop` never waits longer."""
_MOST_BYTES = 1 << 20
"""Of a request's body; it is read so that the client sees our answer, and not looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One HTTP response."""

    body: str
    content_type: str = "application/json"
    status: int = 200


Respond = Callable[[str, str], Answer | None]
"""From method and request target (path with query) to the answer; None: the connection is closed without one."""


def json_answer(content: dict[str, object]) -> Answer:
    """Return an answer with a JSON object."""
    return Answer(body=json.dumps(content))


def refusal(status: HTTPStatus, message: str, next_step: str = "") -> Answer:
    """Return an answer that says what was wrong and what to do next."""
    return Answer(body=json.dumps({"error": message, "next_step": next_step}), status=status)


class Listener:
    """Listens on `host`:`port` (0: a free one) from its creation on, and answers between `start` and `stop`.

    While it is closed, connections are refused and the port stays its own. Not safe for threads.
    """

    def __init__(self, host: str, port: int, respond: Respond) -> None:
        self._respond = respond
        self._started = False
        # Bound and never listening: this alone keeps the port, and Linux refuses who connects to it.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._reserved.bind((host, port))
            self._address: tuple[str, int] = self._reserved.getsockname()
            self._server: _Server | None = _Server(self._address, respond)
        except OSError as error:
            self._reserved.close()
            raise EnvironmentProblem(
                f"cannot listen on {host}:{port}: {error.strerror or error}", next_step="choose another address or port"
            ) from error
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its base address, `http://HOST:PORT`."""
        return f"http://{self._address[0]}:{self._address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        self._started = True
        self._serve()

    def stop(self) -> None:
        """Finish the answers under way and let go of the port."""
        self._started = False
        self.close()
        self._reserved.close()

    def close(self) -> None:
        """Finish the answers under way; from then on nobody listens."""
        server, self._server = self._server, None
        if server:
            if self._thread:
                server.shutdown()
                self._thread.join()
                self._thread = None
            server.server_close()

    def open(self) -> None:
        """Listen again, where it was closed; EnvironmentProblem when the port cannot be had any more."""
        if self._server is None:
            try:
                self._server = _Server(self._address, self._respond)
            except OSError as error:
                raise EnvironmentProblem(f"cannot listen at {self.url} again: {error.strerror or error}") from error
            self._serve()

    def _serve(self) -> None:
        if self._server and self._started:
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(0.05,), name=f"listener {self.url}"
            )
            self._thread.start()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close then waits for the answers under way
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Respond) -> None:
        super().__init__(address, _Handler)
        self.respond = respond

    def handle_error(self, request: object, client_address: object) -> None:
        """Note a client that did not wait for its answer; that is its own affair."""
        del request
        _log.debug("%s went away", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENCE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        self._answer(self.server.respond("GET", self.path))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(length), _MOST_BYTES) if length.isdecimal() else 0)
        self._answer(self.server.respond("POST", self.path))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        _log.debug(format, *args)

    def _answer(self, answer: Answer | None) -> None:
        if answer is None:
            return
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
