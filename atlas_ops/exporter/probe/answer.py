"""Judges an answer while it comes in: whether there is a token, whether an error, and whether it is whole.

Made by `prober` for each answer with a good HTTP status. `StreamAnswer` is for Server-Sent Events, `WholeAnswer` for
everything else; `openai` says whether tokens in the form of OpenAI's API are what was asked for.
"""

from __future__ import annotations

from typing import Protocol

from atlas_ops.exporter.probe import words
from atlas_ops.exporter.probe.events import Event, EventReader
from atlas_ops.exporter.probe.outcome import ProbeFailure, Result

MAX_BYTES = 64 << 20
"""More than any answer to a small request: a picture as numbers in JSON is below."""
KEPT_BYTES = 1 << 16
"""How much of a whole answer is kept to look for an error in it. Errors are short; tensors may be long."""
EVENT_STREAM = "text/event-stream"
_DONE = "[DONE]"


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


def answer_for(content_type: str, start: bytes, *, openai: bool) -> Answer:
    """Return what judges an answer that starts like this.

    A server that does not stream answers OpenAI's API with one JSON document. Some that do stream name another content
    type, so there the first byte tells.
    """
    if openai:
        return WholeAnswer(openai=True) if start.lstrip()[:1] in (b"{", b"[", b"") else StreamAnswer(openai=True)
    return StreamAnswer(openai=False) if content_type == EVENT_STREAM else WholeAnswer(openai=False)


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
        self.has_token |= words.has_text(message)
        self._finished |= words.is_finished(message)


class WholeAnswer:
    """A document. With `openai` it has to hold a token; of other APIs, only those in JSON can be looked into."""

    has_token = False
    done = False

    def __init__(self, *, openai: bool) -> None:
        self._openai = openai
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take more of it."""
        self._kept += chunk[: KEPT_BYTES - len(self._kept)]

    def end(self) -> None:
        """Take its end."""
        message = words.parse(self._kept.decode("utf-8", errors="replace"))
        words.refuse_error(message)
        if not self._openai:
            return
        if not self._kept.strip():
            raise ProbeFailure(Result.EMPTY, "the answer is empty")
        if not isinstance(message, dict):
            raise ProbeFailure(Result.GARBAGE, "the answer is neither an event stream nor a JSON object")
        if not words.has_text(message):
            raise ProbeFailure(Result.EMPTY, "the answer holds no token")
