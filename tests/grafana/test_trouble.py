"""Whatever goes wrong on the way to Grafana is told in plain words, with what to do; the token is told to nobody else."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from atlas_ops import cli
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.grafana import Grafana
from atlas_ops.grafana.wire import TRIES, Wire
from tests.exporter.web.certificates import Authority
from tests.grafana.conftest import Push
from tests.grafana.rules import Answer, refusal
from tests.grafana.standin import TOKEN, GrafanaStandIn

SAVE = "/api/dashboards/db"
AT_ONCE = {"Retry-After": "0"}


def test_a_token_that_grafana_does_not_know_is_said_to_be_so(
    grafana: GrafanaStandIn, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", "glsa_of_another_grafana")
    code, _, problem = push()
    assert (code, grafana.writes) == (4, [])
    assert "the token is not taken: Invalid API key\n  -> make a token for a service account" in problem
    assert "glsa_of_another_grafana" not in problem


@pytest.mark.parametrize("lacking", ["dashboards:create", "dashboards:read", "folders:create"])
def test_a_permission_that_the_account_lacks_is_named(grafana: GrafanaStandIn, push: Push, lacking: str) -> None:
    grafana.granted.remove(lacking)
    code, _, problem = push()
    assert (code, grafana.dashboards) == (1, {})
    assert f"Permissions needed: {lacking} (HTTP 403)\n  -> give the service account the role Editor" in problem


def test_an_account_that_may_only_create_changes_nothing(grafana: GrafanaStandIn, push: Push) -> None:
    push()
    for kept in grafana.dashboards.values():
        kept.model["panels"] = []
    grafana.granted.remove("dashboards:write")
    code, _, problem = push()
    assert code == 1
    assert "Permissions needed: dashboards:write" in problem


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(raw=b"<html>It works!</html>"), "HTTP 200, and what it says is not JSON"),
        (Answer(status=404, raw=b"404 page not found"), "HTTP 404, and what it says is not JSON"),
        (Answer(body={"status": "ok"}), "no word of a database: this is not Grafana"),
        (Answer(body=["a", "list"]), "no word of a database: this is not Grafana"),
        (
            Answer(status=302, raw=b"", headers={"Location": "https://login.example.org/"}),
            "it sends us on to https://login.example.org/",
        ),
    ],
)
def test_what_is_not_grafana_is_said_to_be_so_and_never_gets_the_token(
    grafana: GrafanaStandIn, push: Push, answer: Answer, told: str
) -> None:
    grafana.intercept = lambda _method, _path: answer
    code, _, problem = push()
    assert (code, told in problem) == (4, True), problem
    assert "\n  -> " in problem
    assert grafana.sent_tokens == []


def test_a_grafana_below_a_path_is_found_there_and_missed_without_it(push: Push) -> None:
    with GrafanaStandIn(path="/grafana").running() as below:
        assert push(url=f"{below.url}/")[0] == 0
        assert below.dashboards
        assert push(url=below.url.removesuffix("/grafana"))[0] == 4


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_only_reads_is_asked_again_while_grafana_is_busy(grafana: GrafanaStandIn, push: Push, status: int) -> None:
    seen: list[str] = []

    def busy(method: str, path: str) -> Answer | None:
        seen.append(path)
        again = method == "GET" and seen.count(path) < TRIES
        return Answer(status=status, raw=b"busy", headers=AT_ONCE) if again else None

    grafana.intercept = busy
    assert push()[0] == 0
    assert seen.count("/api/health") == TRIES


def test_a_grafana_that_stays_busy_is_given_up(grafana: GrafanaStandIn, push: Push) -> None:
    grafana.intercept = lambda _method, _path: Answer(status=503, raw=b"busy", headers=AT_ONCE)
    assert push()[0] == 4
    assert len(grafana.calls) == TRIES


def test_a_write_is_sent_again_only_when_nothing_was_done(grafana: GrafanaStandIn, push: Push) -> None:
    push()
    for kept in grafana.dashboards.values():
        kept.model["panels"] = []
    answers = [refusal(503, "database is locked")]
    grafana.intercept = lambda _method, path: answers.pop() if path == SAVE and answers else None
    grafana.calls.clear()
    code, _, problem = push()
    assert (code, len(grafana.writes)) == (1, len(grafana.dashboards)), "once for each dashboard"
    assert "database is locked (HTTP 503)\n  -> look into Grafana's log; then run the command again" in problem
    limited = Answer(status=429, body={"message": "too many"}, headers=AT_ONCE)
    answers.append(limited)
    assert push()[0] == 0, "a limit of requests is kept, and the dashboard written after it"


def test_waiting_is_as_long_as_grafana_asks_and_not_for_ever(grafana: GrafanaStandIn) -> None:
    waits: list[float] = []
    asked = iter(("7", "nonsense", "", "3600"))
    grafana.intercept = lambda _method, _path: Answer(status=429, body={}, headers={"Retry-After": next(asked)})
    wire = Wire(grafana.url, TOKEN, wait=waits.append)
    wire.ask("/api/health")
    assert waits == [7, 1, 2]
    grafana.intercept = lambda _method, _path: Answer(status=429, body={}, headers={"Retry-After": "3600"})
    with pytest.raises(EnvironmentProblem, match="left alone for 3600 s"):
        wire.ask("/api/health")
    assert len(waits) == 3
    wire.close()


def test_a_grafana_that_says_nothing_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wire = Wire(f"http://127.0.0.1:{silent.getsockname()[1]}", TOKEN, silence=0.2)
        with pytest.raises(EnvironmentProblem, match="it said nothing in time"):
            Grafana(wire).version()
        wire.close()


def test_where_nothing_listens_the_address_is_named(push: Push) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    code, _, problem = push(url=url)
    assert code == 4
    assert f"Grafana at {url}: it cannot be reached: " in problem
    assert "refused" in problem


def test_a_grafana_that_goes_away_in_the_middle_leaves_a_list_of_what_is_not_done(
    grafana: GrafanaStandIn, push: Push
) -> None:
    push()
    first, second, *_ = grafana.dashboards.values()
    first.model["tags"] = []
    second.model["panels"] = []
    grafana.intercept = lambda _method, path: Answer(status=502, raw=b"gone") if path == SAVE else None
    code, said, problem = push()
    assert code == 4
    assert f"not tried, or not known: {second.model['uid']}, " in said
    assert f"{first.model['uid']}: the dashboard" in problem, "what was refused before is told all the same"
    assert "HTTP 502" in problem


def test_tls_is_believed_only_from_whom_the_machine_trusts(
    push: Push, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    pair = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    with GrafanaStandIn(context=context).running() as secure:
        code, _, problem = push(url=secure.url)
        assert (code, secure.calls) == (4, [])
        assert "TLS failed: " in problem
        assert "SSL_CERT_FILE" in problem
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert push(url=secure.url)[0] == 0
        assert secure.dashboards


def test_a_server_that_repeats_the_token_does_not_get_it_into_our_words(grafana: GrafanaStandIn, push: Push) -> None:
    grafana.intercept = lambda _method, path: refusal(400, f"bad token {TOKEN}") if path == SAVE else None
    _, _, problem = push()
    assert "bad token *** (HTTP 400)" in problem


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "neither GRAFANA_TOKEN nor GRAFANA_TOKEN_FILE is set"),
        ({"GRAFANA_TOKEN": TOKEN, "GRAFANA_TOKEN_FILE": "x"}, "both GRAFANA_TOKEN and GRAFANA_TOKEN_FILE are set"),
        ({"GRAFANA_TOKEN_FILE": "/nowhere/token"}, "GRAFANA_TOKEN_FILE: /nowhere/token cannot be read"),
        ({"GRAFANA_TOKEN": "two words"}, "GRAFANA_TOKEN holds no token"),
    ],
)
def test_without_a_usable_token_nothing_is_asked(
    grafana: GrafanaStandIn, push: Push, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], told: str
) -> None:
    monkeypatch.delenv("GRAFANA_TOKEN")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, _, problem = push()
    assert (code, grafana.calls) == (2, [])
    assert told in problem


def test_the_token_may_be_in_a_file(
    grafana: GrafanaStandIn, push: Push, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.delenv("GRAFANA_TOKEN")
    monkeypatch.setenv("GRAFANA_TOKEN_FILE", str(tmp_path / "token"))
    assert push()[0] == 0
    assert set(grafana.sent_tokens) == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "url",
    ["grafana.example.org", "ftp://x", "http://u:p@127.0.0.1", "http://127.0.0.1/?orgId=1", "http://127.0.0.1/#a"],
)
def test_an_address_that_is_none_is_refused_before_anything_is_asked(push: Push, url: str) -> None:
    code, _, problem = push(url=url)
    assert code == 2
    assert problem.startswith("atlas-ops dashboards: --url: ")


def test_a_folder_without_a_title_is_refused_before_anything_is_asked(grafana: GrafanaStandIn, push: Push) -> None:
    code, _, problem = push("--folder", " ")
    assert (code, grafana.calls) == (2, [])
    assert "--folder is empty" in problem


def test_the_help_tells_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["dashboards", "push", "--help"])
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.partition("exit codes:\n")[2].splitlines()] == ["0", "1", "2", "3", "4"]
