"""Serves the preview: the built page, the JSON of the dashboards, and Prometheus under the page's own address.

A browser lets the page ask no other address than its own, so its queries are passed on from here; nothing but queries is.
Started by `atlas_ops.cli.preview`, by the demo, and by the browser tests.
"""

from __future__ import annotations

import http.server
import json
import mimetypes
import re
import threading
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote, urlsplit

from atlas_ops import promql, shipped
from atlas_ops.errors import AtlasError, EnvironmentProblem
from atlas_ops.http_config import HttpConfig, Wire
from atlas_ops.settings import Settings

PAGE = Path("build") / "preview" / "dist"
"""Where `make preview` builds the page, from the top of a checkout."""
QUERY_SECONDS = 60.0
"""How long Prometheus may take for an answer."""
_QUERIES = re.compile(r"/api/v1/(query|query_range|query_exemplars|labels|series|label/\w+/values)\Z")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def built_page() -> Path | None:
    """Return the folder of the built page; None when it is not built."""
    page = shipped.root() / PAGE
    return page if (page / "index.html").is_file() else None


class Preview:
    """A server on loopback, from `start` to `stop` or inside a `with` block.

    `dashboards` is {`dashboards/<name>.json`: text}; `port` 0: any that is free. EnvironmentProblem when it is taken.
    `http_config` says how to log in at `prometheus`.
    """

    def __init__(
        self,
        dashboards: Mapping[str, str],
        settings: Settings,
        *,
        page: Path,
        prometheus: str,
        http_config: HttpConfig | None = None,
        port: int = 0,
    ) -> None:
        self._wire = Wire("Prometheus", prometheus, http_config, timeout_seconds=QUERY_SECONDS)
        handler = partial(_Handler, _files(dashboards, settings), page.resolve(), self._wire)
        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            raise EnvironmentProblem(
                f"127.0.0.1:{port}: {error.strerror}", next_step="give another --port, or 0 for any that is free"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="preview")

    @property
    def url(self) -> str:
        """Where the first dashboard is; each has the address `/d/<uid>`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._wire.close()

    def __enter__(self) -> Preview:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _files(dashboards: Mapping[str, str], settings: Settings) -> dict[str, bytes]:
    """Return the JSON that the page reads: every dashboard, and which there are."""
    boards = [{**_named(json.loads(text)), "path": f"/{path}"} for path, text in dashboards.items()]
    index = {"scrapeInterval": promql.duration(settings.parameters.timing.scrape_seconds), "boards": boards}
    texts = {"/dashboards.json": json.dumps(index), **{f"/{path}": text for path, text in dashboards.items()}}
    return {path: text.encode() for path, text in texts.items()}


def _named(dashboard: Mapping[str, str]) -> dict[str, str]:
    return {"uid": dashboard["uid"], "title": dashboard["title"]}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, files: Mapping[str, bytes], page: Path, wire: Wire, *connection: object) -> None:
        self._files, self._page, self._wire = files, page, wire
        super().__init__(*connection)  # type: ignore[arg-type]  # socket, address and server, as the server hands them over

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if not self._is_local():
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"ask for 127.0.0.1 or localhost\n")
        elif _QUERIES.match(path):
            self._pass_on(None)
        elif path in self._files:
            self._answer(HTTPStatus.OK, "application/json", self._files[path])
        else:
            self._page_file("/index.html" if path == "/" or path.startswith("/d/") else path)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._is_local() and _QUERIES.match(urlsplit(self.path).path):
            self._pass_on(body)
        else:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"only queries of Prometheus are passed on\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing of each request."""

    def _is_local(self) -> bool:
        # A page of somebody else may have its own name point to loopback; that name stands in `Host`.
        return urlsplit(f"//{self.headers.get('Host', '')}").hostname in _LOOPBACK

    def _pass_on(self, body: bytes | None) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = self._wire.ask("GET" if body is None else "POST", self.path, body=body, headers=headers)
            status, text = answer.status, answer.body
        except AtlasError as error:
            status, text = HTTPStatus.BAD_GATEWAY, json.dumps({"status": "error", "error": error.message}).encode()
        self._answer(status, "application/json", text)

    def _page_file(self, path: str) -> None:
        file = (self._page / path.lstrip("/")).resolve()
        if file.is_relative_to(self._page) and file.is_file():
            self._answer(HTTPStatus.OK, mimetypes.guess_type(file.name)[0] or "text/plain", file.read_bytes())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is no such page\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
