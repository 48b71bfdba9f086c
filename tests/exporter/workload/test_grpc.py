"""The call to the kubelet ends in time and says what is wrong, whatever is behind the socket."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import grpc
import pytest
from h2.connection import H2Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.exporter.workload.grpc import GrpcError, UnaryClient
from atlas_ops.exporter.workload.podresources import LIST
from tests.exporter.workload.kubelet_standin import Respond, Script, http2, kubelet, raw_server, socket_path

HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0")]
SETTINGS_FRAME = bytes.fromhex("000000 04 00 00000000")
WINDOW_FRAME = bytes.fromhex("000004 08 00 00000000 00000001")


def call(path: Path, *, timeout: float = 20.0, max_bytes: int = 1 << 26) -> bytes:
    return UnaryClient(path, timeout_seconds=timeout, max_bytes=max_bytes).call(LIST)


def refusal(script: Script, *, timeout: float = 20.0, max_bytes: int = 1000) -> GrpcError:
    with raw_server(script) as path, pytest.raises(GrpcError) as caught:
        call(path, timeout=timeout, max_bytes=max_bytes)
    return caught.value


def wait_for_end(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def answer(body: bytes, *, trailers: list[tuple[str, str]] | None = None) -> Respond:
    def respond(http: H2Connection, stream: int) -> None:
        http.send_headers(stream, HEADERS)
        http.send_data(stream, body)
        http.send_headers(stream, OK if trailers is None else trailers, end_stream=True)

    return respond


@pytest.mark.parametrize("size", [0, 1, 65_535, 1_000_000])
def test_the_answer_of_a_grpc_server_comes_whole(size: int) -> None:
    with kubelet() as server:
        server.answers[LIST] = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert call(server.path) == server.answers[LIST]


def test_the_same_client_meets_a_server_that_has_come_back_on_a_new_socket() -> None:
    with kubelet() as server:
        client = UnaryClient(server.path, timeout_seconds=20)
        server.answers[LIST] = b"before"
        assert client.call(LIST) == b"before"
        server.stop()
        with pytest.raises(GrpcError, match="the connection failed: No such file"):
            client.call(LIST)
        server.answers[LIST] = b"after"
        server.start()
        assert client.call(LIST) == b"after"


def test_a_refusal_is_told_with_its_status_and_reason() -> None:
    with kubelet() as server:
        server.answers[LIST] = grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(GrpcError, match="gRPC status 8: not today: ä 100 %") as caught:
            call(server.path)
        assert caught.value.status == 8
        with pytest.raises(GrpcError) as caught:
            UnaryClient(server.path, timeout_seconds=20).call("/v1.PodResourcesLister/NoSuchMethod")
        assert caught.value.status == 12


def test_a_socket_without_a_server_says_so() -> None:
    with socket_path() as path:
        path.touch()
        with pytest.raises(GrpcError, match="the connection failed: Connection refused"):
            call(path)


def test_a_socket_that_refuses_the_user_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "socket", Refusing)  # root, as which tests often run, is refused nothing
    with pytest.raises(GrpcError, match="the socket refuses this user: Permission denied") as caught:
        call(Path("k.sock"))
    assert "run the exporter as user 0" in caught.value.next_step


def test_a_server_that_hangs_costs_the_timeout_and_no_more() -> None:
    gone = threading.Event()

    def hang(connection: socket.socket) -> None:
        wait_for_end(connection)
        gone.set()

    assert refusal(hang, timeout=0.05).message == "no whole answer within 0.05 s"
    assert gone.wait(20), "the client hangs up"


def test_a_server_that_drips_costs_the_timeout_and_no_more() -> None:
    def drip(connection: socket.socket) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            connection.sendall(1000 * WINDOW_FRAME)  # there is always one more byte to read

    assert refusal(drip, timeout=0.05).message == "no whole answer within 0.05 s"


def test_close_ends_a_call_in_flight_and_every_later_one() -> None:
    asked = threading.Event()

    def hang(connection: socket.socket) -> None:
        connection.recv(65536)
        asked.set()
        wait_for_end(connection)

    with raw_server(hang) as path:
        client = UnaryClient(path, timeout_seconds=600)

        def ask() -> None:
            with pytest.raises(GrpcError):
                client.call(LIST)

        thread = threading.Thread(target=ask)
        thread.start()
        assert asked.wait(20)
        client.close()
        thread.join(20)
        assert not thread.is_alive()
        with pytest.raises(GrpcError, match="the client is closed"):
            client.call(LIST)


def test_a_connection_that_ends_early_is_no_answer() -> None:
    def leave(connection: socket.socket) -> None:
        connection.recv(65536)

    assert "closed in the middle" in refusal(leave).message


@settings(max_examples=30)
@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_garbage_is_never_anything_but_a_clear_refusal(garbage: bytes, polite: bool) -> None:
    def babble(connection: socket.socket) -> None:
        connection.sendall((SETTINGS_FRAME if polite else b"") + garbage)
        connection.shutdown(socket.SHUT_WR)
        wait_for_end(connection)

    assert refusal(babble).message


@pytest.mark.parametrize(
    ("respond", "reason"),
    [
        (answer(b"\1\0\0\0\1x"), "compressed, which was not asked for"),
        (answer(b"\0\0\0\0\5x"), "has 6 bytes and is not exactly one gRPC message"),
        (answer(b"\0\0\0\0\1xy"), "not exactly one gRPC message"),
        (answer(b"\0\0"), "not exactly one gRPC message"),
        (answer(b"\2\0\0\0\0"), "not exactly one gRPC message"),
        (answer(b""), "not exactly one gRPC message"),
        (answer(bytes(2000)), "more than 1000 bytes"),
        (answer(bytes(5), trailers=[("x", "y")]), "no gRPC status"),
        (answer(bytes(5), trailers=[("grpc-status", "9" * 5000)]), "no gRPC status"),
        (answer(bytes(5), trailers=[("grpc-status", "7"), ("grpc-message", "go%0Aaway")]), "gRPC status 7: go away"),
        (answer(bytes(5), trailers=[("grpc-status", "13")]), "gRPC status 13: no reason given"),
        (lambda http, stream: http.send_headers(stream, [(":status", "404")], end_stream=True), "HTTP status 404"),
        (lambda http, stream: http.reset_stream(stream, 2), "broken off"),
        (lambda http, stream: http.close_connection(11), "broken off"),
    ],
)
def test_a_wrong_answer_says_what_is_wrong(respond: Respond, reason: str) -> None:
    assert reason in refusal(http2(respond)).message


def test_an_answer_as_long_as_the_limit_is_taken() -> None:
    with raw_server(http2(answer(b"\0\0\0\3\xe8" + bytes(1000)))) as path:
        assert call(path, max_bytes=1000) == bytes(1000)
