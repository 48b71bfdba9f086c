"""No bytes at all, and no damage to a real page, make the reader raise anything but a failure of the scrape.

`make fuzz` looks for longer, guided by what the code does with each input (`tests/fuzz`).
"""

from __future__ import annotations

import contextlib
import math

from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.scrape_state import ScrapeFailure
from tests.exporter.pages import SAMPLES

REAL = [path.read_bytes() for path in sorted(SAMPLES.rglob("*.prom")) if path.stat().st_size < 20_000]
TOKENS = [b"a", b":", b"{", b"}", b'"', b"\\", b"=", b",", b" ", b"\n", b"#", b"1", b"NaN", b"# TYPE ", b"\xff", b"\0"]
damage = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from([b"", *TOKENS])), min_size=1, max_size=8
)


def damaged(body: bytes, damages: list[tuple[float, int, bytes]]) -> bytes:
    for place, length, instead in damages:
        at = int(place * len(body))
        body = body[:at] + instead + body[at + length :]
    return body


def check(parser: Parser, body: bytes) -> None:
    """Read a page and hold what is on it against what was there: each line once, as a sample or as a bad one."""
    with contextlib.suppress(ScrapeFailure):
        page = parser.parse(body)
        samples = [sample for name in page.names for sample in page.of(name)]
        written = [line.strip() for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
        assert len(samples) + page.bad_lines == sum(1 for line in written if line and not line.startswith(b"#"))
        assert all(isinstance(sample.value, float) for sample in samples)
        assert all(len({name for name, _ in sample.labels}) == len(sample.labels) for sample in samples)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3))
def test_no_bytes_at_all_raise_anything_but_a_failure_of_the_scrape(bodies: list[bytes]) -> None:
    parser = Parser()
    for body in bodies:
        check(parser, body)


@given(st.lists(st.lists(st.sampled_from(TOKENS), max_size=60).map(b"".join), min_size=1, max_size=3))
def test_nothing_made_of_the_pieces_of_a_page_raises_anything_but_a_failure_of_the_scrape(bodies: list[bytes]) -> None:
    parser = Parser()
    for body in bodies:
        check(parser, body)


@given(st.sampled_from(REAL), damage)
def test_a_damaged_page_costs_the_damaged_lines_and_leaves_nothing_behind(
    body: bytes, damages: list[tuple[float, int, bytes]]
) -> None:
    parser = Parser()
    check(parser, body)
    check(parser, damaged(body, damages))
    after, fresh = parser.parse(body), Parser().parse(body)
    assert after.names == fresh.names
    for name in after.names:
        pairs = zip(after.of(name), fresh.of(name), strict=True)
        assert all(a.labels == b.labels and (a.value == b.value or math.isnan(b.value)) for a, b in pairs)
