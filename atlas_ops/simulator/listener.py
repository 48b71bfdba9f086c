"""A small HTTP listener on its own threads. Used by `simulator.server`, one for each model server and one for control."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from atlas_ops.errors import EnvironmentProblem

_log = logging.getLogger(__name__)

SILENCE_SECONDS = 1.0
"""A client that has connected and says nothing is dropped after this; `stop` never waits longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One HTTP response."""

    body: str
    content_type: str = "application/json"
    status: int = 200


Respond = Callable[[str, str], Answer]
"""From method and request target (path with query) to the answer."""


def json_answer(content: dict[str, object]) -> Answer:
    """Return an answer with a JSON object."""
    return Answer(body=json.dumps(content))


def refusal(status: HTTPStatus, message: str, next_step: str = "") -> Answer:
    """Return an answer that says what was wrong and what to do next."""
    return Answer(body=json.dumps({"error": message, "next_step": next_step}), status=status)


class Listener:
    """Listens on `host`:`port` (0: a free one) from its creation on, and answers between `start` and `stop`."""

    def __init__(self, host: str, port: int, respond: Respond) -> None:
        try:
            self._server = _Server((host, port), respond)
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot listen on {host}:{port}: {error.strerror or error}", next_step="choose another address or port"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name=f"listener {self.url}")

    @property
    def url(self) -> str:
        """Its base address, `http://HOST:PORT`."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the answers under way and let go of the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close then waits for the answers under way
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Respond) -> None:
        super().__init__(address, _Handler)
        self.respond = respond


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENCE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        self._answer(self.server.respond("GET", self.path))

    def do_POST(self) -> None:
        self._answer(self.server.respond("POST", self.path))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        _log.debug(format, *args)

    def _answer(self, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
