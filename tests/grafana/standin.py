"""A strict stand-in for Grafana's HTTP API: it keeps folders and dashboards, and refuses what Grafana refuses.

It behaves as Grafana 11 with a SQL database: a dashboard is stored as it came, with its own id and version; `overwrite` also
takes the place of another dashboard of the same title. The token's account is an Editor: a folder that is not there is
forbidden to it when it is asked for by its uid. It knows nothing of atlas-ops.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.grafana import rules
from tests.grafana.rules import Answer, Json, refusal

TOKEN = "glsa_stand-in_0123456789abcdef"
ALL = frozenset(("folders:read", "folders:create", "dashboards:read", "dashboards:create", "dashboards:write"))
Intercept = Callable[[str, str], Answer | None]


@dataclass(kw_only=True)
class Kept:
    """One dashboard as it is stored."""

    model: dict[str, Any]
    folder_uid: str
    provisioned: bool = False
    plugin: str = ""
    messages: list[str] = field(default_factory=list)


class GrafanaStandIn:
    """One organisation of a Grafana. `calls` are method and path of every request that came."""

    def __init__(self, *, path: str = "", context: ssl.SSLContext | None = None) -> None:
        self.granted = set(ALL)
        self.dashboards: dict[str, Kept] = {}
        self.folders: dict[str, str] = {}
        """{uid: title}"""
        self.unindexed: set[str] = set()
        """Uids of folders that the search does not find yet."""
        self.minimum_refresh = ""
        self.calls: list[tuple[str, str]] = []
        self.sent_tokens: list[str] = []
        self.intercept: Intercept = lambda _method, _path: None
        """Asked before each call is judged; what it returns is the answer."""
        self._path, self._ids = path, iter(range(1, 1000))
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self._scheme = "http"
        if context is not None:
            self._scheme = "https"
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}{self._path}"

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] != "GET"]

    @contextlib.contextmanager
    def running(self) -> Iterator[GrafanaStandIn]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def keep(self, model: Json, folder_uid: str = "", *, provisioned: bool = False, plugin: str = "") -> Kept:
        """Store a dashboard as somebody else did."""
        kept = Kept(
            model={"version": 1, **copy.deepcopy(dict(model)), "id": next(self._ids)},
            folder_uid=folder_uid, provisioned=provisioned, plugin=plugin,
        )  # fmt: skip
        self.dashboards[model["uid"]] = kept
        return kept

    def answer(self, method: str, target: str, headers: Json, body: bytes) -> Answer:
        """Answer one request as Grafana would."""
        parts = urlsplit(target)
        with self._lock:
            path = parts.path.removeprefix(self._path)
            self.calls.append((method, path))
            self.sent_tokens += [headers["Authorization"]] if "Authorization" in headers else []
            found = self.intercept(method, path)
            if found is not None:
                return found
            if not parts.path.startswith(f"{self._path}/api/"):
                return Answer(raw=b"<!doctype html><title>Grafana</title>")
            return self._routed(method, path, dict(parse_qsl(parts.query)), headers, body)

    def _routed(self, method: str, path: str, query: dict[str, str], headers: Json, body: bytes) -> Answer:
        if (method, path) == ("GET", "/api/health"):
            return Answer(body={"commit": "0123456", "database": "ok", "version": "11.6.0"})
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            given = headers.get("Authorization", "").startswith("Bearer ")
            return refusal(401, "Invalid API key" if given else "Unauthorized")
        if method == "POST":
            return self._written(path, headers, body)
        folder, board = re.fullmatch(r"/api/folders/([^/]+)", path), re.fullmatch(r"/api/dashboards/uid/([^/]+)", path)
        if folder:
            return self._needs("folders:read") or self._folder(unquote(folder[1]))
        if board:
            return self._needs("dashboards:read") or self._dashboard(unquote(board[1]))
        return self._search(query) if path.rstrip("/") == "/api/search" else refusal(404, "Not found")

    def _written(self, path: str, headers: Json, body: bytes) -> Answer:
        if headers.get("Content-Type", "").split(";")[0] != "application/json":
            return refusal(400, "bad request data")
        try:
            command = json.loads(body)
        except ValueError:
            return refusal(400, "bad request data")
        if path == "/api/folders":
            return self._needs("folders:create") or rules.bad_folder(command) or self._made(command)
        if path == "/api/dashboards/db":
            return rules.bad_save(command) or self._saved(command)
        return refusal(404, "Not found")

    def _needs(self, action: str) -> Answer | None:
        return None if action in self.granted else rules.forbidden(action)

    def _folder(self, uid: str) -> Answer:
        if uid not in self.folders:
            return rules.forbidden("folders:read")  # "not found" is for whoever may see every folder: an Admin
        return Answer(
            body={"id": 1, "uid": uid, "title": self.folders[uid], "url": f"/dashboards/f/{uid}", "version": 1}
        )

    def _made(self, command: Json) -> Answer:
        uid = command.get("uid") or f"made-{next(self._ids)}"
        if uid in self.folders or uid in self.dashboards:
            return refusal(409, "a folder/dashboard with the same uid already exists")
        title = command["title"].strip()
        if title in self.folders.values():
            return refusal(409, "a folder with the same name already exists in the current location")
        self.folders[uid] = title
        return self._folder(uid)

    def _search(self, query: dict[str, str]) -> Answer:
        limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 1000
        page = max(int(query.get("page", 1)), 1)
        if query.get("type") != "dash-folder":
            return Answer(body=[])
        words = query.get("query", "").lower()
        hits = [
            {"id": 1, "uid": uid, "title": title, "type": "dash-folder", "tags": []}
            for uid, title in self.folders.items()
            if words in title.lower() and "folders:read" in self.granted and uid not in self.unindexed
        ]
        size = min(limit, 5000)
        return Answer(body=hits[(page - 1) * size : page * size])

    def _dashboard(self, uid: str) -> Answer:
        kept = self.dashboards.get(uid)
        if kept is None:
            return refusal(404, "Dashboard not found", traceID="")
        meta = {
            "slug": "it", "url": f"/d/{uid}/it", "version": kept.model["version"], "folderUid": kept.folder_uid,
            "folderTitle": self.folders.get(kept.folder_uid, "General"), "provisioned": kept.provisioned,
        }  # fmt: skip
        return Answer(body={"dashboard": kept.model, "meta": meta})

    def _saved(self, command: Json) -> Answer:
        model, folder = dict(command["dashboard"]), command.get("folderUid") or ""
        uid, overwrite = model.get("uid") or f"made-{next(self._ids)}", command.get("overwrite", False)
        if model.get("id") and model["id"] not in [kept.model["id"] for kept in self.dashboards.values()]:
            return refusal(404, "Dashboard not found", status="not-found")
        if folder and folder not in self.folders:
            return refusal(400, "folder not found")
        namesake = self._namesake(model["title"], folder, uid)
        if namesake is not None:
            if not overwrite:
                message = "A dashboard with the same name in the folder already exists"
                return refusal(412, message, status="name-exists")
            uid = namesake
        there = self.dashboards.get(uid)
        return self._unwelcome(there, model, overwrite=overwrite) or self._store(
            uid, model, folder, there, command.get("message", "")
        )

    def _namesake(self, title: str, folder: str, uid: str) -> str | None:
        found = [
            other
            for other, kept in self.dashboards.items()
            if (kept.model["title"], kept.folder_uid) == (title, folder)
        ]
        return next((other for other in found if other != uid), None)

    def _unwelcome(self, there: Kept | None, model: Json, *, overwrite: bool) -> Answer | None:
        if there is None:
            return self._needs("dashboards:create")
        if (model.get("version") or 0) != there.model["version"] and not overwrite:
            return refusal(412, "The dashboard has been changed by someone else", status="version-mismatch")
        if there.plugin and not overwrite:
            return refusal(412, f"The dashboard belongs to plugin {there.plugin}.", status="plugin-dashboard")
        if there.provisioned:
            return refusal(400, "Cannot save provisioned dashboard")
        return self._needs("dashboards:write")

    def _store(self, uid: str, model: dict[str, Any], folder: str, there: Kept | None, message: str) -> Answer:
        if self.minimum_refresh and rules.seconds(model.get("refresh")) < rules.seconds(self.minimum_refresh):
            model["refresh"] = self.minimum_refresh
        version, number = (there.model["version"] + 1, there.model["id"]) if there else (1, next(self._ids))
        model |= {"uid": uid, "version": version, "id": number, "title": model["title"].strip()}
        messages = there.messages if there else []
        self.dashboards[uid] = Kept(model=model, folder_uid=folder, messages=[*messages, message])
        return Answer(body={"id": number, "uid": uid, "url": f"/d/{uid}/it", "status": "success", "version": version})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], grafana: GrafanaStandIn) -> None:
        super().__init__(address, _Handler)
        self.grafana = grafana

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us hangs up: no word about it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for an answer: a second one would wait for the receipt of the first
    server: _Server

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, body: bytes) -> None:
        answer = self.server.grafana.answer(self.command, self.path, dict(self.headers.items()), body)
        sent = json.dumps(answer.body).encode() if answer.raw is None else answer.raw
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json" if answer.raw is None else "text/html")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
