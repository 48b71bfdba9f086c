from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from atlas_ops.pager.deeds.deed import Hold
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.client import Sent, Slack
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import INCIDENTS
from atlas_ops.postgresql import Server
from atlas_ops.stage.slack_http import Answer
from atlas_ops.stage.slack_limits import Json
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.lists import open_incidents, past_incidents
from tests.pager.notes import alert, notification
from tests.pager.rig import CHANNEL, FAST, TOKEN, Rig, delivering, eventually, parents, replies

pytestmark = pytest.mark.usefixtures("short_lease")


def crash_after_attempt(address: Path | Server) -> None:
    """Leave the database as a pager leaves it that is killed between its attempt and Slack's answer."""
    store = Store(address)
    store.inbox.accept(notification(alert()), time.time())
    claim = store.outbox.claim(Lane(channel=CHANNEL), every=0.0)
    assert claim is not None
    store.outbox.attempt(claim.id, at=time.time(), event=1)
    store.close()


def left_behind(folder: Path) -> Path:
    """Return a folder with what a pager that is killed at this moment leaves on the disk."""
    copy = folder / "after"
    copy.mkdir()
    for name in ("pager.db", "pager.db-wal"):
        (copy / name).write_bytes((folder / name).read_bytes())
    return copy


def incident_of(address: Path | Server) -> str:
    """Return the one open incident of a database."""
    store = Store(address)
    (head,) = open_incidents(store)
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
        assert eventually(lambda: rig.metric('atlas_pager_retried_total{reason="timeout"}') == 1)
        slack.release()
        assert rig.quiet()
        rig.hear(alert(firing=False))
        assert rig.quiet()
    (posted,) = parents(slack)
    assert "RESOLVED" in posted.text


@pytest.mark.parametrize("begun", [False, True], ids=["message", "reply"])
def test_what_slack_carries_out_after_our_patience_has_ended_is_waited_for(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn, begun: bool
) -> None:
    """Slack may be busy with it for as long again: the wait begins where we have lost sight of it, not where we sent it."""
    pace = dataclasses.replace(FAST, settle=1.0)
    with delivering(tmp_path, slack, database=address, pace=pace, timeout=1) as rig:
        if begun:
            rig.hear(alert())
            assert rig.quiet()
        slack.hold("chat.postMessage", accepted=False)
        rig.hear(alert(firing=not begun))
        assert eventually(lambda: rig.metric('atlas_pager_retried_total{reason="timeout"}') == 1)
        looked = "conversations.replies" if begun else "conversations.history"
        assert eventually(lambda: looked in slack.calls)
        time.sleep(0.3)  # a pager that does not wait has sent it again by now
        slack.release()
        assert rig.quiet()
    assert len(replies(slack) if begun else parents(slack)) == 1


def test_a_message_that_is_still_on_its_way_through_slack_after_the_restart_is_waited_for(
    tmp_path: Path, slack: SlackStandIn
) -> None:
    slack.hold("chat.postMessage", accepted=False)
    with delivering(tmp_path, slack, timeout=30) as rig:
        rig.hear(alert())
        assert slack.wait_until_held()
        pace = dataclasses.replace(FAST, settle=2.0)
        with delivering(left_behind(tmp_path), slack, pace=pace) as restarted:
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
        assert eventually(lambda: rig.metric('atlas_pager_retried_total{reason="timeout"}') == 1)
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


class Late(SlackStandIn):
    """A stand-in that carries out the first update long after it was asked for, without an answer in time."""

    def __init__(self) -> None:
        super().__init__(token=TOKEN, channel=CHANNEL, per_second=1000, burst=1000)
        self.due, self.asked = threading.Event(), threading.Event()

    def answer(self, method: str, token: str, arguments: Json) -> Answer:
        """Answer one call; the first update when it is due."""
        if method == "chat.update" and not self.asked.is_set():
            self.asked.set()
            self.due.wait(30)
        return super().answer(method, token, arguments)


def test_an_update_that_slack_carries_out_late_does_not_overwrite_a_newer_one(
    tmp_path: Path, address: Path | Server
) -> None:
    pace = dataclasses.replace(FAST, settle=3.0)
    with Late() as slack, delivering(tmp_path, slack, database=address, pace=pace, timeout=1) as rig:
        rig.hear(alert())
        assert rig.quiet()
        rig.hear(alert(), alert(pod="b", fingerprint="b"))
        assert slack.asked.wait(10)
        rig.hear(alert(firing=False), alert(pod="b", fingerprint="b", firing=False))
        assert eventually(lambda: rig.metric('atlas_pager_retried_total{reason="timeout"}') == 1)
        time.sleep(0.5)  # a pager that does not wait has sent its next update by now
        slack.due.set()
        assert eventually(lambda: parents(slack)[0].edits == 2)
        assert rig.quiet()
    assert "RESOLVED" in parents(slack)[0].text


def test_a_pager_that_was_killed_during_an_update_waits_until_slack_has_carried_it_out(tmp_path: Path) -> None:
    pace = dataclasses.replace(FAST, settle=3.0)
    with Late() as slack, delivering(tmp_path, slack, timeout=30) as rig:
        rig.hear(alert())
        assert rig.quiet()
        rig.hear(alert(), alert(pod="b", fingerprint="b"))
        assert slack.asked.wait(10)
        with delivering(left_behind(tmp_path), slack, pace=pace) as restarted:
            restarted.hear(alert(firing=False), alert(pod="b", fingerprint="b", firing=False))
            time.sleep(0.5)
            slack.due.set()
            assert eventually(lambda: parents(slack)[0].edits >= 2)
            assert restarted.quiet()
            assert "RESOLVED" in parents(slack)[0].text


class Silent(SlackStandIn):
    """A stand-in that carries updates out, and says that they failed."""

    def __init__(self) -> None:
        super().__init__(token=TOKEN, channel=CHANNEL, per_second=1000, burst=1000)
        self.speaks = threading.Event()

    def answer(self, method: str, token: str, arguments: Json) -> Answer:
        """Answer one call."""
        answered = super().answer(method, token, arguments)
        return answered if method != "chat.update" or self.speaks.is_set() else Answer(body={}, status=502)


def test_an_update_that_slack_took_without_saying_so_is_taken_back_with_what_it_told(
    tmp_path: Path, address: Path | Server
) -> None:
    """The message is to read as it did before: as the last form that Slack has said it took."""
    with Silent() as slack, delivering(tmp_path, slack, database=address) as rig:
        rig.hear(alert())
        assert rig.quiet()
        before = parents(slack)[0].text
        (open_now,) = rig.store.deeds.watched()
        silence = Hold(until=time.time() + 600, who="Ada")
        assert rig.store.deeds.hold(open_now, silence, "silenced by Ada", time.time())
        rig.delivery.wake()
        assert eventually(lambda: "Ada" in parents(slack)[0].text)
        (silenced,) = rig.store.deeds.watched()
        assert rig.store.deeds.hold(silenced, None, "The silence has ended", time.time())
        slack.speaks.set()
        assert rig.quiet()
    assert parents(slack)[0].text == before


def test_a_reply_whose_fate_was_lost_in_a_crash_is_looked_for(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    with delivering(tmp_path, slack, database=address) as rig:
        rig.hear(alert())
        assert rig.quiet()
        rig.hear(alert(firing=False))
        assert rig.quiet()
        incident = past_incidents(rig.store)[0].id
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
