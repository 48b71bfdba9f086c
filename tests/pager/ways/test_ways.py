"""E-mail, webhooks and other channels of Slack: what they say, that nothing in a label harms them, and that no secret leaks."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.pager.delivery.pace import Pace
from atlas_ops.pager.incident import Headline
from atlas_ops.pager.scrub import scrub
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.store.buckets import Buckets
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.ways import email, wording
from atlas_ops.pager.ways.email import Mail
from atlas_ops.pager.ways.sending import NotSent, Order
from atlas_ops.pager.ways.slack import Channels
from atlas_ops.pager.ways.telling import Batch, Reason, Telling, Way
from atlas_ops.pager.ways.webhook import Webhook
from atlas_ops.settings.people import Smtp, Target
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.rig import CHANNEL, TOKEN, parents, standing_slack
from tests.pager.ways.receivers import PASSWORD, Hook, Mailbox, certificate, mail_server, webhook

PAGER = "https://pager.example.org"
HEAD = Headline(
    id="0123456789ab",
    fault="QueueBacklog",
    severity="page",
    model="llama-3-8b",
    place="prod/llama-0",
    summary="A new request would wait 2m 13s.",
    since=1_774_746_000.0,
    until=None,
    firing=1,
    total=1,
    heard_at=1_774_746_000.0,
    problem="",
    delivered=False,
)
ANN = Target(name="ann", emails=("ann@example.org", "ann@home.example"), slack_channel=CHANNEL, slack_user="U024BE7LH")


def order(
    *heads: Headline, over: bool = False, target: Target = ANN, way: Way = Way.EMAIL, unsure: bool = False
) -> Order:
    tellings = [Telling(key=head.id, incident=head, reason=Reason.ESCALATION) for head in heads or (HEAD,)]
    batch = Batch(
        id="b" * 24, target=target.name, way=way, over=over, tellings=tuple(tellings), unsure=unsure, failures=0
    )
    return Order(batch=batch, target=target, title=wording.title(batch), text=wording.text(batch, PAGER))


# --- words ------------------------------------------------------------------------------------------------------------


def test_one_incident_is_told_with_its_link_and_why_it_comes() -> None:
    found = order()
    assert found.title == "PAGE · QueueBacklog · llama-3-8b at prod/llama-0"
    assert f"What to do: {PAGER}/incidents/{HEAD.id}" in found.text
    assert "A new request would wait 2m 13s." in found.text
    assert "It was escalated to you" in found.text
    over = order(replace(HEAD, until=HEAD.since + 60), over=True)
    assert over.title.startswith("RESOLVED · QueueBacklog")
    assert "until 2026-03-29 01:01:00 UTC" in over.text
    assert "escalated" not in over.text


def test_a_thousand_incidents_are_one_message_of_sane_size() -> None:
    heads = [replace(HEAD, id=f"{number:012}", fault=("A", "B")[number % 2]) for number in range(1000)]
    found = order(*heads)
    assert found.title == "PAGE · 1000 incidents: A (500), B (500)"
    assert found.text.count("What to do:") == 20
    assert f"and 980 more: {PAGER}/" in found.text


WILD = st.text(st.sampled_from("\r\n\t <>:,;@=?\u2028\x85") | st.characters(), max_size=400)


@given(WILD, WILD, WILD, WILD)
def test_no_label_adds_a_header_or_an_address_to_a_mail(fault: str, model: str, place: str, summary: str) -> None:
    head = replace(HEAD, fault=scrub(fault), model=scrub(model), place=scrub(place), summary=scrub(summary))
    sent = email.compose(order(head), "pager@example.org").as_bytes()
    mail = email.compose(order(), "pager@example.org")
    lines = sent.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").split(b"\r\n")
    names = sorted(line.partition(b":")[0].decode().lower() for line in lines)
    expected = {name.lower() for name in mail} | {"content-transfer-encoding", "mime-version", "content-type"}
    assert set(names) <= expected
    assert len(names) == len(set(names))
    assert len(sent) < 20_000
    assert b"To: ann@example.org, ann@home.example" in sent


# --- e-mail -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    return file


def smtp(port: int, *, encryption: str = "none", password: Path | None = None) -> Smtp:
    login = {"username": "pager", "password_file": str(password)} if password else {}
    return Smtp(host="localhost", port=port, encryption=encryption, sender="pager@example.org", **login)


def test_a_mail_reaches_every_address_of_the_target() -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        Mail(smtp(port)).send(order())
    (mail,) = mailbox.mails
    assert mail["Subject"] == "PAGE · QueueBacklog · llama-3-8b at prod/llama-0"
    assert mail["From"] == "pager@example.org"
    assert mail["Message-ID"] == f"<{'b' * 24}@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert f"{PAGER}/incidents/{HEAD.id}" in mail.get_content()
    assert mailbox.recipients == [["ann@example.org", "ann@home.example"]]


def test_with_starttls_and_a_login_the_password_goes_to_a_server_that_is_trusted(
    trusted: Path, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, certificate=trusted) as port:
        with pytest.raises(NotSent, match="certificate"):
            Mail(smtp(port, encryption="starttls", password=password)).send(order())
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        Mail(smtp(port, encryption="starttls", password=password)).send(order())
    assert len(mailbox.mails) == 1


def test_a_server_without_starttls_gets_neither_mail_nor_password(password: Path) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port, pytest.raises(NotSent, match="STARTTLS"):
        Mail(smtp(port, encryption="starttls", password=password)).send(order())
    assert mailbox.mails == []


@pytest.mark.parametrize("secret", ["wrong-horse", "", None])
def test_a_wrong_or_missing_password_is_said_without_it(
    secret: str | None, trusted: Path, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    password.unlink() if secret is None else password.write_text(secret)
    with mail_server(Mailbox(), certificate=trusted) as port, pytest.raises(NotSent) as raised:
        Mail(smtp(port, encryption="starttls", password=password)).send(order())
    assert ("smtp.password_file" if secret != "wrong-horse" else "535") in raised.value.message
    assert "horse" not in raised.value.message


def test_what_the_server_says_of_addresses_stays_in_the_house() -> None:
    nobody = replace(ANN, emails=("nobody@example.org",))
    with mail_server(Mailbox()) as port, pytest.raises(NotSent, match="refuses every address") as raised:
        Mail(smtp(port)).send(order(target=nobody))
    assert "@" not in raised.value.message
    some = Mailbox()
    with mail_server(some) as port:
        Mail(smtp(port)).send(order(target=replace(ANN, emails=("nobody@example.org", "ann@example.org"))))
    assert some.recipients == [["ann@example.org"]]


def test_a_mail_server_that_is_not_there_is_a_reason_to_try_again() -> None:
    with mail_server(Mailbox()) as port:
        pass
    with pytest.raises(NotSent, match="does not take mail"):
        Mail(smtp(port)).send(order())


class Abrupt(Mailbox):
    """A mail server that has taken the mail, and is too busy to say goodbye."""

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        return "421 too busy"


def test_a_mail_that_was_taken_is_sent_whatever_the_server_says_at_the_end() -> None:
    mailbox = Abrupt()
    with mail_server(mailbox) as port:
        Mail(smtp(port)).send(order())
    assert len(mailbox.mails) == 1


# --- webhooks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def hooked(tmp_path: Path, hook: Hook) -> Iterator[Target]:
    with webhook(hook) as url:
        (tmp_path / "url").write_text(f"{url}\n")
        (tmp_path / "key").write_text("k3y")
        yield Target(name="team", webhook_url_file=str(tmp_path / "url"), webhook_secret_file=str(tmp_path / "key"))


def test_a_webhook_gets_json_that_its_receiver_can_check(hook: Hook, hooked: Target) -> None:
    Webhook(PAGER).send(order(target=hooked, way=Way.WEBHOOK))
    (post,) = hook.posts
    at, _, proof = post.headers["X-Atlas-Signature"].partition(",")
    stamp = at.removeprefix("t=")
    assert abs(time.time() - int(stamp)) < 60
    mine = hmac.new(b"k3y", f"{stamp}.".encode() + post.body, hashlib.sha256).hexdigest()
    assert proof == f"v1={mine}"
    assert post.headers["Idempotency-Key"] == "b" * 24
    told = json.loads(post.body)
    assert {name: told[name] for name in ("version", "id", "status", "reason", "target")} == {
        "version": 1,
        "id": "b" * 24,
        "status": "firing",
        "reason": "escalation",
        "target": "team",
    }
    assert told["incidents"] == [
        {
            "id": HEAD.id,
            "url": f"{PAGER}/incidents/{HEAD.id}",
            "fault": "QueueBacklog",
            "severity": "page",
            "model": "llama-3-8b",
            "place": "prod/llama-0",
            "summary": "A new request would wait 2m 13s.",
            "since": "2026-03-29T01:00:00+00:00",
            "until": None,
            "firing": 1,
            "acknowledged_by": "",
        }
    ]


def test_without_a_key_it_is_not_signed(hook: Hook, hooked: Target) -> None:
    Webhook(PAGER).send(order(target=replace(hooked, webhook_secret_file=""), way=Way.WEBHOOK))
    assert "X-Atlas-Signature" not in hook.posts[0].headers


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [(500, {}, None), (404, {}, None), (429, {"Retry-After": "7"}, 7.0), (503, {"Retry-After": "9" * 9}, 3600.0),
     (429, {"Retry-After": "soon"}, None), (302, {"Location": "http://127.0.0.1:9/elsewhere"}, None)],
)  # fmt: skip
def test_anything_but_success_is_tried_again_and_no_redirect_is_followed(
    status: int, headers: dict[str, str], wait: float | None, hook: Hook, hooked: Target
) -> None:
    hook.answers.append((status, headers))
    with pytest.raises(NotSent, match=f"HTTP {status}") as raised:
        Webhook(PAGER).send(order(target=hooked, way=Way.WEBHOOK))
    assert raised.value.wait == wait
    assert "s3cret" not in raised.value.message
    assert len(hook.posts) == 1


@pytest.mark.parametrize(
    "held", ["", "s3cret", "ftp://s3cret", "http://a b", "http://a/s3cret\nX-Evil: 1", "http://u:s3cret@a/", None]
)
def test_a_file_that_holds_no_address_is_said_without_what_it_holds(held: str | None, hooked: Target) -> None:
    file = Path(hooked.webhook_url_file)
    file.unlink() if held is None else file.write_text(held)
    with pytest.raises(NotSent, match="webhook_url_file") as raised:
        Webhook(PAGER).send(order(target=hooked, way=Way.WEBHOOK))
    assert "s3cret" not in raised.value.message


def test_a_receiver_that_is_not_there_is_said_without_its_address(hooked: Target) -> None:
    Path(hooked.webhook_url_file).write_text("http://127.0.0.1:1/s3cret")
    with pytest.raises(NotSent, match="cannot be reached") as raised:
        Webhook(PAGER).send(order(target=hooked, way=Way.WEBHOOK))
    assert "s3cret" not in raised.value.message


# --- Slack ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    with closing(Store(tmp_path_factory.mktemp("buckets") / "pager.db")) as store:
        yield store.buckets


def test_a_channel_of_its_own_is_told_and_the_person_is_called(buckets: Buckets) -> None:
    with standing_slack() as slack:
        channels = Channels(Slack(token=TOKEN, url=slack.url, channel="pages"), PAGER, buckets)
        channels.send(order(way=Way.SLACK))
        (message,) = parents(slack)
        assert "<@U024BE7LH>" in json.dumps(message.blocks)
        assert f"{PAGER}/incidents/{HEAD.id}" in json.dumps(message.blocks)
        channels.send(order(way=Way.SLACK, unsure=True))
        assert len(parents(slack)) == 1, "it was looked for before it was sent again"
        slack.fail_with(503)
        with pytest.raises(NotSent):
            channels.send(order(way=Way.SLACK))


def test_what_slack_may_still_be_busy_with_is_not_looked_for_before_it_can_be_there(buckets: Buckets) -> None:
    with standing_slack() as slack:
        client = Slack(token=TOKEN, url=slack.url, channel="pages", timeout_seconds=1)
        slack.hold("chat.postMessage", accepted=False)
        with pytest.raises(NotSent) as raised:
            Channels(client, PAGER, buckets).send(order(way=Way.SLACK))
        slack.release()
    assert raised.value.unsure
    assert raised.value.wait is not None
    assert raised.value.wait >= Pace().settle


def test_what_goes_to_a_channel_counts_for_its_pace_and_what_slack_asks_to_wait_holds_there(tmp_path: Path) -> None:
    rate, channel = Pace().rate, order(way=Way.SLACK).target.slack_channel
    with closing(Store(tmp_path / "pager.db")) as store, standing_slack() as slack:
        channels = Channels(Slack(token=TOKEN, url=slack.url, channel="pages"), PAGER, store.buckets)
        assert store.buckets.wait(channel, rate) == 0
        for _ in range(2 * rate.burst):
            channels.send(order(way=Way.SLACK))
        assert store.buckets.wait(channel, rate) > 0
        slack.fail_with(429, retry_after=200, times=1)
        with pytest.raises(NotSent):
            channels.send(order(way=Way.SLACK))
        assert store.buckets.wait(channel, rate) > 100


@pytest.fixture(scope="module")
def workspace() -> Iterator[SlackStandIn]:
    with standing_slack() as slack:
        yield slack


@given(WILD, WILD)
def test_slack_takes_whatever_the_labels_are(
    workspace: SlackStandIn, buckets: Buckets, model: str, summary: str
) -> None:
    heads = [replace(HEAD, id=f"{number:012}", model=model, summary=summary) for number in range(30)]
    before = len(workspace.messages)
    client = Slack(token=TOKEN, url=workspace.url, channel="pages")
    Channels(client, PAGER, buckets).send(order(*heads, way=Way.SLACK))
    assert len(workspace.messages) == before + 1
