"""One request: whatever a server answers ends in the right result, in time."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog import conventions
from atlas_ops.exporter.probe import prober as prober_module
from atlas_ops.exporter.probe.outcome import Result
from tests.exporter.fake_server import Behaviour, FakeServer, answer, closed_port, drip, hang, raw, serving
from tests.exporter.probe.answers import (
    DONE,
    GOOD,
    SECONDS,
    SOON,
    STREAM,
    ask,
    chunks,
    delta,
    event,
    prober,
    stream,
    token,
)  # fmt: skip

ERROR = {"error": {"message": "the prompt 'Hello' is too much", "type": "ServiceUnavailable", "code": 503}}
JSON = "Content-Type: application/json"
FAILURES = ("error", "abort", "cancelled", "timeout")
LOGIN_PAGE = "\n<!DOCTYPE html>\n<style>\n:root{}\n</style><form action=/login>"


def result_of(behaviour: Behaviour, *, api: str = "openai", seconds: float = SECONDS) -> Result:
    return ask(behaviour, api=api, seconds=seconds).result


def test_the_results_are_those_of_the_contract() -> None:
    assert tuple(result.value for result in Result) == conventions.PROBE_RESULTS


def test_a_stream_that_comes_to_its_end_is_good_and_timed() -> None:
    passed = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.sendall(STREAM + chunks(b": ping\n\n", token("")))
        passed.wait(0.05)
        connection.sendall(chunks(token("Hi")))
        passed.wait(0.05)
        connection.sendall(chunks(token("", "stop"), DONE) + b"0\r\n\r\n")

    outcome = ask(behave)
    assert (outcome.result, outcome.message, outcome.said) == (Result.OK, "", "")
    assert outcome.first_token_seconds is not None
    assert outcome.first_token_seconds >= 0.05, "neither a ping nor an empty text is a token"
    assert outcome.seconds >= 0.1
    assert outcome.seconds > outcome.first_token_seconds


@pytest.mark.parametrize(
    "parts",
    [
        (delta(role="assistant"), delta(content="Hi"), delta("stop"), DONE),
        (delta(role="assistant", content=""), delta(reasoning_content="Hm"), delta("length"), DONE),
        (delta(reasoning="Hm"), delta("length"), DONE),
        (delta(tool_calls=[{"index": 0}]), delta("tool_calls"), DONE),
        (delta(content="Hi"), delta("stop"), event({"choices": [], "usage": {"completion_tokens": 1}}), DONE),
    ],
    ids=["content", "reasoning_content", "reasoning", "tool call", "usage at the end"],
)
def test_a_chat_that_comes_to_its_end_is_good(parts: tuple[bytes, ...]) -> None:
    outcome = ask(stream(*parts), api="openai-chat")
    assert outcome.result is Result.OK
    assert outcome.first_token_seconds is not None


@pytest.mark.parametrize(
    ("name", "behaviour"),
    [
        ("no [DONE], but a reason to stop", stream(token("Hi"), token("", "stop"))),
        ("no last empty line", stream(token("Hi"), b"data: [DONE]\n")),
        ("one chunk", stream(b"".join(GOOD))),
        ("a byte in each chunk", stream(*(bytes([byte]) for byte in b"".join(GOOD)))),
        ("CRLF", stream(*(part.replace(b"\n", b"\r\n") for part in GOOD))),
        ("no content type", raw(STREAM.replace(b"Content-Type: text/event-stream\r\n", b"") + chunks(*GOOD))),
        ("HTTP/1.0", raw(b"HTTP/1.0 200 OK\r\n\r\n" + b"".join(GOOD))),
        ("cut off after the end was told", raw(STREAM + chunks(*GOOD))),
        ("garbage after the end was told", stream(*GOOD, b"data: {{{\n\n", event(ERROR))),
        ("garbage with the end", stream(token("Hi"), DONE + b"data: {{{\n\n" + event(ERROR))),
        ("an empty line first", stream(b"\n", *GOOD)),
        ("an error that is none", stream(event({"error": None, "choices": [{"text": "Hi"}]}), DONE)),
    ],
)
def test_what_servers_do_differently_is_no_failure(name: str, behaviour: Behaviour) -> None:
    outcome = ask(behaviour)
    assert (outcome.result, outcome.message) == (Result.OK, ""), name
    assert outcome.first_token_seconds is not None


def test_a_server_that_does_not_stream_has_no_time_to_first_token() -> None:
    whole = json.dumps({"choices": [{"text": "Hi there", "finish_reason": "length"}]})
    outcome = ask(answer(whole, headers=JSON))
    assert (outcome.result, outcome.first_token_seconds) == (Result.OK, None)
    chat = json.dumps({"choices": [{"message": {"content": "Hi"}}]})
    assert result_of(answer(chat, headers=JSON), api="openai-chat") is Result.OK


@pytest.mark.parametrize(
    ("result", "behaviour"),
    [
        (Result.ERROR_IN_ANSWER, stream(event(ERROR), DONE)),
        (Result.ERROR_IN_ANSWER, stream(token("Hi"), event(ERROR), DONE)),
        (Result.ERROR_IN_ANSWER, stream(token("Hi"), event({"error": "Context size has been exceeded."}))),
        (Result.ERROR_IN_ANSWER, stream(token("Hi"), b"event: error\ndata: out of memory\n\n")),
        (Result.ERROR_IN_ANSWER, answer(json.dumps(ERROR), headers=JSON)),
        (Result.ERROR_IN_ANSWER, stream(event({"object": "error", "message": "too long", "code": 400}), DONE)),
        *((Result.ERROR_IN_ANSWER, stream(token("Hi"), token("", reason), DONE)) for reason in FAILURES),
        (Result.ERROR_IN_ANSWER, stream(delta("error", content="Hi"), DONE)),
        (Result.ERROR_IN_ANSWER, answer(json.dumps({"choices": [{"text": "Hi", "finish_reason": "abort"}]}))),
        (Result.TRUNCATED, stream(token("Hi"), token(" there"))),
        (Result.TRUNCATED, raw(STREAM + chunks(token("Hi"), token("", "stop")))),
        (Result.TRUNCATED, raw(STREAM + b"500\r\ndata: ")),
        (Result.GARBAGE, raw(STREAM + chunks(token("Hi")) + b"-5\r\ndata: ")),
        (Result.TRUNCATED, raw(STREAM + chunks(token("Hi")) + b"nonsense\r\n")),
        (Result.TRUNCATED, raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + token("Hi") + token("", "stop"))),
        (Result.EMPTY, stream(b": ping\n\n", token(""), token("", "stop"), DONE)),
        (Result.EMPTY, stream(DONE)),
        (Result.EMPTY, stream()),
        (Result.EMPTY, answer("", headers=JSON)),
        (Result.EMPTY, answer(json.dumps({"choices": [{"text": ""}]}), headers=JSON)),
        (Result.GARBAGE, stream(b"data: {half\n\n")),
        (Result.GARBAGE, stream(b"data: [[[]]]\n\n")),
        (Result.GARBAGE, answer("[]", headers=JSON)),
        (Result.GARBAGE, answer("{", headers=JSON)),
        (Result.GARBAGE, answer(b"\x1f\x8b", headers="Content-Encoding: gzip")),
        (Result.GARBAGE, answer(LOGIN_PAGE, headers="Content-Type: text/html")),
        (Result.GARBAGE, answer(LOGIN_PAGE)),
        (Result.GARBAGE, answer("data is what we have not", headers="Content-Type: text/plain")),
        (Result.GARBAGE, stream(b"Please log in\n")),
        (Result.GARBAGE, stream(b"data: " + b"a" * (2 << 20))),
        (Result.GARBAGE, stream(event({"a": 0}).replace(b"0", b"[" * 100_000))),
        (Result.GARBAGE, raw(b"SSH-2.0-OpenSSH_9.2\r\n")),
        (Result.GARBAGE, raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n")),
        (Result.UNREACHABLE, raw(b"")),
        (Result.UNAUTHORIZED, answer("no", status=401)),
        (Result.UNAUTHORIZED, answer("no", status=403)),
        (Result.ERROR_STATUS, answer("no such model", status=404)),
        (Result.ERROR_STATUS, answer(json.dumps(ERROR), status=503)),
        (Result.ERROR_STATUS, answer("", status=302, headers="Location: /elsewhere")),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_as_it_should_be_has_its_result(result: Result, behaviour: Behaviour) -> None:
    outcome = ask(behaviour)
    assert outcome.result is result, outcome.message
    assert outcome.message


def test_the_word_of_the_server_is_kept_apart_from_what_is_logged() -> None:
    for behaviour in (stream(event(ERROR)), answer(json.dumps(ERROR), status=500)):
        outcome = ask(behaviour)
        assert outcome.said == ERROR["error"]["message"]
        assert "Hello" not in outcome.message
    assert "ServiceUnavailable, 503" in ask(stream(event(ERROR))).message
    told = ask(stream(event({"error": {"type": "you said Hello", "code": None}}))).message
    assert "Hello" not in told


def test_the_word_of_the_server_is_bounded_and_printable() -> None:
    said = ask(answer("\x1b[31m red\n" * 500, status=500)).said
    assert said.startswith("[31m red [31m red")
    assert len(said) <= 300


TOKEN = "sk-0123456789abcdef"
SAYS_TOKEN = f"the token {TOKEN} is not known"


@pytest.mark.parametrize(
    "behaviour",
    [
        stream(event({"error": {"message": SAYS_TOKEN, "type": TOKEN}})),
        stream(event({"error": SAYS_TOKEN})),
        answer(json.dumps({"detail": SAYS_TOKEN}), status=401),
        answer(SAYS_TOKEN, status=500),
        answer("a " * 144 + SAYS_TOKEN, status=500),
        answer(" " * 2980 + TOKEN, status=500),
        raw(f"HTTP/1.1 500 X\r\nContent-Length: 900\r\n\r\n{SAYS_TOKEN[:20]}".encode()),
    ],
    ids=["in a stream", "as a text", "as JSON", "as it is", "where it is cut", "where what is read ends", "in half"],
)
def test_a_server_that_repeats_the_token_does_not_get_it_shown(behaviour: Behaviour, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    outcome = ask(behaviour, bearer_token_file=str(file))
    assert outcome.said
    assert TOKEN[:8] not in outcome.said + outcome.message
    assert "***" in outcome.said or len(outcome.said) == 300


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        drip(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        drip(STREAM, b"1\r\n:\r\n"),
        drip(STREAM, chunks(token("Hi"))),
        drip(STREAM, chunks(b": ping\n\n")),
        drip(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n", b"X"),
        drip(b"HTTP/1.0 200 OK\r\n\r\n", b"{}"),
    ],
    ids=["hang", "header drip", "byte drip", "endless tokens", "endless pings", "status drip", "no length"],
)
@pytest.mark.parametrize("api", ["openai", "torchserve"])
def test_the_whole_time_is_bounded_whatever_comes(behaviour: Behaviour, api: str) -> None:
    outcome = ask(behaviour, api=api, seconds=SOON)
    assert outcome.result is Result.TIMEOUT
    assert f"within {SOON:g} s" in outcome.message


def test_a_stream_that_stays_open_after_its_end_is_good() -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(STREAM + chunks(*GOOD))
        hang(connection)

    assert result_of(behave, seconds=1) is Result.OK


def test_an_endless_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_module, "MAX_BYTES", 100_000)
    outcome = ask(drip(STREAM, chunks(token("Hi" * 1000))))
    assert outcome.result is Result.GARBAGE
    assert "longer than 100000 bytes" in outcome.message


def test_a_port_on_which_nobody_listens_is_refused() -> None:
    assert prober(f"http://127.0.0.1:{closed_port()}").ask().result is Result.REFUSED


def test_a_name_that_does_not_exist_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown_name)
    outcome = prober("http://no-such-host:1").ask()
    assert outcome.result is Result.UNREACHABLE
    assert "Name or service not known" in outcome.message


def test_a_server_without_tls_is_unreachable_by_https() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=refuse)
        thread.start()
        outcome = prober(f"https://127.0.0.1:{listener.getsockname()[1]}").ask()
        thread.join()
    assert outcome.result is Result.UNREACHABLE
    assert "SSL" in outcome.message


def test_a_redirect_is_not_followed_and_no_proxy_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    with serving(answer("", status=307, headers="Location: /elsewhere")) as server:
        assert prober(server.url).ask().message == "HTTP 307"
        assert len(server.requests) == 1


def test_a_server_sees_no_client_that_hangs_up_before_the_end() -> None:
    heard = []

    def behave(connection: socket.socket) -> None:
        connection.sendall(STREAM + chunks(*GOOD))
        connection.settimeout(SOON)
        try:
            connection.recv(1)
        except TimeoutError:
            heard.append("still there")
        connection.sendall(b"0\r\n\r\n")

    assert result_of(behave) is Result.OK
    assert heard == ["still there"]


HEADS = st.sampled_from([STREAM, b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n", b""])
PIECES = st.lists(st.sampled_from([*GOOD, event(ERROR), b"data: {", b"\n\n", b"{}", b'{"choices":[{']) | st.binary())


@pytest.fixture(scope="module")
def wild() -> Iterator[FakeServer]:
    with serving(hang) as server:
        yield server


@given(HEADS, PIECES, st.sampled_from(["openai", "openai-chat", "torchserve"]))
def test_garbage_ends_in_a_result_and_raises_nothing(
    wild: FakeServer, head: bytes, pieces: list[bytes], api: str
) -> None:
    body = chunks(*pieces) + b"0\r\n\r\n" if head is STREAM else b"".join(pieces)
    wild.behaviours["*"] = raw(head + body)
    outcome = prober(wild.url, api=api, seconds=5).ask()
    assert outcome.result not in (Result.TIMEOUT, Result.NOT_SENT, Result.REFUSED)
