"""The HTTP side of the Slack stand-in. Used by `stage.slack_standin`, which gives the answers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from atlas_ops.stage import slack_webhook
from atlas_ops.stage.slack_files import UPLOADS
from atlas_ops.stage.slack_limits import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One answer over HTTP."""

    body: Json | str
    """A text only where Slack answers with one: at incoming webhooks and uploads."""
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Who answers what: calls by method, token and arguments; the incoming webhook; bytes put to an upload's path."""

    call: Callable[[str, str, Json], Answer]
    webhook: Callable[[Json], Answer]
    upload: Callable[[str, bytes], Answer]


class Server(ThreadingHTTPServer):
    """Serves the answers on a loopback port."""

    daemon_threads = True

    def __init__(self, port: int, answers: Answers) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers = answers


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        """Answer a call; slack_sdk posts all of them."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answers = self.server.answers
        if self.path == slack_webhook.PATH:
            answer = answers.webhook(self._arguments(body))
        elif self.path.startswith(UPLOADS):
            answer = answers.upload(self.path, body)
        else:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
            answer = answers.call(self.path.rpartition("/api/")[2], token, self._arguments(body))
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        told = answer.body
        text = told.encode() if isinstance(told, str) else json.dumps(told).encode()
        kind = "text/html" if isinstance(told, str) else "application/json"
        try:
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Type": kind}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except ConnectionError:
            return  # the caller was killed meanwhile

    def _arguments(self, body: bytes) -> Json:
        if "json" in self.headers.get("Content-Type", ""):
            found = json.loads(body or b"{}")
            return found if isinstance(found, dict) else {}
        form: dict[str, object] = dict(parse_qsl(body.decode()))
        return form | {name: json.loads(str(form[name])) for name in ("blocks", "metadata", "files") if name in form}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""
