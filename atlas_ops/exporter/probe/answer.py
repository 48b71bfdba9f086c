"""Judges an answer while it comes in: whether there is a token, whether an error, and whether it is whole.

Made by `prober` for each answer with a good HTTP status. `StreamAnswer` is for Server-Sent Events, `WholeAnswer` for
everything else. A web page is never an answer of a model: a proxy or a login before the server sends those, with 200.
"""

from __future__ import annotations

import re
from typing import Protocol

from atlas_ops.exporter.probe import words
from atlas_ops.exporter.probe.events import Event, EventReader
from atlas_ops.exporter.probe.outcome import ProbeFailure, Result
from atlas_ops.exporter.probe.question import Api

MAX_BYTES = 64 << 20
"""More than any answer to a small request: a picture as numbers in JSON is below."""
KEPT_BYTES = 1 << 16
"""How much of a whole answer is kept to look for an error in it. Errors are short; tensors may be long."""
EVENT_STREAM = "text/event-stream"
_DONE = "[DONE]"
_WEB_PAGES = ("text/html", "application/xhtml+xml")
_PAGE_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!--|!doctype\s+html\b|html\b)", re.IGNORECASE)
_NEITHER = "the answer is neither an event stream nor a JSON object"


class Answer(Protocol):
    """What an answer is until now."""

    has_token: bool
    """Whether a token was streamed."""
    done: bool
    """Whether it has said itself that nothing follows."""

    def feed(self, chunk: bytes) -> None:
        """Take more of it; ProbeFailure when it is known to have failed."""

    def end(self) -> None:
        """Take its end; ProbeFailure unless it is whole and as it should be."""


def answer_for(content_type: str, start: bytes, api: Api, json_bytes: int | None = None) -> Answer:
    """Return what judges an answer that starts like this; `json_bytes`: where its JSON ends and binary tensors begin.

    A server that does not stream answers OpenAI's API with one JSON document. Some that do stream name another content
    type, so there the first byte tells: no line of an event stream begins like JSON, or like a web page.
    """
    if api.openai:
        return WholeAnswer(api) if start.lstrip()[:1] in (b"{", b"[", b"<", b"") else StreamAnswer(openai=True)
    if content_type == EVENT_STREAM:
        return StreamAnswer(openai=False)
    return WholeAnswer(api, is_page=content_type in _WEB_PAGES, json_bytes=json_bytes)


class StreamAnswer:
    """An event stream. With `openai` it has to end in `[DONE]` or to have told why it stopped."""

    def __init__(self, *, openai: bool) -> None:
        self.has_token = False
        self.done = False
        self._openai = openai
        self._finished = not openai
        self._reader = EventReader()

    def feed(self, chunk: bytes) -> None:
        """Take more of it; what follows `[DONE]` is not looked at."""
        for event in self._reader.feed(chunk):
            self._take(event)

    def end(self) -> None:
        """Take its end."""
        for event in self._reader.end():
            self._take(event)
        if not (self.done or self._reader.is_stream):
            raise ProbeFailure(Result.GARBAGE, _NEITHER)
        if not (self.done or self._finished):
            raise ProbeFailure(Result.TRUNCATED, "the stream ended without [DONE] and without a finish_reason")
        if not self.has_token:
            raise ProbeFailure(Result.EMPTY, "the stream ended without a token")

    def _take(self, event: Event) -> None:
        if self.done or event.data.strip() == _DONE:
            self.done = True
            return
        message = words.parse(event.data)
        words.refuse_error(message, named=event.name == "error")
        if not self._openai:
            self.has_token = True
            return
        if not isinstance(message, dict):
            raise ProbeFailure(Result.GARBAGE, "an event of the stream is no JSON object")
        words.refuse_failed(message)
        self.has_token |= words.has_text(message)
        self._finished |= words.is_finished(message)


class WholeAnswer:
    """A document. OpenAI's has to hold a token, one in JSON what its API says; others may be anything but a web page."""

    has_token = False
    done = False

    def __init__(self, api: Api, *, is_page: bool = False, json_bytes: int | None = None) -> None:
        self._api, self._is_page, self._json_bytes = api, is_page, json_bytes
        self._kept = bytearray()
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take more of it."""
        self._kept += chunk[: KEPT_BYTES - len(self._kept)]
        self._size += len(chunk)

    def end(self) -> None:
        """Take its end."""
        if self._is_page or _PAGE_START.match(self._kept):
            raise ProbeFailure(Result.GARBAGE, "the answer is a web page, as of a login or a proxy before the server")
        message = words.parse(self._kept[: self._json_bytes].decode("utf-8", errors="replace"))
        words.refuse_error(message)
        if not (self._api.openai or self._api.holds):
            return
        if not self._kept.strip():
            raise ProbeFailure(Result.EMPTY, "the answer is empty")
        if self._api.holds and (self._json_bytes or self._size) > KEPT_BYTES:
            self._judge_start()
        elif not isinstance(message, dict):
            raise ProbeFailure(Result.GARBAGE, _NEITHER if self._api.openai else "the answer is no JSON object")
        else:
            self._judge(message)

    def _judge(self, message: dict[str, object]) -> None:
        if self._api.openai:
            words.refuse_failed(message)
        if not (words.has_text(message) if self._api.openai else words.holds(message, self._api.holds)):
            raise ProbeFailure(Result.EMPTY, f"the answer holds no {'token' if self._api.openai else 'result'}")

    def _judge_start(self) -> None:
        """Judge an answer that is too long to be kept, and so holds something: by a key of the API at its start."""
        keys = "|".join(self._api.holds).encode()
        if not re.match(rb'\s*\{.*"(?:%s)"\s*:' % keys, self._kept, re.DOTALL):
            raise ProbeFailure(Result.GARBAGE, "the answer does not begin as a JSON object of this API")
