"""A Prometheus that answers in part, with remarks, or with garbage: what is not whole is not judged, and the last verdict stands."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from atlas_ops.prometheus import Prometheus
from atlas_ops.watch.watcher import LATE_SECONDS, Outcome, Watcher
from tests.watch.traffic import END, HOUR

Change = Callable[[dict[str, Any]], object]


class Between(ThreadingHTTPServer):
    """Hands questions on to a Prometheus, and its answers back as `change` leaves them."""

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = url
        self.change: Change = lambda document: document

    def answer(self, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.dumps(self.change(json.load(answer))).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Between

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _answer(self, body: bytes | None) -> None:
        kind = {"content-type": self.headers["content-type"]} if body else {}
        answer = self.server.answer(self.path, body, kind)
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def between(prometheus: Prometheus) -> Iterator[tuple[Between, Prometheus]]:
    server = Between(prometheus.url)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    client = Prometheus(f"http://127.0.0.1:{server.server_address[1]}", timeout_seconds=60)
    try:
        yield server, client
    finally:
        client.close()
        server.shutdown()
        server.server_close()
        thread.join()


def only(watcher: Watcher) -> Outcome:
    (outcome,) = watcher.round().outcomes
    return outcome


def half(document: dict[str, Any]) -> dict[str, Any]:
    """The store of one of the bins' shards does not answer."""
    if document["data"]["resultType"] == "matrix":
        document["data"]["result"] = document["data"]["result"][::2]
        document["warnings"] = ["receive series from store-1:10901: rpc error: code = Unavailable"]
    return document


def remarked(document: dict[str, Any]) -> dict[str, Any]:
    """Prometheus remarks on queries that are none of its business."""
    said = 'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "x"'
    return document | {"warnings": [said], "infos": [said]}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (half, "a part of the data is missing: receive series from store-1:10901"),
        (lambda document: document | {"isPartial": True}, "a part of the data is missing: it says isPartial"),
        (lambda document: {"status": "success"}, "no result"),
        (lambda document: [], "no result"),
        (lambda document: document | {"data": {"resultType": "matrix", "result": [{"metric": {}}]}}, "no result"),
    ],
)
def test_what_is_not_whole_is_not_judged(
    prometheus: Prometheus, shelf: Callable[..., Path], change: Change, what: str
) -> None:
    with between(prometheus) as (server, client):
        now = END - HOUR
        watcher = Watcher(shelf("quiet"), client, clock=lambda: now + LATE_SECONDS)
        before = only(watcher)
        assert before.problem == ""
        now = END
        # Questions of the moment are asked first, and are answered well: it is the counts that are not.
        server.change = lambda document: change(document) if "matrix" in str(document) else document
        after = only(watcher)
        assert what in after.problem
        assert after.judgement == before.judgement
        server.change = remarked
        assert only(watcher).problem == ""
