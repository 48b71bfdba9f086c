"""A stand-in for the API server of Kubernetes: a real HTTP(S) server that lists and watches pods as the real one does.

Resource versions, chunks of lists, watches with bookmarks, 410 in both forms, accounts and permissions; after
kubernetes.io/docs/reference/using-api/api-concepts. What it does wrong, a test switches on.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.exporter.discovery.pods import NAMESPACE

TOKEN = "token-of-a-service-account"
Object = dict[str, Any]


@dataclass
class Faults:
    """What it does wrong, or differently."""

    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Status and Retry-After of the next answers."""
    before_event: list[bytes] = field(default_factory=list)
    """Sent as they are before the next events of a watch."""
    gone_as_event: bool = True
    """Whether a version that is too old gets a 200 with an ERROR event, as from a real server, or the status 410."""
    cut_in_line: int = 0
    """So many events are cut off in the middle, and the connection with them."""
    drip: bool = False
    """Watches come byte by byte."""
    ignores_selectors: bool = False
    whole_lists: bool = False
    """Lists from the cache are not divided, as before Kubernetes 1.31."""
    no_version: bool = False
    never_listens: bool = False
    """Watches end at once."""
    continue_gone: int = 0
    """So many continue tokens have expired."""


class ApiStandIn(ThreadingHTTPServer):
    """Pods and their history. Safe to use from many threads."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, certificate: tuple[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server_address[1]}"
        self.token = TOKEN
        self.allowed = {("list", NAMESPACE), ("watch", NAMESPACE)}
        self.faults = Faults()
        self.asked: list[tuple[str, dict[str, str]]] = []
        """Verb and query of each request, those that were refused too."""
        self.changed = threading.Condition()
        self.version, self.oldest = 1000, 1000
        """The version of now, and the oldest from which a watch may begin."""
        self.history: list[tuple[int, str, Object, Object | None]] = []
        """Version, type, object, and the object before."""
        self._pods: dict[tuple[str, str], Object] = {}
        self.generation = 0
        """Grows when all watches are to end now."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are no news."""

    def put(self, *pods: Object) -> None:
        with self.changed:
            for found in pods:
                key = (found["metadata"].get("namespace", ""), found["metadata"].get("name", ""))
                before = self._pods.get(key)
                self._pods[key] = self._record("MODIFIED" if before else "ADDED", found, before)

    def delete(self, name: str, namespace: str = NAMESPACE) -> None:
        with self.changed:
            before = self._pods.pop((namespace, name))
            self._record("DELETED", before, before)

    def compact(self) -> None:
        """Forget history: watches from versions before now are gone."""
        with self.changed:
            self.oldest = self.version = self.version + 1
            self.history.clear()

    def cut(self) -> None:
        """End all watches, as a restart does."""
        with self.changed:
            self.generation += 1
            self.changed.notify_all()

    def selected(self, query: dict[str, str], namespace: str) -> list[Object]:
        with self.changed:
            return [found for (place, _), found in sorted(self._pods.items())
                    if self.chooses(query, namespace, found, place)]  # fmt: skip

    def chooses(self, query: dict[str, str], namespace: str, found: Object, place: str = "") -> bool:
        if self.faults.ignores_selectors:
            return True
        node = query["fieldSelector"].removeprefix("spec.nodeName=")
        label, _, value = query.get("labelSelector", "").partition("=")
        fits = not label or found["metadata"]["labels"].get(label) == value
        return found["metadata"]["namespace"] == namespace and found["spec"]["nodeName"] == node and fits

    def await_news(self, version: int, generation: int) -> None:
        """Wait for half a second at most; `changed` has to be held."""
        self.changed.wait_for(lambda: self.version > version or self.generation != generation, 0.5)

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.asked]

    def _record(self, kind: str, found: Object, before: Object | None) -> Object:
        self.version += 1
        found = {**found, "metadata": {**found["metadata"], "resourceVersion": str(self.version)}}
        self.history.append((self.version, kind, found, before))
        self.changed.notify_all()
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiStandIn

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
        verb = "watch" if query.get("watch") == "true" else "list"
        self.server.asked.append((verb, query))
        namespace = parts.path.removeprefix("/api/v1/namespaces/").removesuffix("/pods")
        if self.server.faults.refusals:
            status, retry_after = self.server.faults.refusals.pop(0)
            self._refuse(
                status,
                f"as the test wants it, of {self.headers.get('Authorization')}",
                {"Retry-After": retry_after} if retry_after else {},
            )
        elif self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self._refuse(401, "Unauthorized")
        elif (verb, namespace) not in self.server.allowed or "fieldSelector" not in query:
            self._refuse(403, f'pods is forbidden: cannot {verb} resource "pods" in the namespace "{namespace}"')
        elif verb == "list":
            self._list(query, namespace)
        else:
            self._watch(query, namespace)

    def _list(self, query: dict[str, str], namespace: str) -> None:
        server, faults = self.server, self.server.faults
        if "continue" in query and "resourceVersion" in query:
            self._refuse(400, "specifying resource version is not allowed when using continue")
            return
        start = 0
        with server.changed:
            version, pods = str(server.version), server.selected(query, namespace)
        if "continue" in query:
            version, _, after = query["continue"].partition("/")
            start = int(after)
            if faults.continue_gone or int(version) < server.oldest:
                faults.continue_gone -= 1
                self._refuse(410, "The provided continue parameter is too old")
                return
        limit = int(query["limit"])
        if query.get("resourceVersion") == "0" and faults.whole_lists:
            limit = len(pods) + 1
        following = f"{version}/{start + limit}" if start + limit < len(pods) else ""
        metadata = {"resourceVersion": "" if faults.no_version else version, "continue": following}
        self._send(200, {"kind": "PodList", "metadata": metadata, "items": pods[start : start + limit]})

    def _watch(self, query: dict[str, str], namespace: str) -> None:
        server = self.server
        version = int(query["resourceVersion"])
        if version < server.oldest and not server.faults.gone_as_event:
            self._refuse(410, f"too old resource version: {version}")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._follow(query, namespace, version)
        self.wfile.write(b"0\r\n\r\n")

    def _follow(self, query: dict[str, str], namespace: str, version: int) -> None:
        server, generation = self.server, self.server.generation
        end = time.monotonic() + int(query["timeoutSeconds"])
        bookmarks = query.get("allowWatchBookmarks") == "true"
        while time.monotonic() < end and not server.faults.never_listens:
            with server.changed:
                server.await_news(version, generation)
                new = [entry for entry in server.history if entry[0] > version]
                latest, oldest = server.version, server.oldest
            if server.generation != generation:
                self._break_off()
            if version < oldest:
                status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                self._line({"type": "ERROR", "object": status})
                return
            for _, kind, found, before in new:
                self._tell(kind, found, before, lambda one: server.chooses(query, namespace, one))
            version = latest
            if bookmarks:
                mark = {"kind": "Pod", "metadata": {"resourceVersion": str(version)}}
                self._line({"type": "BOOKMARK", "object": mark})

    def _tell(self, kind: str, found: Object, before: Object | None, chosen: Callable[[Object], bool]) -> None:
        """Send an event, as it looks to somebody who sees only what is chosen."""
        was, is_now = before is not None and chosen(before), chosen(found)
        if kind != "DELETED" and was != is_now:
            kind = "ADDED" if is_now else "DELETED"
        if was or is_now:
            self._line({"type": kind, "object": found})

    def _line(self, event: Object) -> None:
        faults = self.server.faults
        text = json.dumps(event).encode() + b"\n"
        if faults.before_event:
            text = faults.before_event.pop(0) + text
        if faults.cut_in_line and event["type"] != "BOOKMARK":
            faults.cut_in_line -= 1
            self._chunk(text[: len(text) // 2])
            self._break_off()
        for piece in [text[n : n + 1] for n in range(len(text))] if faults.drip else [text]:
            self._chunk(piece)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _break_off(self) -> None:
        self.wfile.flush()
        raise ConnectionAbortedError

    def _refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, {"kind": "Status", "status": "Failure", "code": status, "message": message}, headers)

    def _send(self, status: int, found: Object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def api_server(pods: Sequence[Object] = (), certificate: tuple[str, str] | None = None) -> Iterator[ApiStandIn]:
    server = ApiStandIn(certificate)
    server.put(*pods)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.cut()
        server.shutdown()
        server.server_close()
        thread.join()
