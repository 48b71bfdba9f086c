"""One request ends in time and in one of the states of the contract, whatever the other side does."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.exporter import http_client
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.fetch import Answer, Fetcher
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState
from tests.exporter.fake_server import Behaviour, answer, closed_port, drip, hang, raw, serving

SECONDS = 5.0
"""More than any test needs that does not wait for a timeout."""
SOON = 0.2
"""For tests that do."""


def get(url: str, *, seconds: float = SECONDS, max_bytes: int = 1_000_000, token_file: str = "") -> Answer:
    return Fetcher(max_bytes=max_bytes, bearer_token_file=token_file).get(url, Deadline(seconds))


def failure(url: str, **options: float) -> ScrapeFailure:
    with pytest.raises(ScrapeFailure) as raised:
        get(url, **options)  # type: ignore[arg-type]
    return raised.value


def state_of(behaviour: Behaviour, *, seconds: float = SECONDS, max_bytes: int = 1_000_000) -> ScrapeState:
    with serving(behaviour) as server, pytest.raises(ScrapeFailure) as raised:
        get(server.url, seconds=seconds, max_bytes=max_bytes)
    return raised.value.state


def test_a_whole_answer_comes_back_with_its_status() -> None:
    with serving(metrics=answer("a 1\n"), health=answer("bad", status=503)) as server:
        assert get(f"{server.url}/metrics") == Answer(status=200, body=b"a 1\n")
        assert get(f"{server.url}/health").status == 503


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Header: drip\r\n"[:1]),
        drip(b"", b"H"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n", b"a"),
        drip(b"HTTP/1.1 200 OK\r\n\r\n", b"a 1\n"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["hang", "header drip", "status drip", "body drip", "endless body", "chunk drip"],
)
def test_a_server_that_never_ends_ends_in_a_timeout(behaviour: Behaviour) -> None:
    assert state_of(behaviour, seconds=SOON) is ScrapeState.TIMEOUT


def test_a_connection_that_is_never_accepted_ends_in_a_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        # The backlog is full after these, and the kernel lets further connections wait.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        assert failure(f"http://127.0.0.1:{port}/", seconds=SOON).state is ScrapeState.TIMEOUT
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize(
    ("behaviour", "state"),
    [
        (raw(b""), ScrapeState.UNREACHABLE),
        (raw(b"\x00\xff\x13\x37 garbage\r\n\r\n"), ScrapeState.UNPARSABLE),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), ScrapeState.UNPARSABLE),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n"), ScrapeState.UNPARSABLE),
        (raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"), ScrapeState.UNPARSABLE),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\na 1\n"), ScrapeState.UNPARSABLE),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\na 1\n"), ScrapeState.UNPARSABLE),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), ScrapeState.UNPARSABLE),
        (raw(b"HTTP/1.1 200 OK\r\n\r\na 1\nb 12"), ScrapeState.UNPARSABLE),
        (answer(b"\x1f\x8b", headers="Content-Encoding: gzip"), ScrapeState.UNPARSABLE),
    ],
    ids=[
        "nothing",
        "garbage",
        "ssh",
        "500 headers",
        "long header",
        "cut body",
        "cut chunk",
        "bad chunk",
        "cut line",
        "gzip",
    ],
)
def test_an_answer_that_is_not_whole_has_its_state(behaviour: Behaviour, state: ScrapeState) -> None:
    assert state_of(behaviour) is state


@pytest.mark.parametrize("size", [b"-1", b"-5"])
def test_an_answer_with_a_piece_of_a_size_below_0_is_no_answer_and_not_kept_in_memory(size: bytes) -> None:
    sent = []

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
        for _ in range(50):
            connection.sendall(b"a 1\n" * 250_000)
            sent.append(1_000_000)

    with serving(flood) as server:
        problem = failure(server.url, max_bytes=1_000_000)
    assert problem.state is ScrapeState.UNPARSABLE
    assert problem.message == "the answer is not HTTP: a piece of the answer has a size below 0"
    assert sum(sent) < 50_000_000


def test_a_page_without_an_announced_length_is_whole_when_its_last_line_is() -> None:
    with serving(raw(b"HTTP/1.0 200 OK\r\n\r\na 1\n")) as server:
        assert get(server.url).body == b"a 1\n"


def test_a_page_that_is_too_large_is_not_read_to_its_end() -> None:
    sent = []

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(50):
            connection.sendall(b"a 1\n" * 250_000)
            sent.append(1_000_000)

    with serving(flood) as server:
        problem = failure(server.url, max_bytes=1_000_000)
    assert problem.state is ScrapeState.UNPARSABLE
    assert "larger than 1000000 bytes" in problem.message
    assert sum(sent) < 50_000_000


def test_the_status_of_an_error_counts_however_long_its_text_is() -> None:
    with serving(answer("x" * 2000, status=401)) as server:
        assert get(server.url, max_bytes=1000) == Answer(status=401, body=b"")


def test_a_page_that_announces_too_much_is_refused_at_once() -> None:
    announced = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
    with serving(announced) as server:
        assert "larger than" in failure(server.url).message


def test_a_refused_connection_may_mean_that_the_server_is_loading() -> None:
    refused = failure(f"http://127.0.0.1:{closed_port()}/")
    assert (refused.state, refused.loading) == (ScrapeState.UNREACHABLE, True)


def test_a_name_that_does_not_exist_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown_name)
    unknown = failure("http://no-such-host:1/")
    assert (unknown.state, unknown.loading) == (ScrapeState.UNREACHABLE, False)


def test_a_redirect_is_not_followed() -> None:
    with serving(answer("", status=302, headers="Location: /elsewhere")) as server:
        assert get(server.url).status == 302
        assert len(server.requests) == 1


def test_the_token_goes_nowhere_but_to_the_host_that_was_asked(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret")
    with serving(answer("a 1\n")) as other:
        for status in (301, 302, 303, 307, 308):
            moved = answer("", status=status, headers=f"Location: {other.url}/\r\nRefresh: 0; url={other.url}/")
            with serving(moved) as server:
                assert get(server.url, token_file=str(file)).status == status
                assert "Authorization: Bearer s3cret" in server.requests[0]
        assert not other.requests


def test_no_proxy_is_used_and_nothing_compressed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    with serving(answer("a 1\n")) as server:
        get(f"{server.url}/metrics?model=a b")
        (request,) = server.requests
    assert request.startswith("GET /metrics?model=a%20b HTTP/1.1")
    assert "accept-encoding: identity" in request.lower()
    assert "authorization" not in request.lower()


def test_the_token_is_read_anew_for_each_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with serving(answer("a 1\n")) as server:
        for token in ("first", "second"):
            file.write_text(f"{token}\n")
            get(server.url, token_file=str(file))
        sent = server.requests
    assert "Authorization: Bearer first" in sent[0]
    assert "Authorization: Bearer second" in sent[1]


@pytest.mark.parametrize("content", [None, "", "two tokens", "line\nline", "caf\u00e9"])
def test_a_token_file_that_cannot_be_used_is_told_without_its_content(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with serving(answer("a 1\n")) as server, pytest.raises(ScrapeFailure) as raised:
        get(server.url, token_file=str(file))
    assert raised.value.state is ScrapeState.UNAUTHORIZED
    assert str(file) in raised.value.message
    assert not content or content not in raised.value.message
    assert not server.requests, "nothing is asked without the token"


def test_a_running_request_can_be_ended_from_outside() -> None:
    fetcher = Fetcher(max_bytes=1_000_000)
    with serving(hang) as server:
        ended = []

        def ask() -> None:
            with pytest.raises(ScrapeFailure):
                fetcher.get(server.url, Deadline(60))
            ended.append(True)

        thread = threading.Thread(target=ask)
        thread.start()
        while not server.requests:
            time.sleep(0.001)
        fetcher.close()
        thread.join(10)
        assert ended
        with pytest.raises(ScrapeFailure):
            fetcher.get(server.url, Deadline(60))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    subprocess.run(
        ["openssl", *command.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", file],
        check=True, capture_output=True,
    )  # fmt: skip
    return file


def secured(certificate: Path, behaviour: Behaviour) -> Behaviour:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            behaviour(secure)

    return behave


@pytest.fixture
def tls_server_url(request: pytest.FixtureRequest, certificate: Path) -> Iterator[str]:
    """Address of a server that speaks TLS and then behaves as the test's parameter says."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                secured(certificate, request.param)(connection)
        except OSError:
            pass  # the client has hung up, as some tests want

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield f"https://localhost:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("tls_server_url", [answer("a 1\n")], indirect=True)
def test_a_server_with_a_trusted_certificate_is_read(
    tls_server_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_context", lambda: ssl.create_default_context(cafile=str(certificate)))
    assert get(tls_server_url).body == b"a 1\n"


@pytest.mark.parametrize("tls_server_url", [answer("a 1\n")], indirect=True)
def test_a_server_with_an_unknown_certificate_is_not_believed(tls_server_url: str) -> None:
    problem = failure(tls_server_url)
    assert problem.state is ScrapeState.UNREACHABLE
    assert "certificate" in problem.message


@pytest.mark.parametrize("tls_server_url", [drip(b"HTTP/1.1 200 OK\r\n", b"a")], indirect=True)
def test_a_server_that_drips_over_tls_ends_in_a_timeout(
    tls_server_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_context", lambda: ssl.create_default_context(cafile=str(certificate)))
    assert failure(tls_server_url, seconds=0.5).state is ScrapeState.TIMEOUT


def test_a_handshake_that_hangs_ends_in_a_timeout() -> None:
    with serving(hang) as server:
        assert failure(f"https://{server.address}/", seconds=SOON).state is ScrapeState.TIMEOUT
