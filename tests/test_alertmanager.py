"""The client of Alertmanager's API, against a real Alertmanager."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.alertmanager import Alertmanager, AlertmanagerRefused
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.stage.processes import free_port
from tests.pager.alertmanager import answering, fire, running


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("alertmanager")) as address:
        yield address


def test_a_silence_keeps_exactly_the_alerts_quiet_that_have_its_labels(url: str) -> None:
    fire(url, {"alertname": "Quiet", "pod": "a"}, {"alertname": "Quiet", "pod": "b"})
    client = Alertmanager(url)
    now = time.time()
    made = client.silence({"alertname": "Quiet", "pod": "a"}, start=now, until=now + 60, who="jane", comment="c [x]")
    assert sorted(alert.active for alert in client.alerts()) == [False, True]
    assert [alert.silenced_by for alert in client.alerts() if not alert.active] == [(made,)]
    found = next(silence for silence in client.silences() if silence.id == made)
    assert (found.created_by, found.comment) == ("jane", "c [x]")
    assert found.until == pytest.approx(now + 60, abs=0.01)
    client.expire(made)
    assert made not in [silence.id for silence in client.silences()]
    assert all(alert.active for alert in client.alerts())
    client.close()


def test_what_alertmanager_does_not_take_is_refused_in_its_own_words(url: str) -> None:
    client = Alertmanager(url)
    now = time.time()
    with pytest.raises(AlertmanagerRefused, match="end time"):
        client.silence({"alertname": "x"}, start=now - 60, until=now - 30, who="jane", comment="c")
    client.close()


def test_an_alertmanager_that_is_not_there_is_named() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(EnvironmentProblem, match=address):
        Alertmanager(address).silences()


_ODD_TIME = b'[{"id": "x", "endsAt": "soon", "createdBy": "j", "comment": "c", "status": {"state": "active"}}]'


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[1]", b'[{"id": "x"}]', b"", b"\xff", _ODD_TIME])
def test_the_answer_of_something_else_is_an_error_and_no_crash(body: bytes) -> None:
    with answering(body) as address, pytest.raises((EnvironmentProblem, AlertmanagerRefused)):
        Alertmanager(address).silences()


@pytest.mark.parametrize("entry", [b"<html>", b"[1]", b'[{"status": {"state": "active"}}]'])
def test_so_is_one_that_is_no_list_of_alerts(entry: bytes, tmp_path: Path) -> None:
    with answering(entry) as address, pytest.raises((EnvironmentProblem, AlertmanagerRefused)):
        Alertmanager(address).alerts()
