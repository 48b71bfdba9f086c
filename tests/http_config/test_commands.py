"""Every command that reads Prometheus, against two that want a login: with one, without, and with a wrong one."""

from __future__ import annotations

import http.client
import json
import logging
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from atlas_ops import http_config
from atlas_ops import settings as settings_module
from atlas_ops.cli import main
from atlas_ops.http_config import HttpConfig
from atlas_ops.prometheus import Prometheus
from atlas_ops.stage.preview import Preview
from atlas_ops.stage.processes import get
from atlas_ops.watch.page import Page
from atlas_ops.watch.watcher import Watcher
from tests.http_config import rig
from tests.http_config.conftest import WAIT
from tests.http_config.rig import SECRETS, TENANT, Guarded, written
from tests.pager.rig import eventually

SIDES = ["--baseline-selector", 'server="a"', "--canary-selector", 'server="b"']
COMMANDS = {
    "watch": (["watch", "REFERENCES", "--once"], 3, "no server counts it"),
    "drift fit": (["drift", "fit", "--model", "fraud", "--output", "OUT"], 2, "of the model 'fraud'"),
    "drift accept": (["drift", "accept", "REFERENCES/fraud.json", "--since", "7h"], 2, "no counts of 'fraud'"),
    "gate": (["gate", "--model", "m", *SIDES], 2, "no request of 'server=\"a\"'"),
    "capacity": (["capacity"], 2, "no requests of a model"),
    "diagnose": (["diagnose", "QueueBacklog"], 2, "no QueueBacklog fires"),
    "diagnose with labels": (["diagnose", "QueueBacklog", "--label", "model=m"], 0, "There is no data"),
}
"""What is asked for, and what says that Prometheus has answered: it knows none of these models."""


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest, references: Path, tmp_path: Path) -> tuple[list[str], int, str]:
    words, code, told = COMMANDS[request.param]
    places = {"REFERENCES": str(references), "REFERENCES/fraud.json": str(references / "fraud.json")}
    return [{**places, "OUT": str(tmp_path / "out.json")}.get(word, word) for word in words], code, told


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return all that was printed; no secret is in it."""
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert not [secret for secret in SECRETS if secret in text]
    return text


def test_with_the_file_of_its_login_a_command_gets_its_answer(
    command: tuple[list[str], int, str], guarded: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    words, code, told = command
    assert main([*words, *guarded.words]) == code
    assert told in said(capsys)


def test_without_one_it_says_that_a_login_is_wanted_and_how_to_give_it(
    command: tuple[list[str], int, str], proxied: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command[0], "--prometheus", proxied.url]) == 4
    text = said(capsys)
    assert f"Prometheus at {proxied.url}: HTTP 401 to a request with no credentials" in text
    assert "--http-config" in text


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({}, "HTTP 403 to a request with a token (no org id): they are known, but may not do this"),
        (
            {"X-Scope-OrgID": {"values": ["other"]}},
            "HTTP 403 to a request with a token and the header X-Scope-OrgID (no org id)",
        ),
    ],
)
def test_a_login_that_may_not_do_this_is_told_apart(
    header: object, told: str, proxied: Guarded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = str(proxied.config.parent / "token")
    login = written(tmp_path, {"authorization": {"credentials_file": token}, "http_headers": header})
    assert main(["capacity", "--prometheus", proxied.url, "--http-config", str(login)]) == 4
    text = said(capsys)
    assert told in text
    assert str(login) in text


def test_a_wrong_password_is_told_with_the_name_of_the_user(
    prometheus: Guarded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text("swordfish")
    authority = str(prometheus.config.parent / "authority.pem")
    document = {"basic_auth": {"username": "eve", "password_file": "password"}, "tls_config": {"ca_file": authority}}
    words = ["--prometheus", prometheus.url, "--http-config", str(written(tmp_path, document))]
    assert main(["diagnose", "QueueBacklog", *words]) == 4
    text = said(capsys)
    assert "HTTP 401 to a request with the user 'eve' (Unauthorized): check whether they are still valid" in text
    assert "swordfish" not in text


@pytest.mark.parametrize("login", [[], ["--http-config", "LOGIN"]])
@pytest.mark.parametrize(
    "shape", ["https://eve:s4lm0n@{}", "https://eve:s4lm/0n@{}", "ftp://eve:s4lm0n@{}", "eve:s4lm0n@{}"]
)
def test_an_address_with_a_password_in_it_is_refused_and_not_repeated(
    shape: str, login: list[str], prometheus: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(prometheus.config) if word == "LOGIN" else word for word in login]
    address = shape.format(urlsplit(prometheus.url).netloc)
    for asking in (["capacity"], ["diagnose", "QueueBacklog"], ["preview"]):
        assert main([*asking, "--prometheus", address, *words]) == 2
        text = said(capsys)
        assert "--prometheus: " in text
        assert "s4lm" not in text
        assert "credentials go into the file of --http-config" in text


def test_the_settings_name_the_login_of_their_own_address_and_no_other_gets_it(
    proxied: Guarded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "atlas-ops.yaml"
    settings.write_text(f"links: {{prometheus: {proxied.url}}}\nprometheus: {{http_config_file: {proxied.config}}}\n")
    diagnose = ["diagnose", "QueueBacklog", "--label", "model=m", "--config", str(settings)]
    assert main(diagnose) == 0
    assert main([*diagnose, "--prometheus", proxied.url]) == 0
    said(capsys)
    assert main([*diagnose, "--prometheus", proxied.url.replace("127.0.0.1", "localhost")]) == 4
    assert "HTTP 401 to a request with no credentials" in said(capsys)


@pytest.mark.parametrize(
    "words", [["gate", "--baseline", "a", "--canary", "b"], ["drift", "fit", "a", "--output", "b"]]
)
def test_a_login_without_a_prometheus_is_a_mistake(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--http-config", "login.yml"]) == 2
    assert "--http-config needs --prometheus" in said(capsys)


def test_a_file_with_mistakes_is_no_verdict(
    proxied: Guarded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """3 is "cannot tell" of these commands, and 1 "drift", "fail" or "too few"."""
    login = written(tmp_path, {"authorization": {"credentials": "t0p"}})
    assert main(["capacity", "--prometheus", proxied.url, "--http-config", str(login)]) == 2
    text = said(capsys)
    assert "authorization.credentials: expected credentials_file instead" in text
    assert "t0p" not in text


def test_the_client_asks_all_that_it_asks_with_the_login(guarded: Guarded) -> None:
    with closing(rig.client(guarded)) as client:
        (now,) = client.query("vector(time())")
        assert {point.value for point in client.query(WAIT)} == {42.0}
        (course,) = client.query_range(WAIT, now.value - 60, now.value, 15)
        assert course.values == (42.0,) * 5
        client.check_query("up")
        assert client.alerts() == ()


def test_the_preview_passes_queries_on_with_the_login(guarded: Guarded, tmp_path: Path) -> None:
    def asked(login: HttpConfig | None) -> tuple[int, str]:
        settings = settings_module.parse("")
        with (
            Preview({}, settings, page=tmp_path, prometheus=guarded.url, http_config=login) as preview,
            closing(http.client.HTTPConnection(urlsplit(preview.url).netloc, timeout=10)) as connection,
        ):
            connection.request("POST", "/api/v1/query", f"query={WAIT}")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    status, text = asked(http_config.read(guarded.config))
    assert (status, json.loads(text)["data"]["result"][0]["value"][1]) == (200, "42")
    assert asked(None)[0] == 502


def test_a_watcher_that_is_refused_tells_it_and_goes_on_when_the_token_is_replaced(
    proxied: Guarded, references: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As tokens of Kubernetes's service accounts are: the file is replaced while the process runs."""
    token = tmp_path / "token"
    token.write_text("expired-4711")
    document = {
        "authorization": {"credentials_file": "token"},
        "http_headers": {"X-Scope-OrgID": {"values": [TENANT]}},
    }
    login = http_config.read(written(tmp_path, document))
    page = Page()
    with closing(Prometheus(proxied.url, http_config=login)) as client, caplog.at_level(logging.INFO):
        watcher = Watcher(references, client)
        page.show(watcher.round())
        assert 'atlas_watch_success{model="fraud"} 0.0' in page.text().decode()
        assert "HTTP 401 to a request with a token and the header X-Scope-OrgID (unknown: Bearer ***)" in caplog.text
        token.write_text((proxied.config.parent / "token").read_text())
        page.show(watcher.round())
        assert "fraud: no server has counted a request of it" in caplog.text, "it can ask now, and there was none"
        assert "atlas_drift_reference_info" in page.text().decode()
    everything = caplog.text + page.text().decode()
    assert not [secret for secret in (*SECRETS, "expired-4711") if secret in everything]


@pytest.mark.parametrize("token", ["right", "expired-4711"])
def test_neither_page_nor_log_of_a_running_watcher_holds_a_secret(
    token: str, proxied: Guarded, references: Path, tmp_path: Path
) -> None:
    right = token == "right"
    (tmp_path / "token").write_text((proxied.config.parent / "token").read_text() if right else token)
    login = written(tmp_path, yaml.safe_load(proxied.config.read_text()))
    words = ["watch", str(references), "--prometheus", proxied.url, "--http-config", str(login)]
    command = [sys.executable, "-m", "atlas_ops", *words, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().removeprefix("atlas-ops watch: ").strip()
            assert eventually(lambda: "\natlas_watch_success{" in get(url)[1].decode())
            page = get(url)[1].decode()
        finally:
            process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=20)
    assert right == ("\natlas_watch_last_success_timestamp_seconds " in page), "only Prometheus knows what time it is"
    assert right or "HTTP 401 to a request with a token and the header X-Scope-OrgID" in log
    assert not [secret for secret in (*SECRETS, "expired-4711") if secret in page + out + log]
