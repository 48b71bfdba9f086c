"""Event streams are read as the standard says, in whatever pieces they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.probe import events
from atlas_ops.exporter.probe.events import Event, EventReader
from atlas_ops.exporter.probe.outcome import ProbeFailure, Result


def read(*pieces: bytes) -> list[Event]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.end()


def data(*texts: str) -> list[Event]:
    return [Event("", text) for text in texts]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", data("a", "b")),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", data("a", "b")),
        (b"data: a\r\rdata: b\r\r", data("a", "b")),
        (b"data:a\ndata: b\ndata\ndata:  c\n\n", data("a\nb\n\n c")),
        (b": ping\n\n: ping\n\ndata: a\n\n:\n\n", data("a")),
        (b"\xef\xbb\xbfdata: a\n\n", data("a")),
        (b"id: 7\nretry: 10\nevent: error\ndata: {}\n\ndata: a\n\n", [Event("error", "{}"), *data("a")]),
        (b"event: nothing\n\ndata: a\n\n", data("a")),
        ("data: Grüße, 世界\n\n".encode(), data("Grüße, 世界")),
        (b"data: \xff\xfe\n\n", data("\ufffd\ufffd")),
        (b"data: a\n\ndata: [DONE]\n", data("a", "[DONE]")),
        (b"data: a\n\ndata: half an event\ndata: half a li", data("a")),
        (b"<html>no stream at all</html>", []),
        (b"", []),
    ],
)
def test_an_event_stream_is_read_as_the_standard_says(stream: bytes, expected: list[Event]) -> None:
    assert read(stream) == expected


LINES = st.sampled_from(
    [b"data: one", b"data:two", b"data", b": ping", b"", b"event: error", "data: 世界é".encode(), b"junk\x00\xff"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS)).map(lambda lines: b"".join(line + end for line, end in lines)) | st.binary()


@given(STREAMS, st.data())
def test_how_the_bytes_are_cut_changes_nothing(stream: bytes, choice: st.DataObject) -> None:
    cuts = sorted(choice.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == read(stream)
    assert read(*(bytes([byte]) for byte in stream)) == read(stream)


def test_an_event_comes_with_its_last_byte_not_later() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r\n\r") == data("a"), "the line feed that may follow is not waited for"
    assert reader.feed(b"\ndata: b\r\n\r\n") == data("b")


@pytest.mark.parametrize("flood", [b"a" * 60, b"data: a\n", b": ping\n"], ids=["line", "event", "comments"])
def test_an_event_beyond_all_bounds_is_refused(flood: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENT_BYTES", 1000)
    with pytest.raises(ProbeFailure, match="larger than 1000 bytes") as raised:
        read(*[flood] * 1000)
    assert raised.value.result is Result.GARBAGE


def test_many_small_events_are_not_one_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENT_BYTES", 1000)
    assert len(read(*[b": ping\n\ndata: a\n\n"] * 1000)) == 1000
