from __future__ import annotations

import dataclasses
import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from atlas_ops.pager.incident import Incident
from atlas_ops.pager.slack import message
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.client import Sent, Slack
from atlas_ops.pager.store import outbox
from atlas_ops.pager.store.address import Server
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import INCIDENTS
from atlas_ops.stage.slack_http import Answer
from atlas_ops.stage.slack_limits import Json
from atlas_ops.stage.slack_standin import CHANNEL_ID, SlackStandIn, refusal
from tests.pager.notes import LATER, alert, notification
from tests.pager.rig import CHANNEL, FAST, TOKEN, Rig, delivering, eventually, parents, replies, standing_slack


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with standing_slack() as standing:
        yield standing


@pytest.fixture
def rig(tmp_path: Path, address: Path | Server, slack: SlackStandIn) -> Iterator[Rig]:
    with delivering(tmp_path, slack, database=address) as made:
        yield made


@pytest.fixture(autouse=True)
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LEASE_SECONDS", 0.5)


def metric(rig: Rig, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", rig.metrics.page().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_an_incident_is_one_message_that_is_updated_and_one_thread(slack: SlackStandIn, rig: Rig) -> None:
    rig.hear(alert(pod="a"))
    assert rig.quiet()
    rig.hear(alert(pod="a"), alert(pod="b"))
    assert rig.quiet()
    rig.hear(alert(pod="a", firing=False), alert(pod="b"))
    assert rig.quiet()
    rig.hear(alert(pod="b", firing=False))
    assert rig.quiet()
    (posted,) = parents(slack)
    assert "RESOLVED" in posted.text
    assert posted.edits == 3
    texts = [reply.text for reply in replies(slack)]
    assert [reply.thread_ts for reply in replies(slack)] == [posted.ts] * 3
    assert "Also firing: QueueBacklog (b)" in texts[0]
    assert "Ended: QueueBacklog (a); 1 of 2 still fire" in texts[1]
    assert "Resolved after" in texts[2]
    assert metric(rig, 'atlas_pager_delivered_total{kind="message"}') == 1
    assert metric(rig, 'atlas_pager_delivered_total{kind="update"}') == 3
    assert metric(rig, 'atlas_pager_delivered_total{kind="reply"}') == 3
    assert metric(rig, "atlas_pager_delivery_seconds_count") == 7


def test_what_happens_while_slack_is_down_comes_as_one_update_and_one_reply(slack: SlackStandIn, rig: Rig) -> None:
    rig.hear(alert(pod="a"))
    assert rig.quiet()
    slack.fail_with(503)
    rig.hear(alert(pod="a"), alert(pod="b"))
    rig.hear(alert(pod="a"), alert(pod="b"), alert(pod="c"))
    rig.hear(alert(pod="b", firing=False))
    calls = len(slack.calls)
    assert eventually(lambda: len(slack.calls) > calls + 1)  # the second of them knows all that was heard
    slack.fail_with(None)
    assert rig.quiet()
    assert len(replies(slack)) == 1
    assert len(replies(slack)[0].text.splitlines()) == 3


def test_a_short_incident_that_was_over_before_slack_came_back_is_still_told(slack: SlackStandIn, rig: Rig) -> None:
    slack.fail_with(500)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rig.hear(alert())
    assert eventually(lambda: "chat.postMessage" in slack.calls)
    rig.hear(alert(firing=False, ends=now))
    slack.fail_with(None)
    assert rig.quiet()
    (posted,) = parents(slack)
    assert "RESOLVED" in posted.text
    assert replies(slack) == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_burst_of_server_errors_costs_no_message_and_doubles_none(slack: SlackStandIn, rig: Rig, status: int) -> None:
    slack.fail_with(status, times=4)
    rig.hear(alert())
    assert rig.quiet()
    assert len(parents(slack)) == 1
    assert metric(rig, 'atlas_pager_retried_total{reason="server_error"}') >= 1


def test_a_rate_limit_holds_for_everything_that_is_sent(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    with delivering(tmp_path, slack, database=address) as rig:
        assert eventually(lambda: "auth.test" in slack.calls)
        slack.fail_with(429, retry_after=1, times=1)
        began = time.monotonic()
        for number in range(5):
            rig.hear(alert(pod=str(number)), group=str(number))
        assert rig.quiet()
        assert time.monotonic() - began >= 1
        assert len(parents(slack)) == 5
        assert slack.calls.count("chat.postMessage") == 6


def test_a_storm_stays_below_the_rate_that_slack_allows(tmp_path: Path, address: Path | Server) -> None:
    pace = dataclasses.replace(FAST, per_second=20, burst=3)
    with (
        standing_slack(per_second=20, burst=4) as slack,
        delivering(tmp_path, slack, database=address, pace=pace) as rig,
    ):
        for number in range(12):
            rig.hear(alert(pod=str(number)), group=str(number))
        assert rig.quiet()
        assert len(parents(slack)) == 12
        assert metric(rig, 'atlas_pager_retried_total{reason="rate_limited"}') == 0


def test_pages_go_before_tickets(tmp_path: Path, address: Path | Server, slack: SlackStandIn) -> None:
    store = Store(address)
    store.inbox.accept(notification(alert(severity="ticket", pod="t"), group="t"), time.time())
    store.inbox.accept(notification(alert(severity="page", pod="p"), group="p"), time.time())
    store.close()
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    assert ["PAGE" in posted.text for posted in parents(slack)] == [True, False]


def test_a_missing_scope_is_said_and_the_message_goes_once_it_is_granted(
    slack: SlackStandIn, tmp_path: Path, address: Path | Server, caplog: pytest.LogCaptureFixture
) -> None:
    slack.revoke("chat:write")
    with caplog.at_level(logging.INFO), delivering(tmp_path, slack, database=address) as rig:
        rig.hear(alert())
        assert eventually(lambda: "chat:write" in rig.delivery.problem)
        assert eventually(lambda: "chat:write" in rig.store.incidents.open()[0].problem)
        assert "add it to the app under OAuth & Permissions" in rig.delivery.problem
        assert "lacks the scope chat:write" in caplog.text
        slack.grant("chat:write")
        assert rig.quiet()
        assert eventually(lambda: rig.delivery.problem == "")
        assert rig.store.incidents.open()[0].problem == ""
    assert len(parents(slack)) == 1
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("not_in_channel", "/invite"),
        ("channel_not_found", "check its name"),
        ("is_archived", "unarchive it"),
        ("some_new_code", "some_new_code"),
    ],
)
def test_a_refusal_is_kept_told_and_tried_again(slack: SlackStandIn, rig: Rig, code: str, advice: str) -> None:
    slack.intercept = lambda method, arguments: refusal(code) if method == "chat.postMessage" else None
    rig.hear(alert())
    assert eventually(lambda: advice in rig.delivery.problem)
    assert code in rig.delivery.problem
    slack.intercept = lambda method, arguments: None
    assert rig.quiet()
    assert len(parents(slack)) == 1


