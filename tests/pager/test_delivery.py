from __future__ import annotations

import dataclasses
import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atlas_ops.pager.incident import Incident
from atlas_ops.pager.slack import message
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import Server
from atlas_ops.stage.slack_http import Answer
from atlas_ops.stage.slack_limits import Json
from atlas_ops.stage.slack_standin import CHANNEL_ID, SlackStandIn, refusal
from tests.pager.lists import open_incidents
from tests.pager.notes import LATER, alert, notification
from tests.pager.rig import CHANNEL, FAST, TOKEN, Rig, delivering, eventually, parents, replies, standing_slack

pytestmark = pytest.mark.usefixtures("short_lease")


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
    assert rig.metric('atlas_pager_delivered_total{kind="message"}') == 1
    assert rig.metric('atlas_pager_delivered_total{kind="update"}') == 3
    assert rig.metric('atlas_pager_delivered_total{kind="reply"}') == 3
    assert rig.metric("atlas_pager_delivery_seconds_count") == 7


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
    assert rig.metric('atlas_pager_retried_total{reason="server_error"}') >= 1


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
        assert rig.metric('atlas_pager_retried_total{reason="rate_limited"}') == 0


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
        assert eventually(lambda: "chat:write" in open_incidents(rig.store)[0].problem)
        assert "add it to the app under OAuth & Permissions" in rig.delivery.problem
        assert "lacks the scope chat:write" in caplog.text
        slack.grant("chat:write")
        assert rig.quiet()
        assert eventually(lambda: rig.delivery.problem == "")
        assert open_incidents(rig.store)[0].problem == ""
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


def test_where_the_workspace_lets_nobody_edit_messages_the_thread_tells_what_changes(
    slack: SlackStandIn, rig: Rig
) -> None:
    slack.intercept = lambda method, _: refusal("edit_window_closed") if method == "chat.update" else None
    rig.hear(alert(pod="a"))
    assert rig.quiet()
    rig.hear(alert(pod="a"), alert(pod="b"))
    assert rig.quiet()
    rig.hear(alert(pod="a", firing=False), alert(pod="b", firing=False))
    assert rig.quiet()
    assert len(parents(slack)) == 1
    assert ["Also firing" in replies(slack)[0].text, "Resolved" in replies(slack)[1].text] == [True, True]
    assert rig.delivery.problem == ""


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
