"""What is an answer of an API that is not OpenAI's: a web page never is, and v2 and TensorFlow Serving say what theirs hold."""

from __future__ import annotations

import json

import pytest

from atlas_ops.exporter.probe.outcome import Outcome, Result
from tests.exporter.fake_server import Behaviour, answer, serving
from tests.exporter.probe.answers import prober

LONG = "1," * 50_000 + "1"
HTML = "Content-Type: text/html; charset=utf-8"
BINARY = "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: "


def asked(behaviour: Behaviour, api: str, body_file: str) -> Outcome:
    """What becomes of a request that needs no metadata."""
    with serving(behaviour) as server:
        return prober(server.url, api=api, path="/anything", body_file=body_file).ask()


@pytest.fixture
def body(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("body") / "body.json"
    file.write_text("{}")
    return str(file)


@pytest.mark.parametrize("api", ["v2", "tfserving", "torchserve", "bentoml"])
@pytest.mark.parametrize(
    "page",
    [
        answer("please log in", headers=HTML),
        answer("<html><body>Sign in", headers="Content-Type: text/plain"),
        answer(" \n<!DocType  HTML>", headers="X-None: 1"),
        answer("<!-- proxy --><html>", headers="X-None: 1"),
        answer("\ufeff<HTML lang=en>", headers="X-None: 1"),
        answer("<html>" + "<!-- -->" * 10_000, headers="X-None: 1"),
    ],
)
def test_a_web_page_is_never_the_answer_of_a_model(api: str, page: Behaviour, body: str) -> None:
    outcome = asked(page, api, body)
    assert outcome.result is Result.GARBAGE
    assert "web page" in outcome.message


@pytest.mark.parametrize("text", ["fine", "<svg></svg>", "<b>tabby</b>", "", "{}", "[]"])
@pytest.mark.parametrize("api", ["torchserve", "bentoml"])
def test_anything_else_may_be_the_answer_of_an_api_that_says_nothing_of_it(api: str, text: str, body: str) -> None:
    assert asked(answer(text), api, body).result is Result.OK


def binary(head: str, said: object = None, tensor: bytes = b"\xff\x00" * 100) -> Behaviour:
    """An answer of the binary extension: JSON, then tensors."""
    return answer(head.encode() + tensor, headers=f"{BINARY}{len(head) if said is None else said}")


OUTPUTS = json.dumps({"model_name": "m", "outputs": [{"name": "y", "parameters": {"binary_data_size": 200_000}}]})


@pytest.mark.parametrize(
    ("api", "result", "behaviour"),
    [
        ("v2", Result.OK, answer('{"outputs": [{"name": "y", "data": [1]}]}')),
        ("v2", Result.OK, answer('{"model_name": "m", "text_output": "Hi"}')),
        ("v2", Result.OK, answer(f'{{"model_name": "m", "outputs": [{{"name": "y", "data": [{LONG}]}}]}}')),
        ("v2", Result.OK, binary(OUTPUTS)),
        ("v2", Result.OK, binary(OUTPUTS, tensor=b"\xff\x00" * 100_000)),
        ("v2", Result.GARBAGE, binary(OUTPUTS, said="many")),
        ("v2", Result.GARBAGE, binary('{"model_name": "m"}')),
        ("v2", Result.EMPTY, binary('{"outputs": []}')),
        ("v2", Result.EMPTY, answer('{"outputs": []}')),
        ("v2", Result.EMPTY, answer("")),
        ("v2", Result.GARBAGE, answer("{}")),
        ("v2", Result.GARBAGE, answer("OK")),
        ("v2", Result.GARBAGE, answer('[{"outputs": [1]}]')),
        ("v2", Result.GARBAGE, answer("welcome " * 20_000)),
        ("v2", Result.GARBAGE, answer(f'{{"welcome": [{LONG}]}}')),
        ("v2", Result.ERROR_IN_ANSWER, answer('{"error": "no such input"}')),
        ("tfserving", Result.OK, answer('{"predictions": [[0.1]]}')),
        ("tfserving", Result.OK, answer('{\n    "outputs": [[0.1]]\n}')),
        ("tfserving", Result.OK, answer('{"results": [0.1]}')),
        ("tfserving", Result.OK, answer(f'{{\n    "predictions": [\n{LONG}]}}')),
        ("tfserving", Result.EMPTY, answer('{"predictions": []}')),
        ("tfserving", Result.GARBAGE, answer("OK")),
        ("tfserving", Result.GARBAGE, answer('{"status": "ok"}')),
    ],
)
def test_an_answer_has_to_hold_what_its_api_says(api: str, result: Result, behaviour: Behaviour, body: str) -> None:
    outcome = asked(behaviour, api, body)
    assert outcome.result is result, outcome.message
    assert bool(outcome.message) == (result is not Result.OK)
