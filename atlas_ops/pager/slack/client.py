"""Speaks to Slack, and says in our words what came of it. Called by `pager.delivery`, `pager.ways.slack` and what is beside it.

Nothing is retried here: the callers decide when, so that a rate limit holds for everything that it sends.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import ssl
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from atlas_ops.pager.slack import blocks, upload, wire
from atlas_ops.pager.slack.advice import ABOUT_MESSAGE, GONE, UNFINISHED, advice
from atlas_ops.pager.slack.blocks import Message

TIMEOUT_SECONDS = 10
"""Slack answers within a second; who has not answered by then is asked again."""
_LOG = logging.getLogger(__name__)
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,}\Z")
NOT_SLACK = "not_slack"
"""Something else answered: a proxy, or a stand-in that does not know the method."""
_CODE = re.compile(r"[a-z0-9_]+\Z")
_PAGE = 100
_PAGES = 10
"""How far back a lost message is searched: a thousand messages since its incident began."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """Slack has the message."""

    channel: str
    """The channel's id."""
    ts: str


class Accepted(Enum):
    """Whether Slack may have taken a message although it did not say so."""

    NO = "no"
    PERHAPS = "perhaps"
    """It answered with a failure, which may have come after the message was taken."""
    IN_FLIGHT = "in flight"
    """It did not answer, and may still be busy with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Later:
    """It did not work now, and nobody has to do anything: try again, not before `wait` seconds when that is given."""

    reason: str
    """One of a few words, for the metrics."""
    detail: str
    """A sentence for people."""
    wait: float | None = None
    accepted: Accepted = Accepted.NO


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """Slack will refuse until somebody changes something; `advice` says what."""

    code: str
    advice: str
    about_message: bool
    """Whether only this message is refused, and another form of it may pass."""
    gone: bool
    """Whether the message that should be changed cannot be any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """The message was looked for, and Slack does not have it."""


Outcome = Sent | Later | Refused
Page = Callable[[str | None], SlackResponse]


