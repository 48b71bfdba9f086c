"""A pager whose Prometheus and Alertmanager want a login: all that it asks of them, and what it tells when they refuse."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import yaml

from atlas_ops import http_config, shipped
from atlas_ops.alertmanager import Alertmanager
from atlas_ops.pager.oncall.missed import Missed, Rhythm
from atlas_ops.pager.oncall.reach import Answers, State
from atlas_ops.pager.store.store import Store
from tests.http_config.rig import SECRETS, TENANT, USER, Guarded, written
from tests.pager.console_rig import hidden
from tests.pager.lists import open_incidents
from tests.pager.notes import alert
from tests.pager.rig import eventually
from tests.pager.test_command import Pager, running


@contextmanager
def pager(folder: Path, prometheus: Guarded, alertmanager: Guarded) -> Iterator[Pager]:
    """Run one, which pages itself at once when it cannot reach one of the two."""
    settings = {
        "links": {"prometheus": prometheus.url, "alertmanager": alertmanager.url},
        "prometheus": {"http_config_file": str(prometheus.config)},
        "alertmanager": {"http_config_file": str(alertmanager.config)},
        "pager": {"heartbeat": {"expected": False, "late_after": "1s"}},
    }
    file = folder / "atlas-ops.yaml"
    file.write_text(yaml.safe_dump(settings))
    with running(folder, None, "--config", str(file), "--runbooks", str(shipped.folder("runbooks"))) as started:
        yield started


def incident(started: Pager) -> str:
    """Return the address of the page of the only incident."""
    assert eventually(lambda: "/incidents/" in started.client.get("/").text)
    (found,) = re.findall(r'href="(/incidents/\w+)"', started.client.get("/").text)
    return str(found)


def test_with_logins_a_pager_diagnoses_shows_values_draws_and_silences(
    proxied: Guarded, alertmanager: Guarded, tmp_path: Path
) -> None:
    with pager(tmp_path, proxied, alertmanager) as started:
        assert started.hear(alert(starts=datetime.fromtimestamp(time.time() - 300, UTC).isoformat())) == 200
        place = incident(started)

        def shown() -> str:
            return started.client.get(place).text

        assert eventually(lambda: "There is no data" in shown())
        assert "could not be asked" not in shown()
        assert "42 s" in shown()
        assert started.client.get(f"{place}/chart.svg").status_code == 200
        answer = started.client.post(f"{place}/deeds", data={**hidden(shown()), "act": "silence 30 min", "who": "Jane"})
        assert "Jane silenced it until" in started.client.get(place).text, answer.text
        with closing(Alertmanager(alertmanager.url, http_config=http_config.read(alertmanager.config))) as client:
            assert "Jane" in [silence.created_by for silence in client.silences()]
        metrics = started.client.get("/metrics").text
        assert "atlas_pager_alertmanager_up 1.0" in metrics
        everything = started.client.get("/").text + shown() + metrics + started.log.read_text()
    assert "PagerDeliveryFailing" not in everything
    assert not [secret for secret in SECRETS if secret in everything]


def test_a_login_that_is_refused_is_a_page_and_stands_on_the_console_and_in_the_log(
    proxied: Guarded, alertmanager: Guarded, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("expired-4711")
    token = written(tmp_path, {"authorization": {"credentials_file": "wrong"}}, "token.yml")
    authority = {"ca_file": str(alertmanager.config.parent / "authority.pem")}
    password = {"basic_auth": {"username": USER, "password_file": "wrong"}, "tls_config": authority}
    with pager(
        tmp_path, Guarded(proxied.url, token), Guarded(alertmanager.url, written(tmp_path, password))
    ) as started:
        refused = [
            f"{name} at {asked.url} refuses the login of the pager"
            for name, asked in (("Prometheus", proxied), ("Alertmanager", alertmanager))
        ]
        assert eventually(lambda: all(told in started.client.get("/").text for told in refused))
        front = started.client.get("/").text
        assert "What is silenced is not known: Alertmanager at" in front
        metrics = started.client.get("/metrics").text
        assert "atlas_pager_alertmanager_up 0.0" in metrics
    log = started.log.read_text()
    assert (
        f"Prometheus at {proxied.url}: HTTP 401 to a request with a token (unknown: Bearer ***): check whether" in log
    )
    assert f"Alertmanager at {alertmanager.url}: HTTP 401 to a request with the user '{USER}'" in log
    assert not [secret for secret in (*SECRETS, "expired-4711") if secret in front + metrics + log]


def test_what_was_missed_is_asked_for_with_the_login(proxied: Guarded, tmp_path: Path) -> None:
    with closing(Store(tmp_path / "pager.db")) as store:
        store.absences.beat(time.time() - 3600, gap=60)
        login = http_config.read(proxied.config)
        job = Missed(store, proxied.url, http_config=login, rhythm=Rhythm(settle=-1.0))
        job.round()
        (head,) = open_incidents(store)
    assert "a page began and ended: GpuLost" in head.summary


def test_a_server_is_there_for_the_pager_only_when_it_takes_the_login(proxied: Guarded, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("expired")
    document = {
        "authorization": {"credentials_file": "token"},
        "http_headers": {"X-Scope-OrgID": {"values": [TENANT]}},
    }
    source = Answers("Prometheus", proxied.url, 0.0, http_config=http_config.read(written(tmp_path, document)))
    heard = source.ask()
    assert (heard.state, heard.told) == (State.SILENT, f"Prometheus at {proxied.url} refuses the login of the pager")
    (tmp_path / "token").write_text((proxied.config.parent / "token").read_text())
    assert source.ask().state is State.WELL
