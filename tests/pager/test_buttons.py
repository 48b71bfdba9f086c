"""Buttons in Slack, over Socket Mode and over HTTP: what is pressed is done once, shows, and is answered in time."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette

from atlas_ops.pager.access.gate import Gate
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.console.routes import Console
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.interactions import MAX_BODY_BYTES, PATH, Interactions
from atlas_ops.pager.slack.socket import Socket
from atlas_ops.pager.store.store import Store
from atlas_ops.stage.processes import Process, free_port
from atlas_ops.stage.slack_message import Message
from atlas_ops.stage.slack_press import labels, payload
from atlas_ops.stage.slack_socket import SlackSocket
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.alertmanager import ask, running
from tests.pager.notes import alert, body
from tests.pager.pressing import APP_TOKEN, Desk, desk
from tests.pager.rig import CHANNEL, TOKEN, eventually, serving

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
FIRING = ("Acknowledge", "Silence 30 min", "Silence 4 h", "Not actionable")


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("alertmanager")) as url:
        yield url


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(token=TOKEN, channel=CHANNEL, app_token=APP_TOKEN, per_second=1000, burst=1000) as standing:
        yield standing


@pytest.fixture(scope="module")
def pager(tmp_path_factory: pytest.TempPathFactory, slack: SlackStandIn, alertmanager: str) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk"), slack, alertmanager) as made:
        yield made


@pytest.fixture(scope="module")
def link(slack: SlackStandIn) -> Iterator[SlackSocket]:
    with SlackSocket(slack) as made:
        yield made


@pytest.fixture(scope="module")
def connections() -> list[int]:
    return []


@pytest.fixture(scope="module")
def socket(pager: Desk, slack: SlackStandIn, link: SlackSocket, connections: list[int]) -> Iterator[Socket]:
    made = Socket(
        app_token=APP_TOKEN,
        url=slack.url,
        presses=pager.presses,
        metrics=pager.metrics,
        connected=lambda: connections.append(1),
        ping_seconds=1.0,
    )
    made.start()
    assert eventually(lambda: link.connected == 1 and bool(connections) and not made.problem)
    yield made
    made.stop(5)


# --- what is pressed is done ------------------------------------------------------------------------------------------


def test_an_acknowledged_page_says_by_whom_and_its_thread_too(pager: Desk, link: SlackSocket, socket: Socket) -> None:
    page = pager.page(alert())
    assert labels(page) == FIRING
    assert "nobody is on it yet" in json.dumps(page.blocks)
    assert link.send(payload(page, "atlas_acknowledge", user="jane"))
    assert pager.offers(page, *FIRING[1:])
    assert "acknowledged by *jane*" in json.dumps(pager.now(page).blocks)
    assert "acknowledged by jane" in pager.now(page).text
    assert eventually(lambda: pager.thread(page) == ["jane is on it"])


def test_a_silenced_page_says_until_when_and_can_be_unsilenced(
    pager: Desk, link: SlackSocket, socket: Socket, alertmanager: str
) -> None:
    page = pager.page(alert(model="silenced"))
    assert link.send(payload(page, "atlas_silence_30m"))
    assert pager.offers(page, "Acknowledge", "Unsilence", "Not actionable")
    assert "silenced by *jane* until <!date^" in json.dumps(pager.now(page).blocks)
    assert [one["createdBy"] for one in silences(alertmanager, "silenced")] == ["jane"]
    assert link.send(payload(pager.now(page), "atlas_unsilence", user="joe"))
    assert pager.offers(page, *FIRING)
    assert silences(alertmanager, "silenced") == []
    assert eventually(lambda: pager.thread(page)[-1:] == ["joe ended the silence"])


def silences(url: str, model: str) -> list[dict[str, object]]:
    found = ask("GET", f"{url}/api/v2/silences")
    assert isinstance(found, list)
    return [
        one
        for one in found
        if one["status"]["state"] == "active" and model in [matcher["value"] for matcher in one["matchers"]]
    ]


def test_a_press_that_comes_twice_is_one_deed_and_one_that_comes_late_is_answered_in_private(
    pager: Desk, link: SlackSocket, socket: Socket
) -> None:
    page = pager.page(alert())
    press = payload(page, "atlas_acknowledge", user="jane")
    assert link.send(press, envelope="one")
    assert link.send(press, envelope="one")
    assert pager.offers(page, *FIRING[1:])
    assert link.send(payload(page, "atlas_acknowledge", user="joe"))
    assert eventually(lambda: any("jane is on it since" in one.text for one in pager.whispers(page)))
    assert "U0JOE" in {one.user for one in pager.whispers(page)}
    assert eventually(lambda: pager.thread(page) == ["jane is on it"])


def test_what_goes_wrong_is_told_to_the_person_and_changes_nothing(tmp_path: Path, slack: SlackStandIn) -> None:
    with desk(tmp_path, slack, "http://127.0.0.1:9") as pager:
        page = pager.page(alert())
        pager.presses.take(payload(page, "atlas_silence_4h"))
        assert "That did not work: Alertmanager at http://127.0.0.1:9" in pager.whispers(page)[0].text
        assert pager.head(page).silenced_until is None
        assert labels(pager.now(page)) == FIRING


def test_a_silence_of_four_hours_asks_first(pager: Desk) -> None:
    page = pager.page(alert())
    asking = [element["text"]["text"] for element in elements(page) if "confirm" in element]  # type: ignore[index]
    assert asking == ["Silence 4 h"]
    assert all(element["value"] == pager.head(page).id for element in elements(page) if "value" in element)


def elements(page: Message) -> list[dict[str, object]]:
    rows = [block["elements"] for block in page.blocks if block["type"] == "actions"]
    return [element for row in rows if isinstance(row, list) for element in row]


def test_without_a_way_for_presses_the_message_leads_to_its_page_instead(
    tmp_path: Path, slack: SlackStandIn, alertmanager: str
) -> None:
    with desk(tmp_path, slack, alertmanager, buttons=False) as pager:
        page = pager.page(alert())
        assert labels(page) == ()
        [act] = [element for element in elements(page) if "Acknowledge" in json.dumps(element)]
        assert act["url"] == f"http://pager/incidents/{pager.head(page).id}#act"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"type": "view_submission"},
        {"type": "block_actions", "actions": "x"},
        {"type": "block_actions", "actions": [1, {"action_id": 3}, {"action_id": "link-0"}]},
        {"type": "block_actions", "user": [], "actions": [{"action_id": "atlas_acknowledge", "value": "../x"}]},
        {"type": "block_actions", "user": {"id": "U1"}, "actions": [{"action_id": "atlas_acknowledge", "value": None}]},
    ],
)
def test_an_odd_payload_does_nothing_and_breaks_nothing(pager: Desk, odd: dict[str, object]) -> None:
    def deeds() -> list[str]:
        return re.findall(r"atlas_pager_deeds_total.*", pager.metrics.page().decode())

    before = (deeds(), pager.slack.whispers)
    pager.presses.take(odd)
    assert (deeds(), pager.slack.whispers) == before


# --- Socket Mode ------------------------------------------------------------------------------------------------------


def test_a_press_is_answered_before_it_is_done(pager: Desk, link: SlackSocket, socket: Socket) -> None:
    page = pager.page(alert())
    pager.slack.hold("chat.postEphemeral", accepted=False)
    assert link.send(payload(page, "atlas_acknowledge"))
    assert pager.offers(page, *FIRING[1:])
    assert link.send(payload(page, "atlas_acknowledge", user="joe")), "it hangs after the answer, not before"
    assert pager.slack.wait_until_held()
    assert link.send(payload(page, "atlas_not_actionable", user="joe")), "one that hangs holds up no other"
    assert eventually(lambda: pager.head(page).not_actionable_by == "joe")
    pager.slack.release()


@pytest.mark.parametrize("how", ["disconnect", "drop"])
def test_a_connection_that_ends_is_opened_anew_and_that_is_told(
    how: str, pager: Desk, link: SlackSocket, socket: Socket, connections: list[int]
) -> None:
    before = len(connections)
    link.disconnect() if how == "disconnect" else link.drop()
    assert eventually(lambda: len(connections) > before and link.connected == 1)
    assert eventually(lambda: not socket.problem)
    page = pager.page(alert())
    assert link.send(payload(page, "atlas_acknowledge"))
    assert eventually(lambda: bool(pager.head(page).acknowledged_by))


def test_a_wrong_token_is_told_and_tried_again(
    pager: Desk, slack: SlackStandIn, link: SlackSocket, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, before = Metrics(), link.connected
    wrong = Socket(
        app_token="xapp-wrong-token",
        url=slack.url,
        presses=pager.presses,
        metrics=metrics,
        connected=lambda: None,
    )
    with caplog.at_level(logging.INFO):
        wrong.start()
        assert eventually(lambda: "SLACK_APP_TOKEN" in wrong.trouble)
        wrong.stop(5)
    assert b"atlas_pager_socket_up 0.0" in metrics.page()
    assert "xapp-wrong" not in caplog.text
    assert link.connected == before


def test_odd_messages_over_the_socket_break_nothing(pager: Desk, link: SlackSocket, socket: Socket) -> None:
    for odd in ("", "null", "{", "[1]", '{"type": "interactive"}', '{"type": "hello", "x": 1}', '{"envelope_id": 1}'):
        link.say(odd)
    page = pager.page(alert())
    assert link.send(payload(page, "atlas_acknowledge"))
    assert eventually(lambda: bool(pager.head(page).acknowledged_by))


# --- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory, alertmanager: str) -> Iterator[tuple[Desk, httpx.Client]]:
    with (
        SlackStandIn(token=TOKEN, channel=CHANNEL, per_second=1000, burst=1000) as slack,
        desk(tmp_path_factory.mktemp("http"), slack, alertmanager) as pager,
        serving(Starlette(routes=[Interactions.signed(SECRET, pager.presses).route()])) as made,
    ):
        yield pager, made


@pytest.fixture(scope="module")
def client(http: tuple[Desk, httpx.Client]) -> httpx.Client:
    return http[1]


@pytest.fixture(scope="module")
def untouched(http: tuple[Desk, httpx.Client]) -> Message:
    """A page that nobody may acknowledge."""
    return http[0].page(alert(model="untouched"))


def signed(body: bytes, *, secret: str = SECRET, at: str = "") -> dict[str, str]:
    moment = at or str(int(time.time()))
    said = hmac.new(secret.encode(), f"v0:{moment}:".encode() + body, hashlib.sha256).hexdigest()
    kind = "application/x-www-form-urlencoded"
    return {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": f"v0={said}", "Content-Type": kind}


def form(press: object) -> bytes:
    return urlencode({"payload": json.dumps(press)}).encode()


def test_a_signed_press_is_done_and_the_same_again_is_not(http: tuple[Desk, httpx.Client]) -> None:
    pager, client = http
    page = pager.page(alert())
    body = form(payload(page, "atlas_acknowledge"))
    headers = signed(body)
    for _ in range(3):
        answer = client.post(PATH, content=body, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
    assert pager.offers(page, *FIRING[1:])
    assert eventually(lambda: pager.thread(page) == ["jane is on it"])


def forgeries(body: bytes) -> dict[str, tuple[bytes, dict[str, str]]]:
    old, new = str(int(time.time()) - 301), str(int(time.time()) + 301)
    good = signed(body)
    bad_bytes = b"payload=\xff\xfe"
    return {
        "no signature": (body, {}),
        "no moment": (body, {"X-Slack-Signature": good["X-Slack-Signature"]}),
        "another secret": (body, signed(body, secret="other")),
        "another body": (body + b"&x=1", good),
        "too old": (body, signed(body, at=old)),
        "of the future": (body, signed(body, at=new)),
        "another moment": (body, good | {"X-Slack-Request-Timestamp": str(int(time.time()) - 1)}),
        "no number": (body, signed(body, at="soon")),
        "a fraction": (body, signed(body, at="1.5")),
        "a huge number": (body, signed(body, at="9" * 5000)),
        "no text": (bad_bytes, signed(bad_bytes)),
        "odd signature": (body, good | {"X-Slack-Signature": "v0=\xe9"}),
    }


@pytest.mark.parametrize("kind", forgeries(b""))
def test_what_slack_did_not_sign_is_refused_logged_and_not_done(
    kind: str, http: tuple[Desk, httpx.Client], untouched: Message, caplog: pytest.LogCaptureFixture
) -> None:
    pager, client = http
    body, headers = forgeries(form(payload(untouched, "atlas_acknowledge")))[kind]
    with caplog.at_level(logging.WARNING):
        answer = client.post(
            PATH, content=body, headers=[(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
        )
    assert answer.status_code == 401
    assert "401" in caplog.text
    assert SECRET not in caplog.text + answer.text
    assert pager.head(untouched).acknowledged_by == ""


@pytest.mark.parametrize(
    "body", [b"", b"payload=", b"payload=%7B", b"payload=[]", b"x=1", b"payload=" + b"[" * 100_000]
)
def test_signed_nonsense_is_refused(body: bytes, client: httpx.Client) -> None:
    assert client.post(PATH, content=body, headers=signed(body)).status_code == 400


def test_a_body_above_the_limit_is_refused(client: httpx.Client) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)
    assert client.post(PATH, content=body, headers=signed(body)).status_code == 413


def test_it_takes_posts_alone(client: httpx.Client) -> None:
    assert client.get(PATH).status_code == 405


# --- as it is run -----------------------------------------------------------------------------------------------------


def test_the_command_hears_of_buttons_both_ways(
    tmp_path: Path, slack: SlackStandIn, link: SlackSocket, alertmanager: str
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    (tmp_path / "atlas-ops.yaml").write_text(f"links: {{alertmanager: {alertmanager}, pager: {address}}}\n")
    command = [sys.executable, "-m", "atlas_ops", "pager", "--listen", f"127.0.0.1:{port}"]
    command += ["--database", str(tmp_path / "pager.db"), "--config", str(tmp_path / "atlas-ops.yaml")]
    command += ["--slack-api-url", slack.url, "--channel", CHANNEL]
    secrets = {"SLACK_BOT_TOKEN": TOKEN, "SLACK_APP_TOKEN": APP_TOKEN, "SLACK_SIGNING_SECRET": SECRET}
    with Process("pager", command, log=tmp_path / "pager.log", environment=secrets) as process:
        process.wait_until_ready(f"{address}/-/ready")
        assert eventually(lambda: "are heard of" in process.tail())
        httpx.post(f"{address}/webhook", content=body(alert(model="as run")), trust_env=False)
        assert eventually(lambda: any("as run" in one.text for one in slack.messages))
        page = next(one for one in slack.messages if "as run" in one.text)
        assert labels(page) == FIRING
        assert link.send(payload(page, "atlas_silence_4h"))
        assert eventually(lambda: len(silences(alertmanager, "as run")) == 1)
        press = form(payload(page, "atlas_acknowledge", user="joe"))
        assert httpx.post(address + PATH, content=press, headers=signed(press), trust_env=False).status_code == 200
        assert httpx.post(address + PATH, content=press, trust_env=False).status_code == 401

        def shown() -> Message:
            return next(one for one in slack.messages if one.ts == page.ts)

        assert eventually(lambda: labels(shown()) == ("Unsilence", "Not actionable"))
        metrics = httpx.get(f"{address}/metrics", trust_env=False).text
        assert 'atlas_pager_deeds_total{act="silence"} 1.0' in metrics
        assert "atlas_pager_socket_up 1.0" in metrics
        assert "atlas_pager_alertmanager_up 1.0" in metrics
    log = (tmp_path / "pager.log").read_text()
    assert not [secret for secret in secrets.values() if secret in log]


def test_what_does_not_work_is_said_on_the_console(tmp_path: Path) -> None:
    composer = Composer(runbooks=tmp_path, pager_url="http://pager")
    with contextlib.closing(Store(tmp_path / "pager.db")) as store:
        gate = Gate(external=composer.pager_url)
        console = Console(store=store, composer=composer, gate=gate, troubles=lambda: ["Buttons <are> deaf"])
        with serving(Starlette(routes=console.routes())) as client:
            assert "Buttons &lt;are&gt; deaf" in client.get("/").text
