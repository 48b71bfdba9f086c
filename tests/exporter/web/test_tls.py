"""TLS and client certificates over real connections: who comes in, who does not, and nobody who blocks the others."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from atlas_ops.exporter.web import session
from atlas_ops.exporter.web.guard import Guard
from tests.exporter.web.certificates import Authority, Pair
from tests.exporter.web.rig import PAGE, Answer, Running, at_once, everything, serving, tls_config, trusting

REQUIRED = ("client_auth_type: RequireAndVerifyClientCert", "client_ca_file: authority.pem")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.contextmanager
def secured(authority: Authority, *lines: str, pair: Pair | None = None) -> Iterator[Running]:
    pair = pair or authority.server()
    with serving(guard=Guard(tls_config(pair.certificate.parent, pair, *lines))) as running:
        yield running


def refused(running: Running, context: ssl.SSLContext) -> None:
    """With TLS 1.3 a client learns only by its first read that its certificate was not taken."""
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        running.ask(tls=context)


def test_a_page_is_served_over_tls(authority: Authority) -> None:
    with secured(authority) as running:
        assert running.server.url.startswith("https://")
        assert running.ask(tls=trusting(authority.file)).body == PAGE
        assert not running.refused


def test_a_client_that_does_not_trust_the_certificate_leaves_and_others_are_served(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    with secured(authority) as running:
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
            running.ask(tls=trusting(stranger.file))
        assert running.ask(tls=trusting(authority.file)).status == 200
        assert running.settled({"tls": 1}) == {"tls": 1}


def test_an_expired_certificate_is_refused_by_the_client_and_harms_nothing(authority: Authority) -> None:
    with secured(authority, pair=authority.server(expired=True)) as running:
        for _ in range(3):
            with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
                running.ask(tls=trusting(authority.file))
        careless = ssl.create_default_context()
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        assert running.ask(tls=careless).status == 200


def test_plain_http_gets_the_answer_that_goes_servers_give(authority: Authority) -> None:
    with secured(authority) as running:
        answer = running.ask()
        assert (answer.status, answer.body) == (400, b"Client sent an HTTP request to an HTTPS server.\n")
        assert running.settled({"tls": 1}) == {"tls": 1}


def test_a_look_whether_the_port_is_open_is_no_refusal(authority: Authority) -> None:
    with secured(authority) as running:
        with running.connect() as client:
            client.shutdown(socket.SHUT_WR)
            assert everything(client) == b""
        assert not running.refused


def test_handshakes_that_hang_block_nobody_and_end(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with secured(authority) as running, contextlib.ExitStack() as stack:
        hanging = [stack.enter_context(running.connect()) for _ in range(session.MAX_REQUESTS + 1)]
        for client in hanging:
            client.sendall(b"\x16\x03\x01")
        assert running.ask(tls=trusting(authority.file)).status == 200
        monkeypatch.setattr(session, "HEAD_SECONDS", 0.05)
        with running.connect() as client:
            client.sendall(b"\x16\x03\x01")
            everything(client)
        assert running.settled({"timeout": 1}) == {"timeout": 1}


def test_many_scrapes_at_once_over_tls_are_served_or_told_to_come_back(authority: Authority) -> None:
    context = trusting(authority.file)
    with secured(authority) as running:
        answers = at_once(60, lambda: running.ask(tls=context))
        assert all(isinstance(answer, Answer) and answer.status in (200, 503) for answer in answers), answers


def test_a_client_with_a_certificate_of_the_authority_comes_in(authority: Authority) -> None:
    with secured(authority, *REQUIRED) as running:
        assert running.ask(tls=trusting(authority.file, authority.client())).body == PAGE


def test_clients_without_a_good_certificate_stay_outside(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    with secured(authority, *REQUIRED) as running:
        refused(running, trusting(authority.file))
        refused(running, trusting(authority.file, stranger.client("strange")))
        refused(running, trusting(authority.file, authority.client("old", expired=True)))
        refused(running, trusting(authority.file, authority.server("no-client")))
        assert running.settled({"tls": 4}) == {"tls": 4}
        assert running.ask(tls=trusting(authority.file, authority.client())).status == 200


def test_with_verify_if_given_none_is_welcome_and_a_wrong_one_is_not(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    lines = ("client_auth_type: VerifyClientCertIfGiven", "client_ca_file: authority.pem")
    with secured(authority, *lines) as running:
        assert running.ask(tls=trusting(authority.file)).status == 200
        assert running.ask(tls=trusting(authority.file, authority.client())).status == 200
        refused(running, trusting(authority.file, stranger.client("strange")))


@pytest.mark.parametrize("kind", ["NoClientCert", "RequestClientCert"])
def test_where_nothing_is_verified_every_client_comes_in(kind: str, authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    with secured(authority, f"client_auth_type: {kind}") as running:
        assert running.ask(tls=trusting(authority.file)).status == 200
        assert running.ask(tls=trusting(authority.file, stranger.client("strange"))).status == 200


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        ("prometheus-0", x509.DNSName("prometheus-0")),
        ("10.0.0.7", x509.IPAddress(ipaddress.ip_address("10.0.0.7"))),
        ("fd00::7", x509.IPAddress(ipaddress.ip_address("fd00::7"))),
        ("scraper@example.org", x509.RFC822Name("scraper@example.org")),
        ("spiffe://cluster/prometheus", x509.UniformResourceIdentifier("spiffe://cluster/prometheus")),
    ],
)
def test_only_clients_with_an_allowed_name_come_in(allowed: str, name: x509.GeneralName, authority: Authority) -> None:
    with secured(authority, *REQUIRED, f'client_allowed_sans: [other, "{allowed}"]') as running:
        assert running.ask(tls=trusting(authority.file, authority.client("right", name))).status == 200
        refused(
            running,
            trusting(authority.file, authority.client("wrong", x509.DNSName(f"not-{allowed}".replace("@", "-")[:20]))),
        )
        assert running.settled({"tls": 1}) == {"tls": 1}


@pytest.mark.parametrize(
    ("line", "newest", "agreed"),
    [
        ("min_version: TLS12", "TLSv1_2", "TLSv1.2"),
        ("max_version: TLS12", "TLSv1_3", "TLSv1.2"),
        ("min_version: TLS13", "TLSv1_3", "TLSv1.3"),
        ("min_version: TLS13", "TLSv1_2", None),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", "TLSv1_2", None),
        ("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", "TLSv1_2", None),
    ],
)
def test_versions_and_suites_are_those_of_the_file(
    line: str, newest: str, agreed: str | None, authority: Authority
) -> None:
    context = trusting(authority.file, newest=newest)
    with secured(authority, line) as running:
        if agreed is None:
            refused(running, context)
            return
        with running.connect() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            assert sock.version() == agreed


def test_the_suite_is_the_servers_choice_where_the_file_says_so(authority: Authority) -> None:
    suites = ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
    context = trusting(authority.file, newest="TLSv1_2")
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305")
    found = []
    for prefers in ("true", "false"):
        lines = (f"cipher_suites: [{', '.join(suites)}]", f"prefer_server_cipher_suites: {prefers}")
        with (
            secured(authority, *lines) as running,
            running.connect() as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
        ):
            found.append((sock.cipher() or ("",))[0])
    assert found == ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"]


def test_a_client_that_cannot_do_the_one_curve_stays_outside(authority: Authority) -> None:
    with secured(authority, "curve_preferences: [CurveP384]") as running:
        assert running.ask(tls=trusting(authority.file)).status == 200
        other = trusting(authority.file)
        other.set_ecdh_curve("X25519")
        refused(running, other)
