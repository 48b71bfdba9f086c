"""The readers of foreign text raise what they promise and nothing else, on damaged files, on their pieces, on anything.

`make fuzz` looks for longer.
"""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.scrape_state import ScrapeFailure
from tests.fuzz.targets import BETWEEN_PAGES, TARGETS, read_dialect, read_pages

PAGES = [seed.read_bytes() for seed in TARGETS["parser"].seeds if seed.stat().st_size < 20_000]
DIALECTS = [seed.read_bytes() for seed in TARGETS["dialect"].seeds]
PAGE_PIECES = [
    b"a",
    b":",
    b"{",
    b"}",
    b'"',
    b"\\",
    b"=",
    b",",
    b" ",
    b"\n",
    b"#",
    b"1",
    b"NaN",
    b"# TYPE ",
    b"\xff",
    b"\0",
]
YAML_PIECES = [
    b"runtime: vllm\n",
    b": ",
    b"- ",
    b"\n  ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"&a ",
    b"*a",
    b"!!x ",
    b'"',
    b"~",
    b"1e999",
    b"\0",
]

Damage = tuple[float, int, bytes]


def damages(pieces: list[bytes]) -> st.SearchStrategy[list[Damage]]:
    """Where (0 to 1), how much goes, and what comes instead."""
    one = st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from([b"", *pieces]))
    return st.lists(one, min_size=1, max_size=8)


def damaged(body: bytes, done: list[Damage]) -> bytes:
    for place, length, instead in done:
        at = int(place * len(body))
        body = body[:at] + instead + body[at + length :]
    return body


def test_there_are_files_to_begin_with() -> None:
    assert PAGES
    assert DIALECTS


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=400))
def test_no_bytes_at_all_break_a_reader(name: str, data: bytes) -> None:
    TARGETS[name].read(data)


@given(st.lists(st.sampled_from([*PAGE_PIECES, BETWEEN_PAGES]), max_size=100).map(b"".join))
def test_nothing_made_of_the_pieces_of_pages_breaks_the_parser(data: bytes) -> None:
    read_pages(data)


@given(st.lists(st.sampled_from(YAML_PIECES), max_size=40).map(b"".join))
def test_nothing_made_of_the_pieces_of_yaml_breaks_the_loader_of_dialects(data: bytes) -> None:
    read_dialect(data)


@given(st.sampled_from(DIALECTS), damages(YAML_PIECES))
def test_no_damage_to_a_dialect_breaks_its_loader(body: bytes, done: list[Damage]) -> None:
    read_dialect(damaged(body, done))


@given(st.sampled_from(PAGES), damages(PAGE_PIECES))
def test_no_damage_to_a_page_breaks_the_parser_or_shows_on_the_next_page(body: bytes, done: list[Damage]) -> None:
    broken = damaged(body, done)
    read_pages(BETWEEN_PAGES.join([body, broken, body]))
    parser = Parser()
    parser.parse(body)
    with contextlib.suppress(ScrapeFailure):
        parser.parse(broken)
    after, fresh = parser.parse(body), Parser().parse(body)
    assert after.names == fresh.names
    for name in after.names:
        pairs = zip(after.of(name), fresh.of(name), strict=True)
        assert all(a.labels == b.labels and (a.value == b.value or math.isnan(b.value)) for a, b in pairs)