def test_a_wrong_token_is_known_before_the_first_alert_and_its_end_too(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    with delivering(tmp_path, slack, database=address, token="xoxb-other") as rig:
        assert eventually(lambda: "does not know the token" in rig.delivery.problem)
    slack.revoke("chat:write")
    with delivering(tmp_path, slack, database=address) as rig:
        assert eventually(lambda: "lacks the scope" in rig.delivery.problem)
        slack.grant("chat:write")
        assert eventually(lambda: rig.delivery.problem == "")


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long"])
def test_a_message_whose_blocks_slack_does_not_take_goes_as_text(slack: SlackStandIn, rig: Rig, code: str) -> None:
    slack.intercept = lambda method, arguments: refusal(code) if arguments.get("blocks") else None
    rig.hear(alert())
    assert rig.quiet()
    (posted,) = parents(slack)
    assert posted.blocks == ()
    assert "QueueBacklog" in posted.text


def test_one_message_that_never_goes_holds_up_no_other(slack: SlackStandIn, rig: Rig) -> None:
    slack.intercept = lambda method, arguments: Answer(body={}, status=500) if "poison" in str(arguments) else None
    rig.hear(alert(pod="poison"), group="poison")
    for number in range(5):
        rig.hear(alert(pod=f"p{number}"), group=str(number))
    assert eventually(lambda: rig.store.outbox.waiting() == 1)
    assert len(parents(slack)) == 5


def test_an_incident_that_cannot_be_composed_holds_up_no_other(
    slack: SlackStandIn, rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = message.parent

    def broken(incident: Incident, *more: Any) -> Message:
        if incident.headline.place == "odd":
            raise RuntimeError("a bug")
        return whole(incident, *more)

    monkeypatch.setattr(message, "parent", broken)
    rig.hear(alert(pod="odd"), group="odd")
    rig.hear(alert(pod="even"), group="even")
    assert eventually(lambda: len(parents(slack)) == 1)
    assert "a bug" in caplog.text
    assert rig.delivery.alive


def test_a_message_that_a_person_deleted_is_posted_anew_when_something_changes(slack: SlackStandIn, rig: Rig) -> None:
    rig.hear(alert())
    assert rig.quiet()
    slack.forget(parents(slack)[0].ts)
    rig.hear(alert(firing=False, ends=datetime.now(UTC).isoformat()))  # of what was over a day ago nobody is told
    assert rig.quiet()
    (posted,) = parents(slack)
    assert "RESOLVED" in posted.text


def test_a_group_that_fires_again_gets_a_message_of_its_own(slack: SlackStandIn, rig: Rig) -> None:
    rig.hear(alert())
    assert rig.quiet()
    rig.hear(alert(firing=False))
    assert rig.quiet()
    rig.hear(alert(starts=LATER))
    assert rig.quiet()
    assert ["RESOLVED" in posted.text for posted in parents(slack)] == [True, False]


# --- two channels -----------------------------------------------------------------------------------------------------

TICKETS = CHANNEL_ID  # the stand-in has one channel, which answers to its name and to its id


def test_tickets_go_to_a_channel_of_their_own(tmp_path: Path, slack: SlackStandIn) -> None:
    went: dict[str, str] = {}

    def note(method: str, arguments: Json) -> None:
        if method == "chat.postMessage":
            went["page" if "PAGE" in str(arguments["text"]) else "ticket"] = str(arguments["channel"])

    slack.intercept = note
    with delivering(tmp_path, slack, tickets_channel=TICKETS) as rig:
        rig.hear(alert(severity="page"), group="p")
        rig.hear(alert(severity="ticket"), group="t")
        assert rig.quiet()
    assert went == {"page": CHANNEL, "ticket": TICKETS}


@pytest.mark.parametrize(
    "answer", [refusal("not_in_channel"), Answer(body={}, status=429, headers={"Retry-After": "60"})]
)
def test_a_channel_that_takes_nothing_holds_up_no_other(tmp_path: Path, slack: SlackStandIn, answer: Answer) -> None:
    slack.intercept = lambda method, arguments: answer if arguments.get("channel") == TICKETS else None
    pace = dataclasses.replace(FAST, refused=60.0)
    with delivering(tmp_path, slack, tickets_channel=TICKETS, pace=pace) as rig:
        rig.hear(alert(severity="ticket"), group="t")
        assert eventually(lambda: rig.delivery.problem != "")
        if answer.status == 200:
            assert f"#{TICKETS}" in rig.delivery.problem
        for number in range(3):
            rig.hear(alert(severity="page"), group=str(number))
        assert eventually(lambda: len(parents(slack)) == 3)
        assert eventually(lambda: rig.store.outbox.waiting() == 1)


# --- exactly once: the pager is cut off at each point of the way -------------------------------------------------------


def crash_after_attempt(address: Path | Server) -> None:
    """Leave the database as a pager leaves it that is killed between its attempt and Slack's answer."""
    store = Store(address)
    store.inbox.accept(notification(alert()), time.time())
    claim = store.outbox.claim(Lane(channel=CHANNEL), every=0.0)
    assert claim is not None
    store.outbox.attempt(claim.id, at=time.time(), event=1)
    store.close()


def incident_of(address: Path | Server) -> str:
    """Return the one open incident of a database."""
    store = Store(address)
    (head,) = store.incidents.open()
    store.close()
    return head.id


def post(slack: SlackStandIn, incident: str, text: str, *, hidden: bool = False) -> None:
    """Post a message about an incident; `hidden`: Slack shows nobody its metadata."""
    told = Message(incident=incident, event=0, text=text, blocks=())
    assert isinstance(Slack(token=TOKEN, url=slack.url, channel=CHANNEL).post(told), Sent)
    shown = Answer(body={"ok": True, "messages": [{"ts": found.ts, "text": found.text} for found in slack.messages]})
    if hidden:
        slack.intercept = lambda method, _: shown if method == "conversations.history" else None


def test_an_attempt_that_never_reached_slack_is_made_again(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    crash_after_attempt(address)
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    assert len(parents(slack)) == 1


@pytest.mark.parametrize("accepted", [True, False])
def test_a_message_that_slack_took_without_saying_so_is_found_and_not_sent_again(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn, accepted: bool
) -> None:
    slack.hold("chat.postMessage", accepted=accepted)
    with delivering(tmp_path, slack, database=address, timeout=1) as rig:
        rig.hear(alert())
        assert slack.wait_until_held()
        assert eventually(lambda: metric(rig, 'atlas_pager_retried_total{reason="timeout"}') == 1)
        slack.release()
        assert rig.quiet()
        rig.hear(alert(firing=False))
        assert rig.quiet()
    (posted,) = parents(slack)
    assert "RESOLVED" in posted.text


def test_a_message_that_is_still_on_its_way_through_slack_after_the_restart_is_waited_for(
    tmp_path: Path, slack: SlackStandIn
) -> None:
    slack.hold("chat.postMessage", accepted=False)
    with delivering(tmp_path, slack, timeout=30) as rig:
        rig.hear(alert())
        assert slack.wait_until_held()
        copy = tmp_path / "after"
        copy.mkdir()
        for name in ("pager.db", "pager.db-wal"):  # what a restarted pager finds on the disk
            (copy / name).write_bytes((tmp_path / name).read_bytes())
        pace = dataclasses.replace(FAST, settle=2.0)
        with delivering(copy, slack, pace=pace) as restarted:
            assert eventually(lambda: "conversations.history" in slack.calls)
            assert parents(slack) == []
            slack.release()
            assert restarted.quiet()
    assert len(parents(slack)) == 1


@pytest.mark.parametrize("shown", [True, False], ids=["metadata shown", "metadata hidden"])
def test_a_message_that_was_cut_off_is_found_by_its_metadata_or_by_its_link_where_none_is_shown(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn, shown: bool
) -> None:
    crash_after_attempt(address)
    post(slack, incident_of(address), f"http://pager/incidents/{incident_of(address)}", hidden=not shown)
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    (posted,) = parents(slack)
    assert posted.edits == 1


def test_another_message_of_ours_that_links_to_an_incident_is_not_taken_for_the_one_that_was_cut_off(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    """An escalation may be told in the same channel."""
    crash_after_attempt(address)
    told = f"What to do: http://pager/incidents/{incident_of(address)}"
    post(slack, "0" * 24, told)
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    assert [posted.text == told for posted in parents(slack)] == [True, False]


def test_when_slack_does_not_let_us_look_twice_is_better_than_never(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    slack.revoke("channels:history")
    crash_after_attempt(address)
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    assert len(parents(slack)) == 1
    assert "may appear twice" in caplog.text
    assert "channels:history" in caplog.text


def test_when_something_else_than_slack_answers_our_search_twice_is_better_than_never(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    slack.intercept = lambda method, _: Answer(body={}, status=404) if method.startswith("conversations") else None
    crash_after_attempt(address)
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    assert len(parents(slack)) == 1
    assert "may appear twice" in caplog.text


def test_a_token_that_may_not_list_private_channels_still_finds_a_public_one(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    slack.revoke("groups:read")
    crash_after_attempt(address)
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    assert slack.calls[1:4] == ("conversations.list", "conversations.list", "conversations.history")


def test_a_reply_that_slack_took_without_saying_so_is_not_sent_again(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    with delivering(tmp_path, slack, database=address, timeout=1) as rig:
        rig.hear(alert())
        assert rig.quiet()
        slack.hold("chat.postMessage", accepted=True)
        rig.hear(alert(firing=False))
        assert slack.wait_until_held()
        assert eventually(lambda: metric(rig, 'atlas_pager_retried_total{reason="timeout"}') == 1)
        slack.release()
        assert rig.quiet()
    assert len(replies(slack)) == 1


def test_an_update_that_slack_has_is_not_sent_again_with_its_reply(slack: SlackStandIn, rig: Rig) -> None:
    rig.hear(alert())
    assert rig.quiet()
    slack.intercept = lambda method, arguments: Answer(body={}, status=500) if arguments.get("thread_ts") else None
    rig.hear(alert(firing=False))
    assert eventually(lambda: slack.calls.count("conversations.replies") > 1)
    slack.intercept = lambda method, arguments: None
    assert rig.quiet()
    assert parents(slack)[0].edits == 1
    assert len(replies(slack)) == 1


def test_a_reply_whose_fate_was_lost_in_a_crash_is_looked_for(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    with delivering(tmp_path, slack, database=address) as rig:
        rig.hear(alert())
        assert rig.quiet()
        rig.hear(alert(firing=False))
        assert rig.quiet()
        incident = rig.store.incidents.recent(1)[0].id
        work = rig.store.incidents.work(incident)
        assert work is not None
    store = Store(address)
    last = work.events[-1].number
    cut_off = {"sent_event": last - 1, "sent_revision": 1, "attempt_at": time.time(), "attempt_event": last}
    with store._database.writing() as connection:
        connection.execute(update(INCIDENTS).values(**cut_off))
    store.close()
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    assert len(replies(slack)) == 1


def test_what_was_over_long_ago_is_not_posted_to_a_channel_that_is_new(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    def ago(seconds: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))

    store = Store(address)
    store.inbox.accept(notification(alert(firing=False, ends=ago(90_000), pod="old"), group="old"), time.time())
    store.inbox.accept(notification(alert(firing=False, ends=ago(60), pod="new"), group="new"), time.time())
    store.close()
    with delivering(tmp_path, slack, database=address) as rig:
        assert rig.quiet()
    (posted,) = parents(slack)
    assert "at new" in posted.text
