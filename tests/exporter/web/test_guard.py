"""Certificates and passwords change while the exporter runs, and a broken file changes nothing."""

from __future__ import annotations

from pathlib import Path

import bcrypt
import pytest

from atlas_ops.errors import ConfigError
from atlas_ops.exporter.web.guard import Guard
from tests.exporter.web.certificates import Authority
from tests.exporter.web.rig import Running, serving, tls_config, trusting, web_config
from tests.exporter.web.test_basic_auth import basic


def shown(running: Running, authority: Authority) -> bytes | None:
    """The certificate that a new connection sees."""
    context = trusting(authority.file)
    with running.connect() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
        return sock.getpeercert(binary_form=True)


def users(password: str) -> str:
    return f"basic_auth_users: {{prometheus: {bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}}}\n"


def test_a_new_certificate_is_shown_to_the_next_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.server()
    guard = Guard(tls_config(tmp_path, first))
    with serving(guard=guard) as running:
        assert shown(running, authority) == first.fingerprint
        second = authority.server()
        assert shown(running, authority) == second.fingerprint != first.fingerprint
        assert not guard.broken


def test_a_certificate_that_is_swapped_by_a_link_is_seen(tmp_path: Path) -> None:
    """As Kubernetes does with a mounted secret."""
    authority = Authority(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = authority.server("one/server"), authority.server("two/server")
    (tmp_path / "now").symlink_to("one")
    file = web_config(tmp_path, "tls_server_config: {cert_file: now/server.crt, key_file: now/server.key}")
    with serving(guard=Guard(file)) as running:
        assert shown(running, authority) == first.fingerprint
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(tmp_path / "now")
        assert shown(running, authority) == second.fingerprint


def test_a_half_rotated_pair_keeps_the_old_one_until_the_key_has_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    first = authority.server()
    old_key = first.key.read_bytes()
    guard = Guard(tls_config(tmp_path, first))
    with serving(guard=guard) as running:
        second = authority.server()
        new_key = second.key.read_bytes()
        second.key.write_bytes(old_key)
        for _ in range(3):
            assert shown(running, authority) == first.fingerprint
        assert guard.broken
        assert sum("the key does not belong to the certificate" in record.message for record in caplog.records) == 1
        second.key.write_bytes(new_key)
        assert shown(running, authority) == second.fingerprint
        assert not guard.broken


def test_a_changed_password_counts_for_connections_that_are_open(tmp_path: Path) -> None:
    file = web_config(tmp_path, users("old"))
    guard = Guard(file)
    with serving(guard=guard) as running:
        client = running.client()
        client.request("GET", "/metrics", headers={"Authorization": basic("prometheus", "old")})
        answer = client.getresponse()
        assert (answer.status, len(answer.read())) == (200, 1900)
        web_config(tmp_path, users("new"))
        client.request("GET", "/metrics", headers={"Authorization": basic("prometheus", "old")})
        assert client.getresponse().status == 401
        client.close()
        assert running.ask(Authorization=basic("prometheus", "new")).status == 200


@pytest.mark.parametrize("text", ["rubbish: 1\n", "basic_auth_users: {", "basic_auth_users: {a: plain}\n", None])
def test_a_broken_file_leaves_everything_as_it_was(text: str | None, tmp_path: Path) -> None:
    file = web_config(tmp_path, users("good"))
    guard = Guard(file)
    with serving(guard=guard) as running:
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        assert running.ask().status == 401, "it is not open"
        assert running.ask(Authorization=basic("prometheus", "good")).status == 200
        assert guard.broken
        web_config(tmp_path, users("better"))
        assert running.ask(Authorization=basic("prometheus", "better")).status == 200
        assert not guard.broken


def test_a_file_that_is_wrong_from_the_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 mistake"):
        Guard(web_config(tmp_path, "rubbish: 1\n"))
