"""Lines of a stream are the same whatever pieces it comes in."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.discovery.lines import Lines

TEXTS = st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=8)


@given(texts=TEXTS, cuts=st.lists(st.integers(0, 120), max_size=8))
def test_the_lines_are_the_same_whatever_pieces_they_come_in(texts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(text + b"\n" for text in texts)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    lines = Lines(8)
    found = [line for begin, end in itertools.pairwise(edges) for line in lines.feed(stream[begin:end])]
    assert found == [text for text in texts if text.strip() and len(text) <= 8]
    assert lines.skipped == sum(len(text) > 8 for text in texts)


def test_what_is_too_long_is_not_kept() -> None:
    lines = Lines(8)
    assert not list(lines.feed(b"12345"))
    for _ in range(1000):
        assert not list(lines.feed(b"x" * 1000))
    assert not lines._begun
    assert list(lines.feed(b"x\nnext\n")) == [b"next"]
    assert lines.skipped == 1
