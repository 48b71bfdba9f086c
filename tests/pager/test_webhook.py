from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.pager import webhook
from atlas_ops.pager.webhook import BadWebhook
from tests.pager.notes import START, alert, body, document, notification

REAL = json.loads((Path(__file__).parent / "alertmanager-0.25.0.json").read_text())


def test_what_a_real_alertmanager_posts_is_read() -> None:
    firing, resolved = (webhook.parse(json.dumps(entry).encode()) for entry in REAL)
    assert [one.fault for one in firing.alerts] == ["QueueBacklog", "QueueBacklog"]
    assert all(one.firing and one.ends_at is None for one in firing.alerts)
    assert [one.place for one in firing.alerts] == ["prod/llama-0", "prod/llama-1"]
    assert not any(one.firing for one in resolved.alerts)
    assert resolved.alerts[0].ends_at is not None
    assert resolved.alerts[0].ends_at > resolved.alerts[0].starts_at
    assert firing.key == resolved.key


def test_every_missing_or_wrong_field_is_named_at_once() -> None:
    broken = document(alert(), alert())
    del broken["groupKey"]
    broken["receiver"] = 7
    first, second = broken["alerts"] if isinstance(broken["alerts"], list) else []
    del first["fingerprint"]
    first["startsAt"] = "yesterday"
    second["labels"] = {"alertname": 3}
    del second["status"]
    with pytest.raises(BadWebhook) as caught:
        webhook.parse(json.dumps(broken).encode())
    for field in ("groupKey", "receiver", "alerts[0].fingerprint", "alerts[0].startsAt", "alerts[1].labels.alertname"):
        assert field in caught.value.message
    assert "alerts[1].status: expected one of firing, resolved, found nothing" in caught.value.message


@pytest.mark.parametrize("field", ["version", "groupKey", "receiver", "status", "alerts"])
def test_a_webhook_that_lacks_a_field_is_refused_by_its_name(field: str) -> None:
    broken = document(alert())
    del broken[field]
    with pytest.raises(BadWebhook, match=field):
        webhook.parse(json.dumps(broken).encode())


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"null", b"7", b'"text"', b"\xff\xfe\x00", b"[" * 500_000, b'{"a":' * 200_000, b"9" * 10_000],
)
def test_what_is_no_webhook_is_refused(content: bytes) -> None:
    with pytest.raises(BadWebhook):
        webhook.parse(content)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["alerts", "labels", "status", "startsAt", "groupKey", "receiver", "version", "x"]), inner)))  # fmt: skip
def test_no_json_makes_the_reader_fail_otherwise(content: object) -> None:
    with pytest.raises(BadWebhook):
        webhook.parse(json.dumps(content).encode())


@pytest.mark.parametrize("entry", [{}, 1, {"labels": dict.fromkeys(map(str, range(1000)), 1)}])
def test_ten_thousand_mistakes_make_a_short_message_and_no_more_work_than_a_hundred(
    entry: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a body of nothing but mistakes would keep the pager from its pages for minutes."""
    scrubbed: list[str] = []

    def count(text: str) -> str:
        scrubbed.append(text)
        return text

    monkeypatch.setattr(webhook, "scrub", count)
    with pytest.raises(BadWebhook) as caught:
        webhook.parse(json.dumps(document() | {"alerts": [entry] * 10_000}).encode())
    assert len(caught.value.message) < 5000
    assert "more" in caught.value.message
    assert len(scrubbed) < 500


def test_unknown_fields_are_fine() -> None:
    extra = document({**alert(), "new": [1]}) | {"notification_reason": "first"}
    assert len(webhook.parse(json.dumps(extra).encode()).alerts) == 1


def test_the_heartbeat_is_told_apart_from_the_alerts() -> None:
    read = notification(alert("Watchdog"), alert())
    assert read.heartbeat
    assert [one.fault for one in read.alerts] == ["QueueBacklog"]
    assert not notification(alert("Watchdog", firing=False)).heartbeat


def test_characters_that_no_database_takes_are_replaced() -> None:
    read = notification(alert(pod="a\ud800b\x00c\nd")).alerts[0]
    assert read.labels["pod"] == "a\ufffdb\ufffdc d"


def test_nothing_secret_is_read() -> None:
    token = "xoxb-1234567890-abcdefghij"
    content = body(alert(owner=token, annotations={"summary": f"use {token}"}))
    content = content.replace(b"g0.expr=x", b"token=abcdefgh12345678").replace(b"http://prom", b"http://me:pw@prom")
    read = webhook.parse(content)
    assert token not in str(read)
    assert "abcdefgh12345678" not in str(read)
    assert "me:pw" not in str(read)


def test_times_keep_their_microseconds_and_years_without_meaning_do_no_harm() -> None:
    first, second, third = notification(
        alert(starts=START), alert(starts="0001-01-01T00:00:00Z"), alert(starts="9999-12-31T23:59:59-12:00")
    ).alerts
    assert first.starts_at % 1 == pytest.approx(0.123456, abs=1e-6)
    assert second.starts_at == 0.0
    assert third.starts_at > first.starts_at
