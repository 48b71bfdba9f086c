"""The HTTP server: right answers, and nobody who can block it."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.exporter.web import connection, server, session
from atlas_ops.exporter.web.guard import Guard
from atlas_ops.exporter.web.message import Reply, Request
from atlas_ops.exporter.web.server import Server
from atlas_ops.exporter.web.session import Site
from tests.exporter.web.rig import PAGE, SECONDS, Answer, Running, ask, at_once, everything, page, serving


def site() -> Site:
    return Site(routes={"/metrics": page}, guard=Guard, refused=print)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def outwait(request: Request) -> None:
    while not request.deadline.over:
        threading.Event().wait(request.deadline.left)


def test_a_page_is_served_with_its_type_and_length() -> None:
    with serving() as running:
        answer = running.ask(path="/metrics?x=1")
    assert (answer.status, answer.body) == (200, PAGE)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
    assert answer.headers["Content-Length"] == str(len(PAGE))
    assert "Python" not in answer.headers["Server"]


def test_head_has_the_headers_of_get_and_no_body() -> None:
    with serving() as running, contextlib.closing(running.client()) as client:
        answer = ask(client, "HEAD")
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(len(PAGE)), b"")
        assert ask(client).body == PAGE, "the next answer on the connection is not shifted"


@pytest.mark.parametrize("path", ["/metricsx", "/../etc/passwd", "//", "/metrics/"])
def test_other_paths_are_not_found(path: str) -> None:
    with serving() as running:
        assert running.ask(path=path).status == 404
        assert running.settled({"bad_request": 1}) == {"bad_request": 1}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(method: str) -> None:
    with serving() as running:
        answer = running.ask(method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "said",
    [b"\x00\x01\x02\r\n\r\n", b"GET /metrics\r\n\r\n", b"GET /metrics HTTP/2.0\r\n\r\n", b"GET http://[ HTTP/1.1\r\n\r\n",
     b"GET /metrics HTTP/1.1\r\nno header\r\n\r\n", b"GET /metrics HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
     b"GET /metrics HTTP/1.1\r\nA b: c\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_request_gets_a_400_and_costs_nobody_else_anything(said: bytes) -> None:
    with serving() as running:
        assert running.talk(said).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert running.settled({"bad_request": 1}) == {"bad_request": 1}
        assert running.ask().body == PAGE


def test_a_request_without_end_is_refused_at_a_bound() -> None:
    with serving() as running:
        said = b"GET /metrics HTTP/1.1\r\nCookie: " + b"a" * (2 * connection.MAX_HEAD_BYTES)
        assert running.talk(said).startswith(b"HTTP/1.1 431 ")


def test_one_connection_carries_many_requests_and_two_may_come_at_once() -> None:
    with serving() as running, contextlib.closing(running.client()) as client:
        ask(client)
        first = client.sock
        assert ask(client).body == PAGE
        assert client.sock is first
        two = b"GET /metrics HTTP/1.1\r\n\r\nGET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n"
        answers = running.talk(two)
    assert answers.count(b"HTTP/1.1 ") == 2
    assert answers.index(b"HTTP/1.1 200 OK") < answers.index(b"HTTP/1.1 404 Not Found")


@pytest.mark.parametrize(
    "said",
    [b"GET /metrics HTTP/1.0\r\n\r\n", b"GET /metrics HTTP/1.1\r\nConnection: Close\r\n\r\n",
     b"GET /metrics HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"],
)  # fmt: skip
def test_a_connection_ends_where_the_client_says_so_or_a_body_would_follow(said: bytes) -> None:
    with serving() as running:
        assert b"\r\nConnection: close\r\n" in running.talk(said)


def test_a_page_that_cannot_be_made_is_a_500_and_the_next_one_is_served() -> None:
    pages = iter([ZeroDivisionError(), None])

    def handler(request: Request) -> Reply:
        if problem := next(pages):
            raise problem
        return page(request)

    with serving(handler) as running:
        assert running.ask().status == 500
        assert running.settled({"failed": 1}) == {"failed": 1}
        assert running.ask().status == 200


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with serving() as running:
        port = running.address[1]
        with pytest.raises(EnvironmentProblem, match=rf"127.0.0.1:{port} is in use") as raised:
            Server("127.0.0.1", port, site())
    assert "--listen" in raised.value.next_step


@pytest.mark.parametrize("host", ["192.0.2.1", "999.1.1.1"])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be listened on"):
        Server(host, 0, site())


def test_an_address_of_ipv6_is_served() -> None:
    try:
        listening = Server("::1", 0, site())
    except EnvironmentProblem:
        pytest.skip("this machine has no IPv6")
    listening.start()
    try:
        assert listening.url.startswith("http://[::1]:")
        assert Running(listening).ask().body == PAGE
    finally:
        listening.stop()


class Gate:
    """A page that waits until the test lets it go."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Semaphore(0), threading.Event()

    def __call__(self, request: Request) -> Reply:
        self.entered.release()
        self.leave.wait(SECONDS)
        return page(request)


def test_one_request_too_many_is_told_to_come_back() -> None:
    gate = Gate()
    with serving(gate) as running, contextlib.ExitStack() as clients:
        for _ in range(session.MAX_REQUESTS):
            client = clients.enter_context(running.connect())
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert gate.entered.acquire(timeout=SECONDS)
        answer = running.ask()
        assert (answer.status, answer.body) == (503, b"too many requests at once\n")
        assert running.settled({"busy": 1}) == {"busy": 1}
        gate.leave.set()
    gate.leave.set()


