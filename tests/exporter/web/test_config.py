"""The web-config file: the toolkit's own format, every mistake with its line, and no secret in a message."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from atlas_ops.errors import ConfigError
from atlas_ops.exporter.web import config
from atlas_ops.exporter.web.config import WebConfig
from tests.exporter.web.certificates import Authority, encrypt
from tests.exporter.web.rig import web_config

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
PAIR = "cert_file: server.crt, key_file: server.key"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the certificate of a server and its authority."""
    Authority(tmp_path).server()
    return tmp_path


def read(folder: Path, text: str) -> WebConfig:
    return config.read(web_config(folder, text), {})


def mistakes(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text)
    return raised.value.mistakes


def test_the_toolkits_example_is_read(folder: Path) -> None:
    found = read(
        folder,
        f"""\
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: authority.pem
  client_allowed_sans: [prometheus]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: true
  curve_preferences: [CurveP256]
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1; mode=block
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
""",
    )
    assert found.tls is not None
    assert found.tls.context.verify_mode is ssl.CERT_REQUIRED
    assert found.headers["X-Frame-Options"] == "deny"
    assert len(found.headers) == 5


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, "")
    assert (found.tls, found.headers) == (None, {})


def test_certificates_may_stand_in_the_file_itself(folder: Path) -> None:
    def inline(name: str) -> str:
        return "|\n" + "".join(f"    {line}\n" for line in (folder / name).read_text().splitlines())

    found = read(
        folder,
        f"tls_server_config:\n  cert: {inline('server.crt')}  key: {inline('server.key')}"
        f"  client_ca: {inline('authority.pem')}  client_auth_type: RequireAndVerifyClientCert\n",
    )
    assert found.tls is not None
    assert found.tls.context.get_ca_certs()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tls_server_config: {cert_file: server.crt}", "line 1: tls_server_config.key_file: is missing; expected a PEM file"),
        ("tls_server_config: {min_version: TLS12}", "tls_server_config.cert_file: is missing"),
        ("tls_server_config:", "tls_server_config: expected keys with values, found nothing"),
        (f"tls_server_config: {{{PAIR}, cert: x}}", "tls_server_config.cert: give cert or cert_file, not both"),
        ("tls_server_config: {cert_file: none.crt, key_file: server.key}", "none.crt cannot be read: No such file"),
        ("tls_server_config: {cert_file: authority.pem, key_file: server.key}", "the key does not belong to the certificate"),
        ("tls_server_config: {cert_file: garbage, key_file: server.key}", "the certificate or the key is not PEM"),
        ("tls_server_config: {cert_file: empty, key_file: server.key}", "empty is empty"),
        ("tls_server_config: {cert_file: server.crt, key_file: encrypted.key}", "the key is encrypted"),
        (f"tls_server_config: {{{PAIR}, client_auth_type: requireandverifyclientcert}}", "expected one of NoClientCert"),
        (f"tls_server_config: {{{PAIR}, client_auth_type: RequireAnyClientCert}}", "takes a certificate from anybody"),
        (f"tls_server_config: {{{PAIR}, client_auth_type: RequireAndVerifyClientCert}}", "needs client_ca_file"),
        (f"tls_server_config: {{{PAIR}, client_ca_file: authority.pem}}", "needs a client_auth_type that verifies"),
        (f"tls_server_config: {{{PAIR}, client_ca_file: garbage, client_auth_type: VerifyClientCertIfGiven}}",
         "client_ca_file: there is no PEM certificate in it"),
        (f"tls_server_config: {{{PAIR}, client_allowed_sans: [a]}}", "needs client_auth_type: RequireAndVerifyClientCert"),
        (f"tls_server_config: {{{PAIR}, min_version: TLS10}}", "TLS10 is obsolete (RFC 8996)"),
        (f"tls_server_config: {{{PAIR}, min_version: TLS13, max_version: TLS12}}", "max_version: is below min_version"),
        (f"tls_server_config: {{{PAIR}, min_version: SSL3}}", "expected one of TLS12, TLS13"),
        (f"tls_server_config: {{{PAIR}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}}", "unknown suite 'TLS_RSA_WITH_RC4_128_SHA'"),
        (f"tls_server_config: {{{PAIR}, curve_preferences: [CurveP512]}}", "unknown curve 'CurveP512'"),
        (f"tls_server_config: {{{PAIR}, curve_preferences: [X25519, CurveP256]}}", "Python can keep to one curve"),
        (f"tls_server_config: {{{PAIR}, certfile: a}}", "tls_server_config.certfile: unknown key; did you mean 'cert_file'?"),
        ("http_server_config: {headers: {X-Frame-Options: maybe}}", "expected one of deny, sameorigin, found 'maybe'"),
        ("http_server_config: {headers: {Server: me}}", "http_server_config.headers.Server: unknown key"),
        ('http_server_config: {headers: {X-XSS-Protection: "1\\r\\nX: y"}}', "expected printable ASCII"),
        ("http_server_config: {http2: maybe}", "http_server_config.http2: expected true or false"),
        ("rate_limit: {interval: 1s, burst: 20}", "rate_limit: is not offered here"),
        ("tls_config: {}", "tls_config: unknown key; did you mean 'tls_server_config'?"),
        ('basic_auth_users: {"a:b": ' + HASH + "}", "cannot hold a colon"),
        ("basic_auth_users: {a: " + HASH.replace("$10$", "$25$") + "}", "expected a cost from 4 to 16, found 25"),
    ],
)  # fmt: skip
def test_mistakes_are_told_where_they_are(text: str, told: str, folder: Path) -> None:
    (folder / "garbage").write_text("garbage")
    (folder / "empty").write_text("")
    (folder / "encrypted.key").write_bytes((folder / "server.key").read_bytes())
    encrypt(folder / "encrypted.key", b"secret")
    assert any(told in mistake for mistake in mistakes(folder, text)), mistakes(folder, text)


def test_all_mistakes_are_told_together_with_their_lines(folder: Path) -> None:
    text = "tls_server_config:\n  cert_file: nowhere\n  min_version: TLS9\nbasic_auth_users:\n  a: plain\nrubbish: 1\n"
    found = mistakes(folder, text)
    assert [mistake.split(":")[0] for mistake in found] == ["line 2", "line 2", "line 3", "line 5", "line 6"]


def test_a_password_that_is_no_hash_never_stands_in_a_message(folder: Path) -> None:
    found = "".join(mistakes(folder, "basic_auth_users: {alice: hunter2, bob: 1234567, carol: $2y$10$short}"))
    assert "htpasswd" in found
    assert not any(secret in found for secret in ("hunter2", "1234567", "short"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        config.read(tmp_path / "none.yml", {})
