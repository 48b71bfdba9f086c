"""What the preview's server hands out, and what it refuses."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from atlas_ops import settings as settings_module
from atlas_ops.catalog import build_catalog
from atlas_ops.render import dashboards
from atlas_ops.stage.preview import Preview
from atlas_ops.stage.processes import free_port

ANSWER = b'{"status": "success", "data": []}'


class Prometheus(http.server.BaseHTTPRequestHandler):
    """Remembers what it was asked."""

    asked: list[tuple[str, str, bytes]]

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.asked.append((self.command, self.path, body))
        self.send_response(400 if b"broken" in body else 200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def asked() -> list[tuple[str, str, bytes]]:
    return []


@pytest.fixture
def prometheus(asked: list[tuple[str, str, bytes]]) -> Iterator[str]:
    handler = type("Handler", (Prometheus,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (folder / "assets" / "page.js").write_text("the script")
    (tmp_path / "secret").write_text("not for you")
    return folder


@pytest.fixture
def preview(page: Path, prometheus: str) -> Iterator[Preview]:
    settings = settings_module.parse("")
    texts = dashboards.render(build_catalog(settings.parameters), settings)
    with Preview(texts, settings, page=page, prometheus=prometheus) as running:
        yield running


def ask(preview: Preview, method: str, path: str, body: bytes | None = None, host: str = "") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(urlsplit(preview.url).netloc, timeout=10)
    try:
        connection.request(method, path, body, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_every_dashboard_that_is_listed_is_handed_out_and_every_address_of_one_shows_the_page(preview: Preview) -> None:
    index = json.loads(ask(preview, "GET", "/dashboards.json")[2])
    assert index["scrapeInterval"] == "15s"
    for board in index["boards"]:
        assert json.loads(ask(preview, "GET", board["path"])[2])["uid"] == board["uid"]
        assert ask(preview, "GET", f"/d/{board['uid']}?from=now-1h") == (200, "text/html", b"the page")
    assert len(index["boards"]) > 0


def test_files_of_the_page_are_served_with_their_type_and_none_beside_it(preview: Preview) -> None:
    status, kind, body = ask(preview, "GET", "/assets/page.js")
    assert (status, kind.split("/")[1], body) == (200, "javascript", b"the script")
    for path in ("/../secret", "/assets/../../secret", "/%2e%2e/secret", "//etc/passwd", "/assets"):
        assert ask(preview, "GET", path)[0] == 404, path


def test_queries_are_passed_on_as_they_are_and_so_are_refusals(
    preview: Preview, asked: list[tuple[str, str, bytes]]
) -> None:
    assert ask(preview, "POST", "/api/v1/query_range", b"query=up&step=15") == (200, "application/json", ANSWER)
    assert ask(preview, "GET", "/api/v1/label/k8s_namespace_name/values?match%5B%5D=up")[0] == 200
    assert ask(preview, "POST", "/api/v1/query", b"query=broken")[0] == 400
    assert asked == [
        ("POST", "/api/v1/query_range", b"query=up&step=15"),
        ("GET", "/api/v1/label/k8s_namespace_name/values?match%5B%5D=up", b""),
        ("POST", "/api/v1/query", b"query=broken"),
    ]


@pytest.mark.parametrize(
    "path", ["/api/v1/write", "/api/v1/admin/tsdb/delete_series", "/-/quit", "/api/v1/query/../write"]
)
def test_what_is_no_query_does_not_reach_prometheus(
    preview: Preview, asked: list[tuple[str, str, bytes]], path: str
) -> None:
    assert ask(preview, "POST", path, b"x")[0] == 403
    assert ask(preview, "GET", path)[0] == 404
    assert asked == []


def test_a_page_of_another_name_that_points_here_gets_nothing(
    preview: Preview, asked: list[tuple[str, str, bytes]]
) -> None:
    assert ask(preview, "GET", "/dashboards.json", host="evil.example:80")[0] == 403
    assert ask(preview, "POST", "/api/v1/query", b"query=up", host="evil.example")[0] == 403
    assert ask(preview, "GET", "/dashboards.json", host="localhost:3001")[0] == 200
    assert asked == []


def test_a_prometheus_that_is_away_is_an_error_in_its_own_words(page: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with Preview({}, settings_module.parse(""), page=page, prometheus=address) as preview:
        status, _, body = ask(preview, "POST", "/api/v1/query", b"query=up")
        assert status == 502
        assert json.loads(body)["status"] == "error"
        assert address in json.loads(body)["error"]
