"""The HTTP server: right answers, and nobody who can block it."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.exporter import http
from atlas_ops.exporter.http import Reply, Route, Server

PAGE = b"atlas_build_info 1\n" * 100


def whole() -> Reply:
    return Reply(status=200, body=PAGE, content_type="text/plain; version=0.0.4")


@contextlib.contextmanager
def serving(route: Route = whole) -> Iterator[Server]:
    server = Server("127.0.0.1", 0, {"/metrics": route})
    server.start()
    try:
        yield server
    finally:
        server.stop()


def ask(server: Server, method: str, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return response, response.read()


def connect(server: Server) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)


def test_a_page_is_served_with_its_type_and_length() -> None:
    with serving() as server:
        response, body = ask(server, "GET", "/metrics?x=1")
    assert (response.status, body) == (200, PAGE)
    assert response.getheader("Content-Type") == "text/plain; version=0.0.4"
    assert response.getheader("Content-Length") == str(len(PAGE))
    assert "Python" not in (response.getheader("Server") or "")


def test_head_has_the_headers_of_get_and_no_body() -> None:
    with serving() as server:
        response, body = ask(server, "HEAD", "/metrics")
    assert (response.status, response.getheader("Content-Length"), body) == (200, str(len(PAGE)), b"")


@pytest.mark.parametrize("offer", ["gzip", "deflate, gzip;q=0.5", "br,gzip"])
def test_the_page_is_compressed_for_whoever_accepts_it(offer: str) -> None:
    with serving() as server:
        response, body = ask(server, "GET", "/metrics", Accept_Encoding=offer)
    assert response.getheader("Content-Encoding") == "gzip"
    assert gzip.decompress(body) == PAGE
    assert len(body) < len(PAGE)


@pytest.mark.parametrize("offer", ["identity", "gzip;q=0", "x-gzipped"])
def test_the_page_is_plain_for_everybody_else(offer: str) -> None:
    with serving() as server:
        response, body = ask(server, "GET", "/metrics", Accept_Encoding=offer)
    assert response.getheader("Content-Encoding") is None
    assert body == PAGE


def test_other_paths_are_not_found() -> None:
    with serving() as server:
        assert ask(server, "GET", "/metricsx")[0].status == 404
        assert ask(server, "GET", "/../etc/passwd")[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(method: str) -> None:
    with serving() as server:
        response, _ = ask(server, method, "/metrics")
    assert response.status == 405
    assert response.getheader("Allow") == "GET, HEAD"


def test_a_page_that_cannot_be_made_is_a_500_and_the_next_one_is_served() -> None:
    pages = iter([ZeroDivisionError(), None])

    def route() -> Reply:
        if problem := next(pages):
            raise problem
        return whole()

    with serving(route) as server:
        assert ask(server, "GET", "/metrics")[0].status == 500
        assert ask(server, "GET", "/metrics")[0].status == 200


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with serving() as server:
        port = urlsplit(server.url).port or 0
        with pytest.raises(EnvironmentProblem, match=rf"127.0.0.1:{port} is in use") as raised:
            Server("127.0.0.1", port, {})
    assert "--listen" in raised.value.next_step


@pytest.mark.parametrize("host", ["192.0.2.1", "999.1.1.1"])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be listened on"):
        Server(host, 0, {})


def test_an_address_of_ipv6_is_served() -> None:
    try:
        server = Server("::1", 0, {"/metrics": whole})
    except EnvironmentProblem:
        pytest.skip("this machine has no IPv6")
    server.start()
    try:
        assert server.url.startswith("http://[::1]:")
        assert ask(server, "GET", "/metrics")[1] == PAGE
    finally:
        server.stop()


def test_one_request_too_many_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_CONNECTIONS", 3)
    entered, leave = threading.Semaphore(0), threading.Event()

    def slow() -> Reply:
        entered.release()
        leave.wait(20)
        return whole()

    with serving(slow) as server, contextlib.ExitStack() as clients:
        for _ in range(3):
            client = clients.enter_context(connect(server))
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert entered.acquire(timeout=20)
        assert ask(server, "GET", "/metrics")[0].status == 503
        leave.set()


def test_clients_that_say_nothing_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert http._Handler.timeout == http.SOCKET_SECONDS
    monkeypatch.setattr(http._Handler, "timeout", 0.05)
    with serving() as server, connect(server) as silent:
        assert silent.recv(1) == b""
        assert ask(server, "GET", "/metrics")[0].status == 200


def test_clients_that_drip_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECTION_SECONDS", 0.1)
    with serving() as server, connect(server) as dripping:
        dripping.sendall(b"GET /metrics HTTP/1.0\r\nX: ")
        deadline = time.monotonic() + 20
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                dripping.sendall(b"a")
                time.sleep(0.01)
        assert time.monotonic() < deadline
        assert ask(server, "GET", "/metrics")[0].status == 200


def test_a_client_that_does_not_read_holds_nobody_up() -> None:
    huge = Reply(status=200, body=b"a" * 50_000_000)
    with serving(lambda: huge) as server, connect(server) as deaf:
        deaf.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert ask(server, "HEAD", "/metrics")[0].status == 200


def test_stopping_ends_connections_and_gives_the_port_back() -> None:
    with serving() as server:
        port = urlsplit(server.url).port or 0
        client = connect(server)
        assert ask(server, "GET", "/metrics")[0].status == 200
    with client:
        assert client.recv(1) == b""
    again = Server("127.0.0.1", port, {})
    again.stop()
