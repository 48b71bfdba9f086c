"""Whatever a server sends, reading it costs bounded time and memory: hostile pages are refused, or read like good ones.

Nothing here looks at a clock: a reader that goes over a line again and again would not come to the end of these tests.
How long each page takes is measured by `benchmarks/translate.py`.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from atlas_ops.exporter import exposition, parse
from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState
from tests.exporter.pages import parsed

LONGEST = parse.MAX_LINE_BYTES


@pytest.mark.parametrize("line", ["a 1", "#", "", "?"])
def test_a_page_with_more_lines_than_any_real_one_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_LINES", 4)
    parsed(f"a 1\n{line}\n" * 2)
    with pytest.raises(ScrapeFailure, match="more than 4 lines") as raised:
        parsed(f"a 1\n{line}\n" * 3)
    assert raised.value.state is ScrapeState.UNPARSABLE


def test_a_page_with_more_labels_than_any_real_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_LABELS", 4)
    parsed('a{b="1",c="2"} 1\n' * 2)
    with pytest.raises(ScrapeFailure, match="more than 4 labels") as raised:
        parsed('a{b="1",c="2"} 1\n' * 3)
    assert raised.value.state is ScrapeState.UNPARSABLE


def test_a_line_longer_than_any_real_one_is_a_bad_line_and_the_longest_allowed_one_is_not() -> None:
    start, end = 'a{b="', '"} 1'
    longest = start + "x" * (LONGEST - len(start + end)) + end
    assert parsed(f"{longest}\nc 1\n").bad_lines == 0
    assert parsed(f"{longest}0\nc 1\n").bad_lines == 1
    assert parsed(f"# HELP c {longest * 2}\nc 1\n").bad_lines == 0


def filled(start: str, unit: str, end: str) -> bytes:
    """A line of almost the greatest length, and a good one before it."""
    return f"good 1\n{start}{unit * ((LONGEST - 100) // len(unit))}{end}\n".encode()


@pytest.mark.parametrize(
    ("start", "unit", "end", "bad"),
    [
        ('a{b="', r"\\", '"} 1', 0),
        ('a{b="', r"\"", '"} 1', 0),
        ('a{b="', r"\\", "} 1", 1),
        ('a{b="', r"\n", '" 1', 1),
        ('a{b="c"', ',d="e"', "} 1", 1),
        ("a{", 'b="",', "x} 1", 1),
        ("a{", 'b="" , ', '"', 1),
        ("a", " ", "", 1),
        ("a{", " ", "} 1", 0),
        ("a 1", " ", "x", 1),
        ("a ", "9", "", 0),
        ("a ", "1 ", "", 1),
        ("a 1 ", "#", "", 0),
        ("", "} ", "", 1),
        ("", "a{", "", 1),
        ('{"', r"\"", '"} 1', 0),
        ("{", '"",', "} 1", 1),
        ("# TYPE", " ", "", 0),
        ("# TYPE ", "a", " counter", 0),
        ("", "\0", "", 1),
    ],
)
def test_a_line_made_to_be_slow_is_read_to_its_end(start: str, unit: str, end: str, bad: int) -> None:
    parser = Parser()
    for _ in range(3):
        page = parser.parse(filled(start, unit, end) * 4)
        assert (page.bad_lines, len(page.of("good"))) == (4 * bad, 4)


def changing(number: int) -> bytes:
    """A page of which no series was ever there before."""
    return "".join(f'a{{b="{number}-{line}",c="{number}"}} {line}\n' for line in range(50)).encode()


def kept(pages: Iterator[bytes], parser: Parser) -> int:
    """Bytes that are still held after the parser has read the pages."""
    for page in pages:
        parser.parse(page)
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_a_server_that_makes_up_new_series_for_ever_fills_no_memory() -> None:
    parser = Parser()
    early = kept(map(changing, range(20)), parser)
    assert kept(map(changing, range(20, 300)), parser) < 2 * early


@pytest.mark.usefixtures("traced")
def test_of_a_page_larger_than_any_real_one_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    large = b"".join(map(changing, range(40)))
    costs = []
    for remembered in (len(large) - 1, len(large)):
        monkeypatch.setattr(parse, "REMEMBERED_BYTES", remembered)
        parser = Parser()
        before = tracemalloc.get_traced_memory()[0]
        costs.append(kept(iter([large]), parser) - before)
    assert costs[0] < costs[1] / 5


def test_series_share_the_labels_that_they_have_in_common() -> None:
    page = parsed('a{b="c"} 1\nd{b="c"} 1\n')
    assert page.of("a")[0].labels[0] is page.of("d")[0].labels[0]


def test_labels_that_could_be_shared_are_not_collected_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "MOST_PAIRS", 10)
    pairs = exposition.Pairs()
    for number in range(50):
        assert exposition.labels(b'a="%d",b="c"' % number, pairs) == (("a", str(number)), ("b", "c"))
        assert len(pairs) <= 10
