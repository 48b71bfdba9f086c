"""The stand-in refuses what Slack refuses; asked through slack_sdk, as the pager asks it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.parse import quote

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from atlas_ops.stage import slack_limits
from atlas_ops.stage.slack_http import Answer
from atlas_ops.stage.slack_socket import SlackSocket
from atlas_ops.stage.slack_standin import CHANNEL_ID, SlackStandIn, refusal

TOKEN = "xoxb-test"


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(token=TOKEN, channel="#ml-oncall", per_second=1000, burst=1000) as standing:
        yield standing


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient(token=TOKEN, base_url=slack.url, retry_handlers=[])


def error(call: object, **arguments: object) -> str:
    assert callable(call)
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return str(caught.value.response.get("error"))


def section(text: str = "x") -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def header(text: str = "x") -> dict[str, object]:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def fields(count: int, text: str = "x") -> dict[str, object]:
    return {"type": "section", "fields": [{"type": "mrkdwn", "text": text}] * count}


def buttons(count: int = 1, **values: object) -> dict[str, object]:
    button = {"type": "button", "text": {"type": "plain_text", "text": "x"}, "url": "https://x/", **values}
    return {"type": "actions", "elements": [button] * count}


def confirm(**texts: str) -> dict[str, object]:
    words = {"title": "x", "text": "x", "confirm": "x", "deny": "x", **texts}
    return {name: {"type": "plain_text", "text": text} for name, text in words.items()}


def context(count: int) -> dict[str, object]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * count}


def test_a_message_is_kept_updated_and_answered_in_its_thread(slack: SlackStandIn, client: WebClient) -> None:
    metadata = {"event_type": "incident", "event_payload": {"incident": "1"}}
    posted = client.chat_postMessage(channel="ml-oncall", text="one", blocks=[section()], metadata=metadata)
    reply = client.chat_postMessage(channel="#ml-oncall", text="two", thread_ts=str(posted["ts"]))
    client.chat_update(channel=CHANNEL_ID, ts=str(posted["ts"]), text="three")
    first, second = slack.messages
    assert (first.text, first.edits, first.thread_ts, first.metadata) == ("three", 1, "", metadata)
    assert first.blocks == (section(),), "without blocks in an update, Slack keeps the old ones"
    assert (second.text, second.thread_ts, second.ts) == ("two", posted["ts"], reply["ts"])
    assert posted["channel"] == CHANNEL_ID


@pytest.mark.parametrize(
    "block",
    [
        header("x" * 150),
        section("x" * 3000),
        fields(10, "x" * 1000),
        context(10),
        buttons(25),
        buttons(url="https://" + "x" * 2992, action_id="x" * 255, value="x" * 2000, style="danger"),
        {"type": "divider"},
        buttons(confirm=confirm(title="x" * 100, text="x" * 300, confirm="x" * 30, deny="x" * 30)),
        {"type": "image", "image_url": "https://x/y.png", "alt_text": "x" * 2000},
    ],
)
def test_a_block_at_its_limit_is_taken(client: WebClient, block: dict[str, object]) -> None:
    assert client.chat_postMessage(channel="ml-oncall", text="x", blocks=[block])["ok"]


@pytest.mark.parametrize(
    "block",
    [
        header(""),
        header("x" * 151),
        header("😀" * 76),
        {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
        {"type": "header"},
        section(""),
        section("x" * 3001),
        {"type": "section"},
        {"type": "section", "text": "x"},
        {"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": True}},
        {**section(), "colour": "red"},
        {**section(), "block_id": "x" * 256},
        fields(11),
        fields(0),
        fields(1, "x" * 2001),
        context(11),
        context(0),
        buttons(26),
        buttons(0),
        buttons(url="x" * 3001),
        buttons(url="javascript:alert(1)"),
        buttons(url="https://" + "x" * 3000),
        buttons(text={"type": "plain_text", "text": "x" * 76}),
        buttons(text={"type": "mrkdwn", "text": "x"}),
        buttons(value="x" * 2001),
        buttons(style="green"),
        buttons(type="checkbox"),
        buttons(2, action_id="same"),
        buttons(confirm={}),
        buttons(confirm=confirm(title="x" * 101)),
        buttons(confirm=confirm(text="x" * 301)),
        buttons(confirm=confirm(confirm="x" * 31)),
        buttons(confirm=confirm(deny="")),
        buttons(confirm={**confirm(), "colour": "red"}),
        {"type": "image", "image_url": "https://x/y.png"},
        {"type": "image", "image_url": "https://x/y.png", "alt_text": "x" * 2001},
        {"type": "image", "alt_text": "x"},
        {"type": "image", "alt_text": "x", "image_url": "https://x", "slack_file": {"id": "F1"}},
        {"type": "image", "alt_text": "x", "slack_file": {"id": "F1", "url": "https://x"}},
        {"type": "image", "alt_text": "x", "slack_file": {"id": "F0UNKNOWN"}},
        {"type": "sections"},
        {},
    ],
)
def test_a_block_beyond_its_limit_is_refused(slack: SlackStandIn, client: WebClient, block: dict[str, object]) -> None:
    assert error(client.chat_postMessage, channel="ml-oncall", text="x", blocks=[block]) == "invalid_blocks"
    assert slack.messages == ()


@pytest.mark.filterwarnings("ignore:The top-level `text` argument is missing")
def test_a_message_beyond_the_limits_of_a_whole_message_is_refused(client: WebClient) -> None:
    def refused(**arguments: object) -> str:
        return error(client.chat_postMessage, channel="ml-oncall", **arguments)

    assert refused(text="x", blocks=[section()] * 51) == "invalid_blocks"
    assert refused(text="x", blocks=[{**section(), "block_id": "a"}] * 2) == "invalid_blocks"
    assert refused(text="x", blocks=[section("x" * 3000)] * 5) == "msg_blocks_too_long"
    assert refused(text="x" * 4001) == "msg_too_long"
    assert refused(text=" ") == "no_text"
    assert refused(text="x", metadata={"event_type": "Not A Name", "event_payload": {}}) == "invalid_metadata_format"
    assert refused(text="x", metadata={"event_type": "a"}) == "invalid_metadata_format"


def test_lengths_count_as_slack_may_count_them_at_worst() -> None:
    assert slack_limits.size("a😀") == 3


def test_only_the_token_with_its_scopes_is_served(slack: SlackStandIn) -> None:
    stranger = WebClient(token="xoxb-other", base_url=slack.url)
    assert error(stranger.chat_postMessage, channel="ml-oncall", text="x") == "invalid_auth"
    assert error(WebClient(base_url=slack.url).auth_test) == "not_authed"
    client = WebClient(token=TOKEN, base_url=slack.url)
    assert "chat:write" in str(client.auth_test().headers)
    slack.revoke("chat:write")
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel="ml-oncall", text="x")
    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == "chat:write"
    slack.grant("chat:write")
    assert client.chat_postMessage(channel="ml-oncall", text="x")["ok"]


def test_what_is_not_there_is_refused(slack: SlackStandIn, client: WebClient) -> None:
    posted = client.chat_postMessage(channel="ml-oncall", text="x")
    reply = client.chat_postMessage(channel="ml-oncall", text="x", thread_ts=str(posted["ts"]))
    assert error(client.chat_postMessage, channel="nowhere", text="x") == "channel_not_found"
    assert error(client.chat_postMessage, channel="ml-oncall", text="x", thread_ts="1.2") == "thread_not_found"
    assert error(client.chat_postMessage, channel="ml-oncall", text="x", thread_ts=reply["ts"]) == "thread_not_found"
    assert error(client.chat_update, channel="ml-oncall", ts=posted["ts"], text="y") == "channel_not_found"
    assert error(client.chat_update, channel=CHANNEL_ID, ts="1.2", text="y") == "message_not_found"
    assert error(client.conversations_history, channel="ml-oncall") == "channel_not_found"
    assert error(client.conversations_replies, channel=CHANNEL_ID, ts="1.2") == "thread_not_found"
    assert error(client.api_call, api_method="chat.shout") == "unknown_method"
    slack.forget(str(posted["ts"]))
    assert error(client.chat_update, channel=CHANNEL_ID, ts=posted["ts"], text="y") == "message_not_found"


def test_the_channel_and_its_history_can_be_read_page_by_page(slack: SlackStandIn, client: WebClient) -> None:
    metadata = {"event_type": "incident", "event_payload": {"incident": "1"}}
    stamps = [
        str(client.chat_postMessage(channel="ml-oncall", text=str(number), metadata=metadata)["ts"])
        for number in range(5)
    ]
    client.chat_postMessage(channel="ml-oncall", text="reply", thread_ts=stamps[0])
    (channel,) = client.conversations_list(types="public_channel")["channels"]
    assert (channel["id"], channel["name"]) == (CHANNEL_ID, "ml-oncall")
    pages = client.conversations_history(channel=CHANNEL_ID, limit=2, oldest=stamps[0], include_all_metadata=True)
    found = [message for page in pages for message in page["messages"]]
    assert [message["text"] for message in found] == ["4", "3", "2", "1"]
    assert found[0]["metadata"] == metadata
    assert "metadata" not in client.conversations_history(channel=CHANNEL_ID)["messages"][0]
    thread = client.conversations_replies(channel=CHANNEL_ID, ts=stamps[0])["messages"]
    assert [message["text"] for message in thread] == ["0", "reply"]
    slack.revoke("groups:read")
    assert error(client.conversations_list, types="public_channel,private_channel") == "missing_scope"


def test_more_than_one_message_a_second_is_answered_429_after_a_burst() -> None:
    with SlackStandIn(token=TOKEN, channel="ml-oncall", per_second=0.5, burst=3) as slack:
        client = WebClient(token=TOKEN, base_url=slack.url, retry_handlers=[])
        for _ in range(3):
            client.chat_postMessage(channel="ml-oncall", text="x")
        with pytest.raises(SlackApiError) as caught:
            client.chat_postMessage(channel="ml-oncall", text="x")
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "2"
        assert len(slack.messages) == 3


def test_it_fails_and_refuses_as_it_is_told(slack: SlackStandIn, client: WebClient) -> None:
    slack.fail_with(429, retry_after=7, times=1)
    with pytest.raises(SlackApiError) as caught:
        client.auth_test()
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "7")
    slack.fail_with(503)
    assert error(client.auth_test) == "internal_error"
    slack.fail_with(None)
    slack.intercept = lambda method, arguments: refusal("is_archived") if arguments.get("text") == "x" else None
    assert error(client.chat_postMessage, channel="ml-oncall", text="x") == "is_archived"
    slack.intercept = lambda method, arguments: Answer(body={"ok": True, "ts": "1.0"})
    assert client.chat_postMessage(channel="ml-oncall", text="x")["ts"] == "1.0"
    assert slack.calls[-1] == "chat.postMessage"
    assert slack.messages == ()


def upload(client: WebClient, content: bytes, announced: int) -> tuple[str, int]:
    place = client.files_getUploadURLExternal(filename="x.png", length=announced, alt_txt="words")
    try:
        with urllib.request.urlopen(urllib.request.Request(str(place["upload_url"]), content)) as answer:
            return str(place["file_id"]), answer.status
    except HTTPError as refused:
        return str(place["file_id"]), refused.code


def test_a_file_is_shown_when_its_upload_is_complete(slack: SlackStandIn, client: WebClient) -> None:
    content = b"\x89PNG\r\n\x1a\n..."
    file, status = upload(client, content, len(content))
    image = {"type": "image", "alt_text": "x", "slack_file": {"id": file}}
    assert status == 200
    assert error(client.chat_postMessage, channel="ml-oncall", text="x", blocks=[image]) == "invalid_blocks"
    client.files_completeUploadExternal(files=[{"id": file, "title": "t"}])
    assert client.chat_postMessage(channel="ml-oncall", text="x", blocks=[image])["ok"]
    assert (slack.files[0].content, slack.files[0].alt_text) == (content, "words")
    assert upload(client, b"shorter", 10)[1] == 400
    assert error(client.files_completeUploadExternal, files=[{"id": "F0"}]) == "file_not_found"
    slack.revoke("files:write")
    assert error(client.files_getUploadURLExternal, filename="x", length=1) == "missing_scope"


def test_a_whisper_is_seen_by_one_person_and_not_kept(slack: SlackStandIn, client: WebClient) -> None:
    client.chat_postEphemeral(channel=CHANNEL_ID, user="U1", text="psst", thread_ts="1.2")
    assert [(one.user, one.text, one.thread_ts) for one in slack.whispers] == [("U1", "psst", "1.2")]
    assert slack.messages == ()
    assert error(client.chat_postEphemeral, channel=CHANNEL_ID, user="jane", text="x") == "user_not_in_channel"


def test_a_connection_needs_the_app_level_token_and_an_address_that_was_not_used() -> None:
    with SlackStandIn(token=TOKEN, channel="ml-oncall", app_token="xapp-1") as slack, SlackSocket(slack) as link:
        client = WebClient(base_url=slack.url, retry_handlers=[])
        assert error(client.apps_connections_open, app_token=TOKEN) == "invalid_auth"
        address = str(client.apps_connections_open(app_token="xapp-1")["url"])
        with connect(address) as first:
            assert json.loads(first.recv())["type"] == "hello"
            assert link.connected == 1
            with connect(address) as again, pytest.raises(ConnectionClosed):
                again.recv()


def test_form_bodies_are_read_as_well(slack: SlackStandIn) -> None:
    body = b"channel=ml-oncall&text=hello&blocks=" + quote(json.dumps([section()])).encode()
    request = urllib.request.Request(slack.url + "chat.postMessage", body, {"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["ok"]
    assert slack.messages[0].blocks == (section(),)


def posted(url: str, body: object) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_the_incoming_webhook_takes_attachments_without_a_token_and_whatever_troubles_the_api_has(
    slack: SlackStandIn,
) -> None:
    slack.fail_with(503)
    assert posted(slack.webhook_url, {"attachments": [{"title": "FIRING", "text": "x"}]}) == (200, "ok")
    assert slack.messages[0].text == "FIRING\nx"
    assert posted(slack.webhook_url, {"text": "y"}) == (200, "ok")
    assert posted(slack.webhook_url, {"attachments": [{"color": "good"}]}) == (400, "no_text")
    assert [message.text for message in slack.messages] == ["FIRING\nx", "y"]
    with pytest.raises(HTTPError):
        urllib.request.urlopen(urllib.request.Request(slack.webhook_url.replace("secret", "guess"), b"{}"))