class Slack:
    """One Slack workspace, one channel, one bot token."""

    def __init__(self, *, token: str, url: str, channel: str, timeout_seconds: int = TIMEOUT_SECONDS) -> None:
        quiet = logging.getLogger(f"{__name__}.sdk")
        quiet.setLevel(logging.CRITICAL + 1)  # it logs each failed attempt; we say what matters ourselves
        self._client = WebClient(token=token, base_url=url, timeout=timeout_seconds, logger=quiet, retry_handlers=[])
        # slack_sdk forces the environment's proxy on every address; without that, urllib honours no_proxy.
        self._client.proxy = None
        self._seconds = timeout_seconds
        self.channel = channel

    def check(self) -> Outcome:
        """Ask Slack who the token belongs to, and whether it may post."""
        answer = self._call(self._client.auth_test)
        if not isinstance(answer, SlackResponse):
            return answer
        scopes = (_header(answer, "x-oauth-scopes") or "chat:write").replace(" ", "").split(",")
        return Sent(channel="", ts="") if "chat:write" in scopes else self._refused("missing_scope", "chat:write")

    def post(
        self, message: Message, thread: Sent | None = None, *, channel: str = "", broadcast: bool = False
    ) -> Outcome:
        """Send a message to a channel (empty: the usual one), or as a reply to the message `thread`.

        `broadcast`: the reply is shown in the channel as well.
        """
        return self._place(
            message,
            lambda message: self._client.chat_postMessage(
                channel=thread.channel if thread else channel or self.channel,
                thread_ts=thread.ts if thread else None,
                reply_broadcast=broadcast or None,
                text=wire.fallback(message),
                blocks=wire.blocks(message) or None,
                metadata=wire.metadata(message),
                unfurl_links=False,
                unfurl_media=False,
                link_names=False,
                parse="none",
            ),
            channel,
        )

    def update(self, message: Message, place: Sent) -> Outcome:
        """Replace a message that was sent before."""
        return self._place(
            message,
            lambda message: self._client.chat_update(
                channel=place.channel,
                ts=place.ts,
                text=wire.fallback(message),
                blocks=wire.blocks(message),  # an empty list too: without it, Slack would keep the old ones
                metadata=wire.metadata(message),
                link_names=False,
                parse="none",
            ),
        )

    def whisper(self, text: str, *, channel: str, thread: str, user: str) -> None:
        """Show a person a line that nobody else sees, in a thread; what keeps it from them is only logged."""
        answer = self._call(
            lambda: self._client.chat_postEphemeral(
                channel=channel,
                user=user,
                thread_ts=thread or None,
                text=blocks.escape(blocks.cut(text, blocks.TEXT_LIMIT)),
                link_names=False,
                parse="none",
            )
        )
        if not isinstance(answer, SlackResponse):
            _LOG.info("a person could not be answered: %s", answer)

    def upload(self, name: str, content: bytes, words: str) -> str | Later | Refused:
        """Give Slack a file to show in messages, and return its id. `words` say what it shows to those who do not see it."""
        size = len(content)
        place = self._call(lambda: self._client.files_getUploadURLExternal(filename=name, length=size, alt_txt=words))
        if not isinstance(place, SlackResponse):
            return _not_sent(place)
        file, problem = (
            str(place.get("file_id") or ""),
            upload.put(str(place.get("upload_url")), content, self._seconds),
        )
        if problem:
            return Later(reason="unreachable", detail=f"the file does not reach Slack: {problem}")
        done = self._call(lambda: self._client.files_completeUploadExternal(files=[{"id": file, "title": name}]))
        return file if isinstance(done, SlackResponse) else _not_sent(done)

    def find(self, *, incident: str, since: float, channel_id: str, channel: str = "") -> Outcome | Absent:
        """Look for the first message of an incident in a channel (empty: the usual one), sent after the Unix time `since`.

        `channel_id`: where it must be; empty when not known. Refused when Slack does not let us look.
        """
        place = channel_id or self._channel_id(channel or self.channel)
        if not isinstance(place, str):
            return place

        def page(cursor: str | None) -> SlackResponse:
            return self._client.conversations_history(
                channel=place, oldest=f"{since:.6f}", limit=_PAGE, cursor=cursor, include_all_metadata=True
            )

        return self._search(page, lambda found: not _is_reply(found) and _is_about(found, incident), place)

    def find_reply(self, *, event: int, thread: Sent) -> Outcome | Absent:
        """Look for the reply that tells the event `event` in a thread."""

        def page(cursor: str | None) -> SlackResponse:
            return self._client.conversations_replies(
                channel=thread.channel, ts=thread.ts, limit=_PAGE, cursor=cursor, include_all_metadata=True
            )

        return self._search(
            page, lambda found: _is_reply(found) and _payload(found).get("event") == event, thread.channel
        )

    def _search(self, page: Page, wanted: Callable[[wire.Json], bool], channel: str) -> Outcome | Absent:
        for answer in self._pages(page):
            if not isinstance(answer, SlackResponse):
                return answer
            for found in _objects(answer, "messages"):
                if wanted(found):
                    return Sent(channel=channel, ts=str(found.get("ts", "")))
        return Absent()

    def _channel_id(self, channel: str) -> str | Outcome:
        """Return the id of a channel; Refused when it is not among those that we are shown."""
        if _CHANNEL_ID.match(channel):
            return channel
        # Listing private channels takes a scope of its own, which not every token has.
        found = self._listed(channel, "public_channel,private_channel")
        return self._listed(channel, "public_channel") if isinstance(found, Refused) else found

    def _listed(self, channel: str, kinds: str) -> str | Outcome:
        def page(cursor: str | None) -> SlackResponse:
            return self._client.conversations_list(types=kinds, limit=2 * _PAGE, cursor=cursor, exclude_archived=True)

        for answer in self._pages(page):
            if not isinstance(answer, SlackResponse):
                return answer
            for entry in _objects(answer, "channels"):
                if entry.get("name") == channel:
                    return str(entry.get("id"))
        return self._refused("channel_not_found", "")

    def _pages(self, page: Page) -> Iterator[SlackResponse | Outcome]:
        cursor: str | None = None
        for _ in range(_PAGES):
            answer = self._call(partial(page, cursor))
            yield answer
            metadata = answer.get("response_metadata") if isinstance(answer, SlackResponse) else None
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
            if not cursor:
                return

    def _place(self, message: Message, send: Callable[[Message], SlackResponse], channel: str = "") -> Outcome:
        answer = self._call(lambda: send(message), channel)
        bare = blocks.bare(message)
        if isinstance(answer, Refused) and answer.about_message and bare != message:
            _LOG.warning("Slack does not show the chart of incident %s (%s)", message.incident, answer.code)
            answer = self._call(lambda: send(bare), channel)
        if isinstance(answer, SlackResponse):
            return Sent(channel=str(answer.get("channel") or ""), ts=str(answer.get("ts") or ""))
        return answer

    def _call(self, method: Callable[[], SlackResponse], channel: str = "") -> SlackResponse | Outcome:
        """Make one call, and put every way in which it can fail into our words. `channel`: empty for the usual one."""
        try:
            return method()
        except SlackApiError as error:
            return self._failed(error.response, channel)
        except urllib.error.URLError as error:
            never_sent = isinstance(error.reason, ConnectionRefusedError | socket.gaierror | ssl.SSLError)
            accepted = Accepted.NO if never_sent else Accepted.IN_FLIGHT
            return Later(reason="unreachable", detail=f"Slack cannot be reached: {error.reason}", accepted=accepted)
        except TimeoutError:
            return Later(reason="timeout", detail="Slack did not answer in time", accepted=Accepted.IN_FLIGHT)
        except (OSError, http.client.HTTPException) as error:
            return Later(reason="disconnected", detail=f"Slack broke off: {error}", accepted=Accepted.IN_FLIGHT)
        except (SlackClientError, ValueError, AttributeError):
            # AttributeError: slack_sdk takes any JSON for an object, also a list that some proxy sent.
            return Later(reason=NOT_SLACK, detail="the answer is not Slack's", accepted=Accepted.PERHAPS)

    def _failed(self, answer: SlackResponse, channel: str) -> Outcome:
        code, status = str(answer.get("error") or ""), answer.status_code
        wait = _seconds(_header(answer, "retry-after"))
        if status == 429 or code in ("ratelimited", "rate_limited"):
            return Later(reason="rate_limited", detail="Slack's rate limit", wait=wait)
        if status >= 500 or code in UNFINISHED:
            detail = f"Slack has trouble of its own: {code if code in UNFINISHED else f'HTTP {status}'}"
            return Later(reason="server_error", detail=detail, wait=wait, accepted=Accepted.PERHAPS)
        if not _CODE.match(code):
            detail = f"the answer (HTTP {status}) is not Slack's: check --slack-api-url and the proxies on the way"
            return Later(reason=NOT_SLACK, detail=detail, accepted=Accepted.PERHAPS)
        return self._refused(code, str(answer.get("needed") or ""), channel)

    def _refused(self, code: str, scope: str, channel: str = "") -> Refused:
        return Refused(
            code=code,
            advice=advice(code, scope=scope, channel=channel or self.channel),
            about_message=code in ABOUT_MESSAGE,
            gone=code in GONE,
        )


def _not_sent(outcome: Outcome) -> Later | Refused:
    assert not isinstance(outcome, Sent)  # a call that worked returns its answer
    return outcome


def _header(answer: SlackResponse, name: str) -> str:
    return next((str(value) for key, value in answer.headers.items() if str(key).lower() == name), "")


def _seconds(text: str) -> float | None:
    return float(text) if text.strip().isdecimal() else None


def _objects(answer: SlackResponse, key: str) -> Iterator[wire.Json]:
    found = answer.get(key)
    if isinstance(found, list):
        yield from (entry for entry in found if isinstance(entry, dict))


def _is_reply(message: wire.Json) -> bool:
    return message.get("thread_ts", message.get("ts")) != message.get("ts")


def _is_about(message: wire.Json, incident: str) -> bool:
    """Say whether a message is that of an incident. Metadata is not shown to every app: without, its link counts."""
    told = _payload(message).get("incident")
    return told == incident if told else incident in json.dumps(message)


def _payload(message: wire.Json) -> wire.Json:
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    return payload if isinstance(payload, dict) else {}