def test_of_200_scrapes_at_once_each_is_served_or_told_to_come_back() -> None:
    with serving() as running:
        answers = at_once(200, running.ask)
        assert all(isinstance(answer, Answer) and answer.status in (200, 503) for answer in answers), answers
        assert sum(isinstance(answer, Answer) and answer.status == 200 for answer in answers) >= session.MAX_REQUESTS
        assert running.ask().status == 200


def test_idle_connections_give_way_to_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    with serving() as running, contextlib.ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(contextlib.closing(running.client()))
            assert ask(client).status == 200
        assert not running.refused


def test_connections_beyond_the_bound_are_closed_when_none_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    with serving() as running, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(running.connect()) for _ in range(4)]
        assert everything(silent[3]) == b""
        assert running.settled({"busy": 1}) == {"busy": 1}


def test_clients_that_say_nothing_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HEAD_SECONDS", 0.05)
    with serving() as running, running.connect() as silent:
        assert everything(silent) == b""
        assert running.settled({"timeout": 1}) == {"timeout": 1}


def test_clients_that_drip_their_head_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HEAD_SECONDS", 0.2)
    stopped = threading.Event()
    with serving() as running, running.connect() as dripping:
        dripping.sendall(b"GET /metrics HTTP/1.0\r\nX: ")

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not stopped.wait(0.01):
                    dripping.sendall(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        assert everything(dripping) == b""
        stopped.set()
        thread.join()
        assert running.ask().status == 200


def test_a_reader_that_takes_a_few_bytes_at_a_time_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ANSWER_SECONDS", 0.3)
    huge = Reply(status=200, body=b"a" * 50_000_000)
    with serving(lambda _: huge) as running, running.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert running.ask("HEAD").status == 200, "it holds nobody up"
        while not running.refused:
            slow.recv(1000)
        assert running.settled({"timeout": 1}) == {"timeout": 1}


def test_a_connection_that_stays_idle_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.05)
    with serving() as running, running.connect() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert everything(client).endswith(PAGE)
        assert not running.refused


@pytest.mark.parametrize("seconds", ["0.2", "1e-3"])
def test_a_scrape_gets_a_word_before_prometheus_gives_up(seconds: str) -> None:
    def out_of_time(request: Request) -> Reply:
        outwait(request)
        raise TimeoutError

    with serving(out_of_time) as running:
        assert running.ask(X_Prometheus_Scrape_Timeout_Seconds=seconds).status == 503
        assert running.settled({"timeout": 1}) == {"timeout": 1}


def test_a_page_that_comes_too_late_is_not_sent() -> None:
    def late(request: Request) -> Reply:
        outwait(request)
        return page(request)

    with serving(late) as running:
        assert running.ask(X_Prometheus_Scrape_Timeout_Seconds="0.2").status == 503


@pytest.mark.parametrize("seconds", ["", "soon", "-1", "0", "nan", "inf", "1e999", "10"])
def test_a_scrape_timeout_that_says_nothing_is_ignored(seconds: str) -> None:
    with serving() as running:
        assert running.ask(X_Prometheus_Scrape_Timeout_Seconds=seconds).body == PAGE


@pytest.mark.parametrize(
    ("told", "expected"),
    [("10", 9.75), ("0.4", 0.2), ("3600", session.MAX_ANSWER_SECONDS), ("x", session.ANSWER_SECONDS)],
)
def test_the_time_for_an_answer_is_what_prometheus_waits_less_a_margin(told: str, expected: float) -> None:
    left: list[float] = []

    def handler(request: Request) -> Reply:
        left.append(request.deadline.left)
        return page(request)

    with serving(handler) as running:
        running.ask(X_Prometheus_Scrape_Timeout_Seconds=told)
    assert 0.5 * expected < left[0] <= expected


def test_stopping_ends_connections_and_gives_the_port_back() -> None:
    with serving() as running:
        address = running.address
        client = running.connect()
        assert running.ask().status == 200
    with client:
        assert everything(client) == b""
    Server(*address, site()).stop()


def test_running_out_of_files_is_survived(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    failing = threading.Event()
    tried = threading.Event()
    real = socket.socket.accept

    def accept(sock: socket.socket) -> tuple[socket.socket, object]:
        if failing.is_set():
            tried.set()
            raise OSError(24, "Too many open files")
        return real(sock)

    monkeypatch.setattr(server, "_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(socket.socket, "accept", accept)
    with serving() as running:
        failing.set()
        running.ask()  # the accept that was already waiting
        assert tried.wait(SECONDS)
        failing.clear()
        assert running.ask().status == 200
    told = [record.message for record in caplog.records if "Too many open files" in record.message]
    assert len(told) == 1


def test_ten_thousand_scrapes_leave_no_thread_and_no_file() -> None:
    with serving() as running:
        running.ask()
        threads, files = threading.active_count(), open_files()

        def many() -> None:
            for _ in range(100):
                with contextlib.closing(running.client()) as client:
                    for _ in range(25):
                        assert ask(client).status == 200

        assert at_once(4, many) == [None] * 4
        assert running.ask().status == 200
        left = [thread for thread in threading.enumerate() if thread.name == "http-connection"]
        for thread in left:
            thread.join(SECONDS)
        assert threading.active_count() <= threads
        assert open_files() <= files
