"""What is sent: recognisable, small, with the token and the file as they are at that moment."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from atlas_ops import __version__
from atlas_ops.exporter.probe import question
from atlas_ops.exporter.probe.outcome import Result
from atlas_ops.settings.servers import PROBE_APIS
from tests.exporter.fake_server import FakeServer, answer, serving
from tests.exporter.probe.answers import GOOD, prober, stream

V2 = {"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}], "outputs": []}
TF = {
    "metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": {
        "x": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}]}}}}}}},
}  # fmt: skip
METADATA = {"v2/models/org%2Ftiny": answer(json.dumps(V2)), "v1/models/org%2Ftiny/metadata": answer(json.dumps(TF))}
GOOD_V2 = json.dumps({"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [0.5]}]})


def lines(server: FakeServer) -> list[str]:
    """The first line of each request."""
    return [head.split(" HTTP/", 1)[0] for head in server.requests]


def test_every_api_of_the_settings_can_be_asked() -> None:
    assert tuple(question.APIS) == PROBE_APIS


@pytest.mark.parametrize(
    ("api", "path", "prompt"),
    [
        ("openai", "/v1/completions", {"prompt": "Hello"}),
        ("openai-chat", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}]}),
    ],
)
def test_an_llm_is_asked_for_few_tokens_in_a_stream_that_says_whose_it_is(
    api: str, path: str, prompt: dict[str, object]
) -> None:
    with serving(stream(*GOOD)) as server:
        prober(server.url + "/", api=api).ask()
        prober(server.url, api=api).ask()
    assert lines(server) == [f"POST {path}"] * 2
    sent = {"model": "org/tiny", "max_tokens": 4, "temperature": 0, "stream": True, "user": "atlas-ops-probe", **prompt}
    assert json.loads(server.bodies[0]) == sent
    head = server.requests[0]
    assert f"User-Agent: atlas-ops-probe/{__version__}\r\n" in head
    assert "Content-Type: application/json\r\n" in head
    ids = {line for head in server.requests for line in head.splitlines() if line.startswith("X-Request-Id: ")}
    assert len(ids) == 2, "each request has its own"
    assert all(line.startswith("X-Request-Id: atlas-ops-probe-") for line in ids)


@pytest.mark.parametrize(
    ("api", "requests", "body"),
    [
        (
            "v2",
            ["GET /v2/models/org%2Ftiny", "POST /v2/models/org%2Ftiny/infer"],
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [0.0, 0.0]}]},
        ),
        (
            "tfserving",
            ["GET /v1/models/org%2Ftiny/metadata", "POST /v1/models/org%2Ftiny:predict"],
            {"signature_name": "serving_default", "inputs": {"x": [[0.0, 0.0]]}},
        ),
        ("torchserve", ["POST /predictions/org%2Ftiny"], {}),
    ],
)
def test_another_model_is_asked_with_what_its_own_metadata_say(api: str, requests: list[str], body: object) -> None:
    with serving(answer(GOOD_V2), **METADATA) as server:
        outcome = prober(server.url, api=api).ask()
    assert (outcome.result, outcome.first_token_seconds) == (Result.OK, None)
    assert lines(server) == requests
    assert json.loads(server.bodies[-1]) == body


def test_the_time_is_that_of_the_request_without_its_metadata() -> None:
    answered: list[float] = []

    def metadata(connection: socket.socket) -> None:
        threading.Event().wait(0.05)
        answered.append(time.monotonic())
        answer(json.dumps(V2))(connection)

    with serving(answer(GOOD_V2), **{"v2/models/org%2Ftiny": metadata}) as server:
        outcome = prober(server.url, api="v2").ask()
    assert outcome.result is Result.OK
    assert outcome.seconds <= time.monotonic() - answered[0]


def test_path_and_file_of_the_settings_win(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text('{"text": "one"}')
    with serving(answer(GOOD_V2)) as server:
        asked = prober(server.url, api="v2", path="/v2/models/m/versions/3/infer?a=b", body_file=str(file))
        assert asked.ask().result is Result.OK
        file.write_text('{"text": "two"}')
        assert asked.ask().result is Result.OK
    assert lines(server) == ["POST /v2/models/m/versions/3/infer?a=b"] * 2, "no metadata are needed"
    assert server.bodies == [b'{"text": "one"}', b'{"text": "two"}'], "the file is read anew"


def test_torchserve_gets_a_picture_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "cat.jpg"
    file.write_bytes(b"\xff\xd8\xff")
    with serving(answer("tabby")) as server:
        assert prober(server.url, api="torchserve", body_file=str(file)).ask().result is Result.OK
    assert server.bodies == [b"\xff\xd8\xff"]
    assert "Content-Type: application/octet-stream\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "content", [None, "{half", "1" * 200, b"\xff\xfe\xff"], ids=["none", "half", "large", "binary"]
)
def test_a_body_file_that_cannot_be_used_is_no_fault_of_the_server(
    tmp_path: Path, content: str | bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "MAX_BODY_BYTES", 100)
    file = tmp_path / "body.json"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    with serving(stream(*GOOD)) as server:
        outcome = prober(server.url, body_file=str(file)).ask()
    assert outcome.result is Result.NOT_SENT
    assert str(file) in outcome.message
    assert not server.requests


def test_the_token_is_read_anew_and_sent_with_every_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with serving(answer(GOOD_V2), **METADATA) as server:
        asked = prober(server.url, api="v2", bearer_token_file=str(file))
        missing = asked.ask()
        assert missing.result is Result.NOT_SENT
        assert str(file) in missing.message
        assert not server.requests, "nothing is sent without the token"
        file.write_text("first\n")
        assert asked.ask().result is Result.OK
        file.write_text("second\n")
        assert asked.ask().result is Result.OK
    tokens = [line for head in server.requests for line in head.splitlines() if line.startswith("Authorization: ")]
    assert tokens == ["Authorization: Bearer first"] * 2 + ["Authorization: Bearer second"] * 2


@pytest.mark.parametrize(
    ("status", "text", "result"),
    [
        (404, "", Result.ERROR_STATUS),
        (401, "", Result.UNAUTHORIZED),
        (200, "<html>", Result.GARBAGE),
        (200, "{}", Result.NOT_SENT),
    ],
)
def test_a_model_without_metadata_is_not_asked(status: int, text: str, result: Result) -> None:
    with serving(answer(text, status=status)) as server:
        outcome = prober(server.url, api="v2").ask()
    assert outcome.result is result
    assert lines(server) == ["GET /v2/models/org%2Ftiny"]
    assert "/v2/models/org%2Ftiny" in outcome.message or "body_file" in outcome.message


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('{"predictions": [1]}', Result.OK),
        ('{"error": 0.25}', Result.OK),
        ("[1, 2", Result.OK),
        ("", Result.OK),
        ('{"x": "' + "a" * 100_000 + '"}', Result.OK),
        ('{"error": "out of memory"}', Result.ERROR_IN_ANSWER),
    ],
)
def test_what_a_model_may_answer_with_is_its_own_business_unless_it_is_an_error(text: str, result: Result) -> None:
    with serving(answer(text)) as server:
        assert prober(server.url, api="bentoml", path="/predict").ask().result is result


@pytest.mark.parametrize(
    ("parts", "result"),
    [
        ((b'data: {"text_output": "Hi"}\n\n',), Result.OK),
        ((b"data: Hi\n\n",), Result.OK),
        ((b'data: {"text_output": "Hi"}\n\n', b'data: {"error": "model failed"}\n\n'), Result.ERROR_IN_ANSWER),
        ((b": ping\n\n",), Result.EMPTY),
    ],
)
def test_a_stream_of_another_api_is_whole_when_its_bytes_are(
    parts: tuple[bytes, ...], result: Result, tmp_path: Path
) -> None:
    file = tmp_path / "body.json"
    file.write_text('{"text_input": "Hello", "stream": true}')
    with serving(stream(*parts)) as server:
        outcome = prober(server.url, api="v2", path="/v2/models/m/generate_stream", body_file=str(file)).ask()
    assert outcome.result is result
    assert (outcome.first_token_seconds is None) == (result is Result.EMPTY)
