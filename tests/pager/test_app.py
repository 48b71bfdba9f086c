from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager import app, webhook
from atlas_ops.pager.access.gate import Gate
from atlas_ops.pager.app import CARTS, HANDS, Pager
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.console.routes import Console
from atlas_ops.pager.incident import Notification
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.store.inbox import Inbox
from atlas_ops.pager.store.store import Store
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, body, document, runbooks
from tests.pager.rig import serving


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "pager.db")
    yield made
    made.close()


@pytest.fixture
def pager(store: Store, tmp_path: Path) -> Iterator[httpx.Client]:
    composer = Composer(runbooks=runbooks(tmp_path / "runbooks"), pager_url="https://example.org/pager")
    console = Console(store=store, composer=composer, gate=Gate(external=composer.pager_url))
    with serving(
        Pager(store=store, console=console, metrics=Metrics(), delivery=None, wake=lambda: None).app()
    ) as client:
        yield client


def raw(pager: httpx.Client, headers: str) -> socket.socket:
    """Begin a webhook by hand."""
    sender = socket.create_connection((pager.base_url.host, pager.base_url.port or 0))
    sender.sendall(f"POST /webhook HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    return sender


def metric(pager: httpx.Client, line: str) -> float:
    found = re.search(rf"^{re.escape(line)} (\S+)$", pager.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else -1.0


def test_an_accepted_webhook_is_on_the_disk_before_it_is_answered(pager: httpx.Client, store: Store) -> None:
    assert pager.post("/webhook", content=body(alert())).status_code == 200
    assert len(open_incidents(store)) == 1
    assert metric(pager, 'atlas_pager_received_total{result="accepted"}') == 1


@pytest.mark.parametrize("content", [b"", b"{", b"not json", b"[]", b'{"version": "4"}', b"[" * 100_000])
def test_a_bad_body_is_answered_400_and_the_next_good_one_works(pager: httpx.Client, content: bytes) -> None:
    refused = pager.post("/webhook", content=content)
    assert refused.status_code == 400
    assert refused.text.strip()
    assert pager.post("/webhook", content=body(alert())).status_code == 200
    assert metric(pager, 'atlas_pager_received_total{result="refused"}') == 1


def test_a_body_that_is_too_large_is_answered_413_and_the_next_good_one_works(pager: httpx.Client) -> None:
    large = b"[" + b" " * webhook.MAX_BODY_BYTES + b"]"
    assert pager.post("/webhook", content=large).status_code == 413
    assert pager.post("/webhook", content=iter([large])).status_code == 413, "without a Content-Length"
    assert metric(pager, 'atlas_pager_received_total{result="too_large"}') == 2
    assert pager.post("/webhook", content=body(alert())).status_code == 200


def test_a_sender_that_does_not_listen_while_it_sends_learns_of_the_413_too(pager: httpx.Client) -> None:
    sender = http.client.HTTPConnection(pager.base_url.host, pager.base_url.port, timeout=60)
    sender.request("POST", "/webhook", b" " * 50_000_000)
    assert sender.getresponse().status == 413
    sender.close()


def test_a_sender_that_asks_first_is_told_413_before_it_sends_anything(pager: httpx.Client) -> None:
    announced = f"Content-Length: {webhook.MAX_BODY_BYTES + 1}\r\nExpect: 100-continue\r\n"
    with raw(pager, announced) as sender:
        assert b" 413 " in sender.recv(4096)


def test_a_sender_that_goes_away_in_the_middle_does_no_harm(pager: httpx.Client) -> None:
    with raw(pager, "Content-Length: 1000\r\n") as sender:
        sender.sendall(b"{")
    assert pager.post("/webhook", content=body(alert())).status_code == 200


def test_the_largest_real_webhook_is_taken(pager: httpx.Client, store: Store) -> None:
    alerts = [alert(pod=f"p-{number}", fingerprint=str(number)) for number in range(10_000)]
    assert pager.post("/webhook", content=body(*alerts)).status_code == 200
    assert open_incidents(store)[0].total == 10_000
    assert "and 9900 more" in pager.get(f"/incidents/{open_incidents(store)[0].id}").text


def test_large_webhooks_that_take_long_do_not_keep_a_page_waiting(
    pager: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, done, begun = Inbox.accept, threading.Event(), threading.Semaphore(0)

    def slow(self: Inbox, notification: Notification, now: float) -> bool:
        if len(notification.alerts) > 1:
            begun.release()
            done.wait(30)
        return accept(self, notification, now)

    monkeypatch.setattr(Inbox, "accept", slow)
    large = body(*[alert(pod=f"p-{number}", fingerprint=str(number)) for number in range(10)])
    monkeypatch.setattr(app, "LARGE_BYTES", len(large))
    senders = [threading.Thread(target=pager.post, args=("/webhook",), kwargs={"content": large}) for _ in range(HANDS)]
    for sender in senders:
        sender.start()
    try:
        assert all(begun.acquire(timeout=10) for _ in range(CARTS))
        time.sleep(0.5)  # more would begin now, if they could
        assert pager.post("/webhook", content=body(alert(), group="another"), timeout=10).status_code == 200
    finally:
        done.set()
        for sender in senders:
            sender.join()


def test_a_page_in_a_group_that_holds_a_ticket_is_an_incident_of_its_own(pager: httpx.Client, store: Store) -> None:
    """Told in the thread of the ticket it would wake nobody. Own routes often group by the name alone."""
    ticket, page = alert(severity="ticket", pod="a"), alert(severity="page", pod="b")
    assert pager.post("/webhook", content=body(ticket)).status_code == 200
    [first] = open_incidents(store)
    assert pager.post("/webhook", content=body(ticket, page, truncated=7)).status_code == 200
    [graver] = [head for head in open_incidents(store) if head.id != first.id]
    assert (graver.severity, graver.place) == ("page", "b")
    assert [head.total for head in open_incidents(store)] == [1, 1]
    over = alert(severity="page", pod="b", firing=False)
    assert pager.post("/webhook", content=body(ticket, over)).status_code == 200
    assert [head.id for head in open_incidents(store)] == [first.id]


def test_what_cannot_be_kept_is_answered_503_so_that_it_is_sent_again(
    pager: httpx.Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Inbox, notification: Notification, now: float) -> bool:
        raise EnvironmentProblem("the disk is full", next_step="make room")

    with monkeypatch.context() as broken:
        broken.setattr(Inbox, "accept", full)
        answer = pager.post("/webhook", content=body(alert()))
        assert (answer.status_code, "disk is full" in answer.text) == (503, True)
        assert metric(pager, 'atlas_pager_received_total{result="failed"}') == 1
    assert pager.post("/webhook", content=body(alert())).status_code == 200
    assert len(open_incidents(store)) == 1


def test_what_makes_the_pager_fail_is_answered_503_counted_and_logged(
    pager: httpx.Client, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(self: Inbox, notification: Notification, now: float) -> bool:
        raise KeyError("odd")

    monkeypatch.setattr(Inbox, "accept", odd)
    answer = pager.post("/webhook", content=body(alert()))
    assert (answer.status_code, "odd" in answer.text, "log" in answer.text) == (503, False, True)
    assert metric(pager, 'atlas_pager_received_total{result="failed"}') == 1
    assert "KeyError: 'odd'" in caplog.text


@pytest.mark.parametrize("truncated", [10**30, -(10**30), 2**31, True, 1.5])
def test_no_number_of_left_out_alerts_costs_the_others(pager: httpx.Client, truncated: object) -> None:
    content = json.dumps(document(alert()) | {"truncatedAlerts": truncated})
    assert pager.post("/webhook", content=content).status_code == 200


def test_a_broken_database_shows_on_readiness_and_as_a_page_that_says_so(pager: httpx.Client, store: Store) -> None:
    assert pager.get("/-/ready").status_code == 200
    with store._database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE heartbeats")
        connection.exec_driver_sql("DROP TABLE incidents")
    assert pager.get("/-/healthy").status_code == 200
    assert pager.get("/-/ready").status_code == 503
    page = pager.get("/")
    assert page.status_code == 503
    assert "The pager is not well" in page.text


def test_a_web_page_cannot_post_alerts(pager: httpx.Client, store: Store) -> None:
    assert pager.post("/webhook", content=body(alert()), headers={"Origin": "https://evil"}).status_code == 403
    assert open_incidents(store) == ()


def test_the_heartbeat_is_shown_and_measured_and_never_an_incident(pager: httpx.Client, store: Store) -> None:
    assert metric(pager, "atlas_pager_last_heartbeat_timestamp_seconds") == -1.0
    assert "No heartbeat has come yet" in pager.get("/").text
    assert pager.post("/webhook", content=body(alert("Watchdog"))).status_code == 200
    assert metric(pager, "atlas_pager_last_heartbeat_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    assert "Last heartbeat" in pager.get("/").text
    assert open_incidents(store) == ()


def test_a_heartbeat_that_stopped_is_warned_of(pager: httpx.Client, store: Store) -> None:
    store.inbox.accept(webhook.parse(body(alert("Watchdog"))), time.time() - 3600)
    assert "The heartbeat stopped" in pager.get("/").text


def test_another_method_is_answered_plainly(pager: httpx.Client) -> None:
    assert pager.get("/webhook").status_code == 405
    assert pager.post("/", content=json.dumps({})).status_code == 405
