"""The wire to an address: what is sent where, what is done when files change, and what is told when it fails."""

from __future__ import annotations

import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from atlas_ops import http_config
from atlas_ops.alertmanager import Alertmanager
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.http_config import LoginRefused, Wire
from atlas_ops.prometheus import Prometheus
from tests.exporter.web.certificates import Authority
from tests.http_config.rig import PASSWORD, Guarded, Handler, written
from tests.loopback import serving


def wire(url: str, config: Path | None = None) -> Wire:
    return Wire("Prometheus", url, http_config.read(config) if config else None, timeout_seconds=5)


def bearer(folder: Path, token: str = "t0ken-4711") -> Path:
    (folder / "token").write_text(token)
    return written(folder, {"authorization": {"credentials_file": "token"}})


@contextmanager
def recording(status: int = 200, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer, and keep the logins that were shown."""
    seen: list[str] = []

    class Recorder(Handler):
        def respond(self, body: bytes) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.answer(status, b"{}", **headers)

    with serving(Recorder) as url:
        yield url, seen


@contextmanager
def secured(authority: Authority, name: str, *, clients: bool = False) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Serve over TLS with a certificate for 127.0.0.1; with `clients`, to those alone that show one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.verify_mode = ssl.CERT_REQUIRED if clients else ssl.CERT_NONE
    pair = authority.server(name)
    context.load_cert_chain(pair.certificate, pair.key)

    class Served(Handler):
        def respond(self, body: bytes) -> None:
            self.answer(200, b"{}")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", context
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("call", ["query", "alerts", "check_query"])
def test_a_redirect_is_not_followed_so_no_other_host_gets_the_login(call: str, tmp_path: Path) -> None:
    login = http_config.read(bearer(tmp_path))
    with recording() as (elsewhere, seen):
        place = elsewhere.replace("http://", "http://eve:s4lm0n@")
        with (
            recording(302, Location=f"{place}/login?code=s4lm0n") as (url, _),
            closing(Prometheus(url, http_config=login)) as client,
            pytest.raises(EnvironmentProblem) as caught,
        ):
            client.alerts() if call == "alerts" else getattr(client, call)("up")
    assert seen == []
    assert f"HTTP 302: it sends us on to {elsewhere}/login; redirects are not followed" in caught.value.message
    assert "s4lm0n" not in str(caught.value)


def test_each_request_shows_the_token_that_is_in_the_file_then(tmp_path: Path) -> None:
    config = bearer(tmp_path, "first")
    with recording() as (url, seen), closing(wire(url, config)) as way:
        way.ask("GET", "/")
        (tmp_path / "new").write_text("second\n")
        (tmp_path / "new").replace(tmp_path / "token")
        way.ask("GET", "/")
        (tmp_path / "token").unlink()
        with pytest.raises(EnvironmentProblem, match=r"authorization\.credentials_file cannot be read"):
            way.ask("GET", "/")
    assert seen == ["Bearer first", "Bearer second"]


def test_nothing_that_a_server_repeats_of_the_login_is_told(prometheus: Guarded, tmp_path: Path) -> None:
    encoded = http_config.read(prometheus.config).sent().headers["Authorization"].removeprefix("Basic ")

    class Telling(Handler):
        status, before = 401, 0

        def respond(self, body: bytes) -> None:
            told = f"{'.' * self.before}{self.headers['Authorization']}, which is {PASSWORD}"
            self.answer(self.status, told.encode())

    login = http_config.read(prometheus.config)
    # However far into the answer it stands, where the rest is left out.
    for Telling.status, Telling.before in (
        (400, 0),
        (401, 0),
        (403, 0),
        (500, 0),
        *((401, 270 + 5 * n) for n in range(6)),
    ):
        with serving(Telling) as url, closing(Prometheus(url, http_config=login)) as client:
            for asked in (client.alerts, lambda: client.query("up"), lambda: client.check_query("up")):
                with pytest.raises(EnvironmentProblem) as caught:
                    asked()
                assert "***" in str(caught.value) or Telling.before
                assert PASSWORD[:4] not in str(caught.value)
                assert encoded[:4] not in str(caught.value)


def test_a_certificate_of_nobody_that_is_trusted_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    login = written(tmp_path, {"tls_config": {"ca_file": str(other.file)}})
    with secured(Authority(tmp_path), "server") as (url, _):
        for config in (None, login):
            with closing(wire(url, config)) as way, pytest.raises(EnvironmentProblem, match="TLS failed") as caught:
                way.ask("GET", "/")
            assert "tls_config.ca_file" in caught.value.next_step


def test_a_new_authority_is_taken_up_when_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    old, new = Authority(tmp_path / "old"), Authority(tmp_path, "new")
    login = written(tmp_path, {"tls_config": {"ca_file": str(old.file)}})
    with secured(new, "server") as (url, _), closing(wire(url, login)) as way:
        with pytest.raises(EnvironmentProblem, match="TLS failed"):
            way.ask("GET", "/")
        new.file.replace(old.file)
        assert way.ask("GET", "/").status == 200


def test_a_client_certificate_is_shown_where_one_is_wanted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.client()
    trusted = {"ca_file": authority.file.name}
    shown = {**trusted, "cert_file": pair.certificate.name, "key_file": pair.key.name}
    with secured(authority, "server", clients=True) as (url, _):
        with closing(wire(url, written(tmp_path, {"tls_config": shown}))) as way:
            assert way.ask("GET", "/").status == 200
        with closing(wire(url, written(tmp_path, {"tls_config": trusted}))) as way, pytest.raises(EnvironmentProblem):
            way.ask("GET", "/")


def test_the_certificate_has_to_be_for_the_server_name_that_is_given(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    section = {"ca_file": authority.file.name}
    with secured(authority, "server") as (url, _):
        for name, taken in (("127.0.0.1", True), ("prometheus.example.org", False)):
            login = written(tmp_path, {"tls_config": {**section, "server_name": name}})
            # `localhost` is not in the certificate, so only `server_name` can make it right.
            address = url.replace("127.0.0.1", "localhost")
            with closing(wire(address, login)) as way:
                if taken:
                    assert way.ask("GET", "/").status == 200
                else:
                    with pytest.raises(EnvironmentProblem, match="TLS failed"):
                        way.ask("GET", "/")


def test_who_asks_for_it_gets_any_certificate_and_no_warning(tmp_path: Path) -> None:
    login = written(tmp_path, {"tls_config": {"insecure_skip_verify": True}})
    served, recorded = secured(Authority(tmp_path), "server"), warnings.catch_warnings(record=True)
    with served as (url, _), closing(wire(url, login)) as way, recorded as told:
        assert way.ask("GET", "/").status == 200
    assert told == []


def test_alertmanager_makes_and_ends_silences_behind_a_login(alertmanager: Guarded) -> None:
    login = http_config.read(alertmanager.config)
    with closing(Alertmanager(alertmanager.url, http_config=login)) as client:
        made = client.silence({"alertname": "Quiet"}, start=2e9, until=2e9 + 60, who="jane", comment="c")
        assert made in [silence.id for silence in client.silences()]
        client.expire(made)
        assert client.alerts() == ()


def test_an_alertmanager_that_wants_a_login_says_where_to_put_it(alertmanager: Guarded, tmp_path: Path) -> None:
    authority = str(alertmanager.config.parent / "authority.pem")
    no_login = http_config.read(written(tmp_path, {"tls_config": {"ca_file": authority}}))
    refusal = pytest.raises(LoginRefused, match=f"Alertmanager at {alertmanager.url}: HTTP 401")
    with closing(Alertmanager(alertmanager.url, http_config=no_login)) as client, refusal as caught:
        client.silences()
    assert "it wants a login, and the file for it names none" in caught.value.message
    assert str(tmp_path) in caught.value.next_step
    with recording(401) as (url, _), closing(Alertmanager(url)) as client, pytest.raises(LoginRefused) as caught:
        client.silences()
    assert "alertmanager.http_config_file" in caught.value.message
    assert "--http-config" not in caught.value.message


def test_plain_http_to_a_server_with_tls_is_told(prometheus: Guarded) -> None:
    address = urlsplit(prometheus.url).netloc
    with closing(Prometheus(f"http://{address}")) as client, pytest.raises(EnvironmentProblem) as caught:
        client.check_query("up")
    assert "Client sent an HTTP request to an HTTPS server" in caught.value.message


@pytest.mark.parametrize(("place", "told"), [("http://[", "no address"), ("", "nowhere"), ("/login?next=/", "/login;")])
def test_a_redirect_to_no_address_is_told_as_well(place: str, told: str) -> None:
    refusal = pytest.raises(EnvironmentProblem, match="HTTP 307: it sends us on to")
    with recording(307, Location=place) as (url, _), closing(wire(url)) as way, refusal as caught:
        way.ask("GET", "/")
    assert told in caught.value.message


def test_what_a_server_says_cannot_move_the_cursor_of_a_terminal() -> None:
    class Colourful(Handler):
        def respond(self, body: bytes) -> None:
            self.answer(403, b"\x1b[2Jno\x07 entry")

    with serving(Colourful) as url, closing(wire(url)) as way, pytest.raises(LoginRefused) as caught:
        way.ask("GET", "/")
    assert "([2Jno entry)" in caught.value.message
