"""Reads Server-Sent Events from bytes that come in any pieces, after the WHATWG's standard.

Used by `answer`. One difference: an event whose last empty line is missing counts when the stream ends, because some
servers leave it out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from atlas_ops.exporter.probe.outcome import ProbeFailure, Result

MAX_EVENT_BYTES = 1 << 20
"""Events of a few tokens have some hundred bytes; with log-probabilities a few thousand."""
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FIELDS = ("data", "event", "id", "retry", "")
"""What a line may begin with, before its colon; nothing: a comment."""


class Event(NamedTuple):
    """One event. `name` is empty where the stream gives it none."""

    name: str
    data: str


class EventReader:
    """Takes the bytes of one stream. Comments, which servers send to keep a connection open, are no events."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        """Pieces of a line whose end has not come."""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        """Bytes since the last event."""
        self._after_return = False
        self._at_start = True
        self.is_stream = False
        """Whether a line was one of an event stream."""

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that end in these bytes; ProbeFailure when one is larger than MAX_EVENT_BYTES."""
        if not chunk:
            return []
        rest = chunk[1:] if self._after_return and chunk.startswith(b"\n") else chunk
        self._after_return = rest.endswith(b"\r")
        *lines, last = _LINE_END.split(rest)
        events = []
        for line in lines:
            whole = b"".join((*self._pending, line))
            self._pending = []
            self._grow(len(line) + 1)
            events += self._line(whole)
        self._grow(len(last))
        if last:
            self._pending.append(last)
        return events

    def end(self) -> list[Event]:
        """Return the event that was waiting for its empty line; none when its last line is not whole."""
        if self._pending:
            self._line(b"".join(self._pending))
            return []
        return self._dispatch()

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            raise ProbeFailure(Result.GARBAGE, f"an event of the stream is larger than {MAX_EVENT_BYTES} bytes")

    def _line(self, line: bytes) -> list[Event]:
        if self._at_start:
            line, self._at_start = line.removeprefix(_BYTE_ORDER_MARK), False
        if not line:
            return self._dispatch()
        field, colon, value = line.decode("utf-8", errors="replace").partition(":")
        self.is_stream |= bool(colon) and field in _FIELDS
        if field == "data":
            self._data.append(value.removeprefix(" "))
        elif field == "event":
            self._name = value.removeprefix(" ")
        return []

    def _dispatch(self) -> list[Event]:
        events = [Event(self._name, "\n".join(self._data))] if self._data else []
        self._name, self._data, self._size = "", [], 0
        return events
