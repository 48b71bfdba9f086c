"""`atlas-ops probe`: what people read, and what scripts get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_ops import cli
from atlas_ops.cli import probe
from atlas_ops.exporter.probe.outcome import Result
from tests.exporter.fake_server import answer, closed_port, hang, serving
from tests.exporter.probe.answers import GOOD, event, stream


def test_a_good_answer_is_told_with_its_times(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(stream(*GOOD)) as server:
        assert cli.main(["probe", "--model", "llama", server.url]) == 0
        url = f"{server.url}/v1/completions"
    where, result, first, whole = capsys.readouterr().out.splitlines()
    assert where == f"llama at {url} (openai)"
    assert result == "result       ok"
    assert float(first.removeprefix("first token").removesuffix("s")) >= 0
    assert float(whole.removeprefix("whole time").removesuffix("s")) >= 0


def test_a_failure_is_told_with_the_word_of_the_server_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = {"error": {"message": "queue is full", "code": 503}}
    with serving(stream(event(error))) as server:
        assert cli.main(["probe", "--model", "llama", "--api", "openai-chat", server.url]) == 1
    out = capsys.readouterr().out
    assert "result       error_in_answer: HTTP 200, but the answer tells an error (503)" in out
    assert "first token  none was streamed" in out
    assert "server says  queue is full" in out
    assert "-> read the server's log" in out


def test_secrets_in_the_path_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(stream(*GOOD)) as server:
        assert cli.main(["probe", "--model", "llama", "--path", "/v1/completions?api_key=s3cret", server.url]) == 0
        assert "?api_key=s3cret" in server.requests[0]
    assert f"llama at {server.url}/v1/completions?api_key=*** (openai)" in capsys.readouterr().out


def test_every_failure_of_a_server_has_a_next_step() -> None:
    assert set(probe._NEXT_STEPS) == set(Result) - {Result.OK, Result.NOT_SENT}


def test_all_flags_reach_the_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body, token = tmp_path / "body.json", tmp_path / "token"
    body.write_text('{"text": "one"}')
    token.write_text("secret")
    flags = ["--path", "/summarize", "--body-file", str(body), "--bearer-token-file", str(token)]
    with serving(answer(json.dumps("fine"))) as server:
        assert cli.main(["probe", "--api", "bentoml", "--model", "Summary", *flags, server.url]) == 0
        assert server.requests[0].startswith("POST /summarize HTTP/1.1")
        assert "Authorization: Bearer secret" in server.requests[0]
        assert server.bodies == [b'{"text": "one"}']
        server.behaviours["*"] = hang
        assert cli.main(["probe", "--model", "m", "--timeout", "0.05", server.url]) == 1
    assert "timeout: no whole answer within 0.05 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["ftp://x"], "expected an address such as http://127.0.0.1:8000, found 'ftp://x'"),
        (["http://127.0.0.1:1/?a=b"], "URL has to end before the first ?"),
        (["--path", "v1", "http://127.0.0.1:1"], "--path has to begin with a slash, found 'v1'"),
        (["--api", "bentoml", "http://127.0.0.1:1"], "--api bentoml needs --path"),
        (["--timeout", "nan", "http://127.0.0.1:1"], "--timeout has to be above 0, found nan"),
        (["--body-file", "no-such-file.json", "http://127.0.0.1:1"], "body_file no-such-file.json: No such file"),
    ],
)
def test_a_wrong_command_line_is_told(words: list[str], mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "--model", "m", *words]) == 2
    assert mistake in capsys.readouterr().err


def test_all_mistakes_of_a_command_line_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "--model", "m", "--path", "v1", "--timeout", "0", "nothing"]) == 2
    told = capsys.readouterr().err
    assert all(part in told for part in ("--path", "--timeout", "found 'nothing'"))


def test_a_port_on_which_nobody_listens_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "--model", "m", f"http://127.0.0.1:{closed_port()}"]) == 1
    assert "refused: connection refused: nobody listens there" in capsys.readouterr().out
