"""What is told by other ways: each of it once, through failures and crashes, and not any more when it is of no use."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import update

from atlas_ops.pager.deeds.deed import Act
from atlas_ops.pager.incident import Kind
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.oncall.duty import Duty
from atlas_ops.pager.oncall.escalation import Escalation
from atlas_ops.pager.oncall.plan import Call, Plan
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import INCIDENTS, TELLINGS
from atlas_ops.pager.ways.email import Mail
from atlas_ops.pager.ways.sending import NotSent, Order, Sender
from atlas_ops.pager.ways.teller import Rhythm, Teller
from atlas_ops.pager.ways.telling import Reason, Way
from atlas_ops.pager.ways.webhook import Webhook
from atlas_ops.postgresql import Server
from atlas_ops.settings import Pager
from atlas_ops.settings.people import Smtp
from atlas_ops.stage.processes import free_port
from tests.pager.oncall.duty import deed, head, page, resolve, section, told
from tests.pager.postgres import Postgres
from tests.pager.ways.receivers import Hook, Mailbox, mail_server, webhook

PAGER = "https://pager.example.org"
FAST = Rhythm(first_retry=0.01, last_retry=0.02, gather=0.0)


@dataclass
class Told:
    """A way that only remembers; `problems` are raised first, one by one."""

    orders: list[Order] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)

    def send(self, order: Order) -> None:
        self.orders.append(order)
        if self.problems:
            raise self.problems.pop(0)


@pytest.fixture
def settings(tmp_path: Path) -> Pager:
    return section(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "pager.db")) as opened:
        yield opened


@pytest.fixture
def either(address: Path | Server) -> Iterator[Store]:
    """A store in a file, and one on a server."""
    with closing(Store(address)) as opened:
        yield opened


def duty(store: Store, settings: Pager, senders: dict[Way, Sender], rhythm: Rhythm = FAST) -> Duty:
    targets = {target.name: target for target in (*settings.targets, settings.fallback)}
    teller = Teller(store, targets, senders, Metrics(), PAGER, rhythm)
    escalation = Escalation(store, Plan(settings))
    return Duty(store, escalation, teller, settings.fallback, settings.fallback_after_seconds)


def repeatedly(work: Duty, rounds: int = 5) -> None:
    for _ in range(rounds):
        work.round()
        time.sleep(0.025)


# --- Slack is down ----------------------------------------------------------------------------------------------------


def test_a_page_that_slack_has_not_taken_is_mailed_once_and_its_end_too(either: Store, settings: Pager) -> None:
    store, mails = either, Told()
    work = duty(store, settings, {Way.EMAIL: mails})
    late, early = page(store, 6, group="one"), page(store, 4, group="two")
    page(store, 60, group="three", severity="ticket")
    repeatedly(work)
    (order,) = mails.orders
    assert order.target.emails == ("oncall@example.org", "other@example.org")
    assert [telling.incident.id for telling in order.batch.tellings] == [late]
    assert "Slack has not taken it" in order.text
    assert [line.text for line in told(store, late, Kind.TOLD)] == ["Told by e-mail to fallback"]
    assert told(store, early, Kind.TOLD) == []
    resolve(store)
    repeatedly(work)
    assert [order.title.split(" · ")[0] for order in mails.orders] == ["PAGE", "RESOLVED"]


def test_what_slack_has_or_somebody_is_at_is_not_mailed(store: Store, settings: Pager) -> None:
    mails = Told()
    taken, acknowledged = page(store, 6, group="one"), page(store, 6, group="two")
    store.deeds.record(deed(Act.ACKNOWLEDGE, acknowledged), "jane is on it")
    posted(store, taken)
    repeatedly(duty(store, settings, {Way.EMAIL: mails}))
    assert mails.orders == []


def posted(store: Store, incident: str, *, event: int = 0) -> None:
    """Let Slack have an incident, and its timeline up to an event, as the delivery writes it."""
    place = {"ts": "1.2", "channel": "C1", "sent_event": event}
    with store._database.writing() as connection:
        connection.execute(update(INCIDENTS).where(INCIDENTS.c.id == incident).values(place))


def test_a_page_that_reaches_slack_while_mail_does_not_work_is_not_mailed_after_all(
    store: Store, settings: Pager
) -> None:
    mails = Told(problems=[NotSent("the mail server is down")])
    work = duty(store, settings, {Way.EMAIL: mails})
    incident = page(store, 6)
    work.round()
    assert store.tellings.problems() == ("the mail server is down",)
    posted(store, incident)
    repeatedly(work)
    assert len(mails.orders) == 1
    assert store.tellings.problems() == ()


def test_a_call_that_slack_has_not_taken_is_mailed_although_slack_has_the_page(either: Store, settings: Pager) -> None:
    """Else an escalation to somebody who is reached in Slack alone reaches nobody while Slack is down."""
    store, mails = either, Told()
    deaf = dataclasses.replace(settings.targets[0], emails=())
    work = duty(store, dataclasses.replace(settings, targets=(deaf, *settings.targets[1:])), {Way.EMAIL: mails})
    incident = page(store, 40)
    posted(store, incident, event=told(store, incident, Kind.OPENED)[0].number)
    call = Call(number=0, target=deaf, who="ann")
    assert store.oncall.escalate(incident, call, "escalated to ann", time.time() - 4 * 60)
    repeatedly(work)
    assert mails.orders == [], "Slack may be back in time"
    other = page(store, 40, group="two")
    posted(store, other, event=told(store, other, Kind.OPENED)[0].number)
    assert store.oncall.escalate(other, call, "escalated to ann", time.time() - 6 * 60)
    repeatedly(work)
    (order,) = mails.orders
    assert [telling.incident.id for telling in order.batch.tellings] == [other]
    assert "Slack has not taken" in order.text


def test_a_storm_without_slack_does_not_fill_a_mailbox(either: Store, settings: Pager) -> None:
    store, mails = either, Told()
    incidents = {page(store, 6, group=str(number)) for number in range(20)}
    repeatedly(duty(store, settings, {Way.EMAIL: mails}), 2)
    (order,) = mails.orders
    assert {telling.incident.id for telling in order.batch.tellings} == incidents
    assert all(len(told(store, incident, Kind.TOLD)) == 1 for incident in incidents)


def test_after_a_few_mails_the_next_ones_gather(store: Store, settings: Pager) -> None:
    mails = Told()
    work = duty(store, settings, {Way.EMAIL: mails}, Rhythm(burst=3, gather=60.0))
    for number in range(5):
        page(store, 6, group=str(number))
        work.round()
    assert len(mails.orders) == 3
    assert store.tellings.pending() == (("fallback", Way.EMAIL),)


def test_a_message_keeps_its_name_although_one_of_its_pages_is_over_before_it_could_go(
    store: Store, settings: Pager
) -> None:
    mails = Told(problems=[NotSent("down")])
    work = duty(store, settings, {Way.EMAIL: mails})
    groups = {page(store, 6, group=group): group for group in ("one", "two")}
    work.round()
    resolve(store, group=groups[mails.orders[0].batch.tellings[0].incident.id])
    repeatedly(work)
    first, second = mails.orders
    assert len(second.batch.tellings) == 1
    assert second.batch.id == first.batch.id


# --- failures and crashes ---------------------------------------------------------------------------------------------


def test_a_mail_that_was_refused_goes_again_under_the_same_name_until_it_is_taken(
    store: Store, settings: Pager
) -> None:
    mailbox = Mailbox(answer="451 try again later")
    with mail_server(mailbox) as port:
        mail = Mail(Smtp(host="127.0.0.1", port=port, encryption="none", sender="pager@example.org"))
        work = duty(store, settings, {Way.EMAIL: mail})
        incident = page(store, 6)
        repeatedly(work, 3)
        assert "451 try again later" in store.tellings.problems()[0]
        mailbox.answer = "250 OK"
        repeatedly(work)
    assert len(mailbox.mails) == 1
    assert len(mailbox.offered) > 2
    assert len(set(mailbox.offered)) == 1
    assert len(told(store, incident, Kind.TOLD)) == 1


def test_each_way_is_told_although_another_fails(store: Store, settings: Pager, tmp_path: Path) -> None:
    hook = Hook(answers=[(500, {})])
    broken = Mail(Smtp(host="127.0.0.1", port=free_port(), encryption="none", sender="pager@example.org"))
    with webhook(hook) as url:
        (tmp_path / "hook").write_text(url)
        (tmp_path / "key").write_text("k")
        work = duty(store, settings, {Way.EMAIL: broken, Way.WEBHOOK: Webhook(PAGER)})
        incident = page(store, 16)
        escalated_to_team(store, settings, incident)
        repeatedly(work)
    assert [post.headers["Idempotency-Key"] for post in hook.posts] == [hook.posts[0].headers["Idempotency-Key"]] * 2
    assert json.loads(hook.posts[0].body)["incidents"][0]["id"] == incident
    assert "Told by webhook to team" in [line.text for line in told(store, incident, Kind.TOLD)]


def escalated_to_team(store: Store, settings: Pager, incident: str) -> None:
    escalation = Escalation(store, Plan(settings))
    for number in range(2):
        assert escalation.by_hand(deed(Act.ESCALATE, incident, key=f"e{number}"), number)


def test_an_odd_incident_does_not_hold_up_the_others(
    store: Store, settings: Pager, caplog: pytest.LogCaptureFixture
) -> None:
    mails = Told(problems=[ZeroDivisionError("odd")])
    rhythm = Rhythm(first_retry=0.01, last_retry=0.01, gather=0.0)
    page(store, 6)
    repeatedly(duty(store, settings, {Way.EMAIL: mails}, rhythm))
    assert len(mails.orders) == 2
    assert "could not be made" in caplog.text


def test_a_pager_that_was_killed_in_the_middle_says_so_to_the_next_one(
    address: Path | Server, settings: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas_ops.pager.store.tellings.SETTLE_SECONDS", 0.0)
    with closing(Store(address)) as store:
        page(store, 6)
        store.tellings.tell_of_undelivered(settings.fallback, before=time.time(), now=time.time())
        first = store.tellings.claim("fallback", Way.EMAIL)
        assert first
        assert not first.unsure
        assert store.tellings.claim("fallback", Way.EMAIL) is None, "it is being sent"
    with closing(Store(address)) as store:
        if isinstance(address, Server):  # another pager may be at it until its lease ends
            repeatedly(duty(store, settings, {Way.EMAIL: Told()}), 1)
            assert store.tellings.claim("fallback", Way.EMAIL) is None
            with store._database.writing() as connection:
                connection.execute(update(TELLINGS).values(claimed_until=0.0))
        mails = Told()
        repeatedly(duty(store, settings, {Way.EMAIL: mails}))
        (order,) = mails.orders
        assert order.batch.unsure
        assert order.batch.id == first.id


def test_two_pagers_tell_each_page_once(server: Postgres, settings: Pager) -> None:
    address, mails = server.database(), Told()
    with closing(Store(address)) as one, closing(Store(address)) as other:
        for number in range(5):
            page(one, 6, group=str(number))
        works = [duty(store, settings, {Way.EMAIL: mails}) for store in (one, other)]
        threads = [threading.Thread(target=repeatedly, args=(work,)) for work in works * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sent = [telling.key for order in mails.orders for telling in order.batch.tellings]
    assert sorted(sent) == sorted(set(sent))
    assert len(sent) == 5


def test_a_target_that_the_settings_do_not_name_any_more_is_given_up(store: Store, settings: Pager) -> None:
    incident = page(store, 1)
    store.tellings.tell_of(incident, Reason.BLIND, settings.fallback, time.time())
    teller = Teller(store, {}, {Way.EMAIL: Told()}, Metrics(), PAGER, FAST)
    teller.round()
    assert store.tellings.pending() == ()


# --- escalation -------------------------------------------------------------------------------------------------------


def test_who_acknowledges_before_the_mail_could_go_gets_none(store: Store, settings: Pager) -> None:
    mails = Told(problems=[NotSent("down")])
    work = duty(store, settings, {Way.EMAIL: mails})
    incident = page(store, 16)
    posted(store, incident)
    work.round()
    assert len(mails.orders) == 1
    store.deeds.record(deed(Act.ACKNOWLEDGE, incident), "jane is on it")
    repeatedly(work)
    assert len(mails.orders) == 1
    assert head(store, incident).escalation == 1


def test_what_is_told_is_counted_and_no_address_or_secret_is_in_the_log(
    store: Store, settings: Pager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    metrics = Metrics()
    mails = Told(problems=[NotSent("down")])
    teller = Teller(store, {"fallback": settings.fallback}, {Way.EMAIL: mails}, metrics, PAGER, FAST)
    work = Duty(store, Escalation(store, Plan(settings)), teller, settings.fallback, 300.0)
    page(store, 6)
    repeatedly(work)
    assert b'atlas_pager_told_total{result="failed",way="email"} 1.0' in metrics.page()
    assert b'atlas_pager_told_total{result="sent",way="email"} 1.0' in metrics.page()
    assert "told by e-mail to fallback: PAGE · QueueBacklog" in caplog.text
    assert "@" not in caplog.text
