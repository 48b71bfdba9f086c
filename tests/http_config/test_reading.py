"""The file that says how to log in: the format that Prometheus's users know, and mistakes in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from atlas_ops import http_config
from atlas_ops.cli import main
from atlas_ops.errors import ConfigError, EnvironmentProblem
from atlas_ops.stage.processes import program
from tests.exporter.web.certificates import Authority, encrypt
from tests.http_config.rig import Guarded, written

SECRET = "s4lm0n-trout"


def test_a_file_that_amtool_takes_is_taken(alertmanager: Guarded) -> None:
    login = ["--alertmanager.url", alertmanager.url, "--http.config.file", str(alertmanager.config)]
    subprocess.run([program("amtool", "prometheus-alertmanager"), "alert", "query", *login], check=True, timeout=20)
    assert http_config.read(alertmanager.config).told == "the user 'atlas'"


def test_every_part_of_a_whole_file_is_read(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.client()
    (tmp_path / "token").write_text(f"{SECRET}\n")
    (tmp_path / "tenant").write_text("team-b\n")
    document = {
        "authorization": {"type": "Token", "credentials_file": "token"},
        "http_headers": {"X-Scope-OrgID": {"files": ["tenant"]}, "X-Route": {"values": ["blue"]}},
        "tls_config": {
            "ca_file": authority.file.name,
            "cert_file": pair.certificate.name,
            "key_file": pair.key.name,
            "server_name": "prometheus.example.org",
        },
        "follow_redirects": False,
        "enable_http2": True,
    }
    found = http_config.read(written(tmp_path, document))
    sent = found.sent()
    assert dict(sent.headers) == {"Authorization": f"Token {SECRET}", "X-Scope-OrgID": "team-b", "X-Route": "blue"}
    assert sent.hidden(f"{SECRET} of team-b is blue") == "*** of *** is blue"
    assert found.told == "a token, a client certificate, the header X-Route and the header X-Scope-OrgID"
    assert found.tls is not None
    assert found.tls.server_name == "prometheus.example.org"


def test_all_mistakes_are_told_at_once_and_no_secret_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "two").write_text("one\ntwo\n")
    document = {
        "basic_auth": {"username": f"eve:{SECRET}", "password": SECRET, "passwd": SECRET},
        "authorization": {"type": "Basic", "credentials": SECRET, "credentials_file": SECRET},
        "http_headers": {
            "X-A": {"secrets": [SECRET]},
            "X-B": {},
            "X-C": {"values": ["1", "2"]},
            "X-D": {"files": ["empty"]},
            "X-E": {"files": ["two"]},
            "X-F": {"values": ["ü"]},
            "Host": {"values": ["here"]},
        },
        "tls_config": {"ca_file": "nowhere.pem", "cert_file": "only.crt", "insecure": True},
        "follow_redirects": True,
        "oauth2": {"client_secret": SECRET},
    }
    with pytest.raises(ConfigError) as caught:
        http_config.read(written(tmp_path, document))
    told = sorted(mistake.partition(": ")[2] for mistake in caught.value.mistakes)
    assert told == sorted(
        [
            "authorization: expected basic_auth or authorization, found both",
            "authorization.credentials: expected credentials_file instead, with the path of a file: no secret stands in this one",
            "authorization.credentials_file: the file of authorization.credentials_file cannot be read: No such file or directory",
            "authorization.type: expected one word such as Bearer; for a user with a password there is basic_auth",
            "basic_auth.passwd: unknown key; did you mean 'password'?",
            "basic_auth.password: expected password_file instead, with the path of a file: no secret stands in this one",
            "basic_auth.username: expected a name without a colon; the password stands in the file of password_file",
            "follow_redirects: expected false: credentials would go to wherever a redirect leads",
            "http_headers.Host: expected the name of a header that a request does not have anyway",
            "http_headers.X-A.secrets: expected files instead, with the path of a file: no secret stands in this one",
            "http_headers.X-B: expected one entry in values or one in files",
            "http_headers.X-C: expected one entry in values or one in files",
            "http_headers.X-D.files: the file of http_headers.X-D.files is empty",
            "http_headers.X-E.files: the file of http_headers.X-E.files holds more than one line",
            "http_headers.X-F.values: expected printable ASCII",
            "oauth2: unknown key; known keys: authorization, basic_auth, enable_http2, follow_redirects, http_headers, tls_config",
            "tls_config: the file of tls_config.ca_file cannot be used: No such file or directory",
            "tls_config.cert_file: expected both cert_file and key_file, or neither",
            "tls_config.insecure: unknown key; known keys: ca_file, cert_file, insecure_skip_verify, key_file, server_name",
        ]
    )
    assert SECRET not in str(caught.value)


def test_a_key_with_a_password_is_refused_without_asking_for_it_on_the_terminal(tmp_path: Path) -> None:
    pair = Authority(tmp_path).client()
    encrypt(pair.key, b"swordfish")
    section = {"cert_file": pair.certificate.name, "key_file": pair.key.name}
    with pytest.raises(ConfigError, match="the key is encrypted"):
        http_config.read(written(tmp_path, {"tls_config": section}))


def test_a_token_that_no_header_takes_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tök3n")
    found = http_config.read(written(tmp_path, {"authorization": {"credentials_file": "token"}}))
    with pytest.raises(EnvironmentProblem, match=r"authorization\.credentials_file holds characters") as caught:
        found.sent()
    assert "k3n" not in str(caught.value)


@pytest.mark.parametrize("part", ["prometheus", "alertmanager"])
def test_a_pager_does_not_start_with_a_login_that_has_mistakes(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    login = written(tmp_path, {"authorization": {"credentials": SECRET}})
    settings = tmp_path / "atlas-ops.yaml"
    settings.write_text(f"{part}: {{http_config_file: {login}}}\n")
    assert main(["pager", "--config", str(settings), "--database", str(tmp_path / "pager.db")]) == 3
    told = capsys.readouterr().err
    assert f"{login}: 1 mistake" in told
    assert SECRET not in told
