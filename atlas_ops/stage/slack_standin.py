"""A strict stand-in for Slack's Web API, for the demo and the tests: it keeps messages, and refuses what Slack refuses.

Called by `stage.demo` and the tests, which read `messages` and make it slow, overloaded or ill-disposed. It knows
nothing of the pager.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from atlas_ops.stage import slack_limits, slack_webhook
from atlas_ops.stage.slack_files import UPLOADS, File, Files
from atlas_ops.stage.slack_gate import Gate
from atlas_ops.stage.slack_http import Answer, Answers, Server
from atlas_ops.stage.slack_limits import Json
from atlas_ops.stage.slack_message import Message, Whisper

CHANNEL_ID = "C0STANDIN01"
SCOPES = frozenset(("chat:write", "channels:read", "groups:read", "channels:history", "files:write"))
_NEEDED = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.postEphemeral": "chat:write",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
    "conversations.list": "channels:read",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
}


class SlackStandIn:
    """A workspace with one channel and one app. `url` is what a client takes for Slack's API."""

    def __init__(
        self,
        *,
        token: str,
        channel: str,
        app_token: str = "",
        port: int = 0,
        per_second: float = 1.0,
        burst: int = 10,
    ) -> None:
        self._token = token
        self._app_token = app_token
        self._channel = channel.lstrip("#")
        self._rate = (per_second, burst)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._messages: dict[str, Message] = {}
        self._whispers: list[Whisper] = []
        self._files = Files()
        self._calls: list[str] = []
        self._scopes = set(SCOPES)
        self._failure: Answer | None = None
        self._failures_left = math.inf
        self.intercept: Callable[[str, Json], Answer | None] = lambda _method, _arguments: None
        """Asked before each call is judged; what it returns is the answer."""
        self.connections: Callable[[], str] = lambda: ""
        """Opens a connection of Socket Mode and returns its address; set by `stage.slack_socket`."""
        self._lock = threading.Lock()
        self._gate = Gate()
        self._server = Server(port, Answers(call=self.answer, webhook=self.webhook, upload=self.upload))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base address of the API."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/"

    @property
    def webhook_url(self) -> str:
        """The address of its incoming webhook, a secret as the token is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{slack_webhook.PATH}"

    @property
    def messages(self) -> tuple[Message, ...]:
        """Every message, in the order in which they were posted."""
        with self._lock:
            return tuple(self._messages.values())

    @property
    def whispers(self) -> tuple[Whisper, ...]:
        """Every message that was shown to one person alone."""
        with self._lock:
            return tuple(self._whispers)

    @property
    def files(self) -> tuple[File, ...]:
        """Every file that was announced."""
        with self._lock:
            return tuple(self._files.files.values())

    @property
    def calls(self) -> tuple[str, ...]:
        """The method of every call that came, whatever became of it."""
        with self._lock:
            return tuple(self._calls)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and let go of the port."""
        self._gate.open()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- to make life hard --------------------------------------------------------------------------------------------

    def fail_with(self, status: int | None, *, retry_after: int | None = None, times: float = math.inf) -> None:
        """Answer every call with this HTTP status, so many times; None: work again."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        with self._lock:
            body: Json = {"ok": False, "error": "ratelimited" if status == 429 else "internal_error"}
            self._failure = None if status is None else Answer(body=body, status=status, headers=headers)
            self._failures_left = times

    def revoke(self, *scopes: str) -> None:
        """Take scopes from the token."""
        with self._lock:
            self._scopes -= set(scopes)

    def grant(self, *scopes: str) -> None:
        """Give scopes to the token."""
        with self._lock:
            self._scopes |= set(scopes)

    def forget(self, ts: str) -> None:
        """Delete a message, as a person may."""
        with self._lock:
            del self._messages[ts]

    def hold(self, method: str, *, accepted: bool) -> None:
        """Let calls of a method hang: before they are looked at, or after they were `accepted`."""
        self._gate.close(method, accepted=accepted)

    def wait_until_held(self, seconds: float = 10.0) -> bool:
        """Wait until a call hangs."""
        return self._gate.held.wait(seconds)

    def release(self) -> None:
        """Let everything that hangs go on."""
        self._gate.open()

    # --- the API ------------------------------------------------------------------------------------------------------

    def answer(self, method: str, token: str, arguments: Json) -> Answer:
        """Answer one call as Slack would."""
        with self._lock:
            self._calls.append(method)
        self._gate.pass_through(method, accepted=False)
        with self._lock:
            answer = self._judge(method, token, arguments)
        self._gate.pass_through(method, accepted=True)
        return answer

    def webhook(self, arguments: Json) -> Answer:
        """Answer a post to the incoming webhook, which needs no token and knows nothing of its troubles."""
        with self._lock:
            self._calls.append("webhook")
            text, ts = slack_webhook.said(arguments), self._next_ts()
            if not text:
                return Answer(body="no_text", status=400)
            self._messages[ts] = Message(channel=CHANNEL_ID, ts=ts, thread_ts="", text=text, blocks=(), metadata={})
            return Answer(body="ok")

    def upload(self, path: str, content: bytes) -> Answer:
        """Take the bytes of a file, at the address that was given for them; that address is the right to do it."""
        with self._lock:
            if self._failure is not None and self._failures_left > 0:
                self._failures_left -= 1
                return self._failure
            problem = self._files.upload(path, content)
        return Answer(body=problem, status=400) if problem else Answer(body=f"OK - {len(content)}")

    def _judge(self, method: str, token: str, arguments: Json) -> Answer:
        if self._failure is not None and self._failures_left > 0:
            self._failures_left -= 1
            return self._failure
        methods = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._whisper,
            "files.getUploadURLExternal": self._announce,
            "files.completeUploadExternal": self._complete,
            "apps.connections.open": self._connect,
            "conversations.list": self._list,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
        }
        if method not in methods:
            return refusal("unknown_method")
        expected = self._app_token if method == "apps.connections.open" else self._token
        if not expected or token != expected:
            return refusal("invalid_auth" if token else "not_authed")
        needed = _NEEDED.get(method, "")
        if needed and needed not in self._scopes:
            return refusal("missing_scope", needed=needed, provided=",".join(sorted(self._scopes)))
        answer = self.intercept(method, arguments) or methods[method](arguments)
        return dataclasses.replace(answer, headers={"X-OAuth-Scopes": ",".join(sorted(self._scopes)), **answer.headers})

    def _auth_test(self, arguments: Json) -> Answer:
        del arguments
        return _ok(url="https://standin.slack.com/", team="stand-in", user="atlas-ops", team_id="T0", user_id="U0")

    def _post(self, arguments: Json) -> Answer:
        if str(arguments.get("channel", "")).lstrip("#") not in (self._channel, CHANNEL_ID):
            return refusal("channel_not_found")
        if (refused := self._refused(arguments)) is not None:
            return refused
        thread = str(arguments.get("thread_ts") or "")
        if thread and (thread not in self._messages or self._messages[thread].thread_ts):
            return refusal("thread_not_found")
        limited = self._limited("post")
        if limited is not None:
            return limited
        message = Message(
            channel=CHANNEL_ID,
            ts=self._next_ts(),
            thread_ts=thread,
            text=str(arguments.get("text", "")),
            blocks=_blocks(arguments),
            metadata=_object(arguments.get("metadata")),
        )
        self._messages[message.ts] = message
        return _ok(channel=CHANNEL_ID, ts=message.ts, message=_shown(message, metadata=True))

    def _update(self, arguments: Json) -> Answer:
        ts = str(arguments.get("ts", ""))
        if arguments.get("channel") != CHANNEL_ID:
            return refusal("channel_not_found")
        if ts not in self._messages:
            return refusal("message_not_found")
        if (refused := self._refused(arguments)) is not None:
            return refused
        limited = self._limited("update")
        if limited is not None:
            return limited
        old = self._messages[ts]
        self._messages[ts] = dataclasses.replace(
            old,
            text=str(arguments.get("text", old.text)),
            blocks=_blocks(arguments) if "blocks" in arguments else old.blocks,
            metadata=_object(arguments["metadata"]) if "metadata" in arguments else old.metadata,
            edits=old.edits + 1,
        )
        return _ok(channel=CHANNEL_ID, ts=ts, text=self._messages[ts].text)

    def _refused(self, arguments: Json) -> Answer | None:
        """Return why Slack does not take a message; None when it does."""
        code, details = slack_limits.problem(arguments)
        missing = [name for name in slack_limits.files(arguments) if not self._files.shows(name)]
        if not code and missing:
            code, details = "invalid_blocks", tuple(f"invalid slack file {name}" for name in missing)
        told = {"messages": [f"[ERROR] {detail}" for detail in details]}
        return refusal(code, response_metadata=told) if code else None

    def _whisper(self, arguments: Json) -> Answer:
        if arguments.get("channel") != CHANNEL_ID:
            return refusal("channel_not_found")
        if not str(arguments.get("user") or "").startswith("U"):
            return refusal("user_not_in_channel")
        if (refused := self._refused(arguments)) is not None:
            return refused
        self._whispers.append(
            Whisper(
                channel=CHANNEL_ID,
                user=str(arguments["user"]),
                thread_ts=str(arguments.get("thread_ts") or ""),
                text=str(arguments.get("text", "")),
            )
        )
        return _ok(message_ts=self._next_ts())

    def _announce(self, arguments: Json) -> Answer:
        made = self._files.announce(arguments)
        if isinstance(made, str):
            return refusal(made)
        return _ok(upload_url=f"{self.url.removesuffix('/api/')}{UPLOADS}{made.id}", file_id=made.id)

    def _complete(self, arguments: Json) -> Answer:
        problem = self._files.complete(arguments)
        return refusal(problem) if problem else _ok(files=arguments["files"])

    def _connect(self, arguments: Json) -> Answer:
        del arguments
        address = self.connections()
        return _ok(url=address) if address else refusal("internal_error")

    def _list(self, arguments: Json) -> Answer:
        if "private_channel" in str(arguments.get("types", "")) and "groups:read" not in self._scopes:
            return refusal("missing_scope", needed="groups:read", provided=",".join(sorted(self._scopes)))
        channel = {"id": CHANNEL_ID, "name": self._channel, "is_channel": True, "is_archived": False, "is_member": True}
        return _ok(channels=[channel], response_metadata={"next_cursor": ""})

    def _history(self, arguments: Json) -> Answer:
        oldest = float(str(arguments.get("oldest") or 0))
        found = [message for message in self._messages.values() if not message.thread_ts and float(message.ts) > oldest]
        return self._page(arguments, found[::-1])

    def _replies(self, arguments: Json) -> Answer:
        thread = str(arguments.get("ts", ""))
        if thread not in self._messages:
            return refusal("thread_not_found")
        found = [message for message in self._messages.values() if thread in (message.ts, message.thread_ts)]
        return self._page(arguments, found)

    def _page(self, arguments: Json, found: list[Message]) -> Answer:
        if arguments.get("channel") != CHANNEL_ID:
            return refusal("channel_not_found")
        first, limit = int(str(arguments.get("cursor") or 0)), int(str(arguments.get("limit") or 100))
        metadata = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
        shown = [_shown(message, metadata=metadata) for message in found[first : first + limit]]
        more = first + limit < len(found)
        cursor = str(first + limit) if more else ""
        return _ok(messages=shown, has_more=more, response_metadata={"next_cursor": cursor})

    def _limited(self, kind: str) -> Answer | None:
        """Return Slack's 429 when a kind of call comes faster than allowed."""
        per_second, burst = self._rate
        now = time.monotonic()
        tokens, at = self._buckets.get(kind, (float(burst), now))
        tokens = min(float(burst), tokens + (now - at) * per_second)
        if tokens < 1:
            self._buckets[kind] = (tokens, now)
            wait = str(math.ceil((1 - tokens) / per_second))
            return Answer(body={"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": wait})
        self._buckets[kind] = (tokens - 1, now)
        return None

    def _next_ts(self) -> str:
        newest = max((float(ts) for ts in self._messages), default=0.0)
        return f"{max(time.time(), newest + 0.000002):.6f}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _ok(**values: object) -> Answer:
    return Answer(body={"ok": True, **values})


def refusal(code: str, **values: object) -> Answer:
    """Return Slack's way to say no: HTTP 200 with an error code."""
    return Answer(body={"ok": False, "error": code, **values})


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _blocks(arguments: Json) -> tuple[Json, ...]:
    found = arguments.get("blocks")
    return tuple(_object(block) for block in found) if isinstance(found, list) else ()


def _shown(message: Message, *, metadata: bool) -> Json:
    shown: dict[str, object] = {"type": "message", "ts": message.ts, "text": message.text, "user": "U0", "bot_id": "B0"}
    shown["blocks"] = list(message.blocks)
    if message.thread_ts:
        shown["thread_ts"] = message.thread_ts
    if metadata:
        shown["metadata"] = message.metadata
    return shown
