"""The reader of native pages agrees with prometheus_client's, on every real page and on any page that can be written.

prometheus_client adds `_total` to the name of a counter that lacks it, so names are compared without that ending. Its text
parser takes the trailing time stamp and no exemplars; its OpenMetrics parser takes exemplars and wants `# EOF` at the end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from atlas_ops.exporter.parse import Page, Parser
from tests.exporter.pages import SAMPLES, parsed

CAPTURES = sorted(path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*.prom"))
OPENMETRICS = [capture for capture in CAPTURES if (SAMPLES / capture).read_bytes().endswith(b"# EOF\n")]

Key = tuple[str, frozenset[tuple[str, str]], str]


def key(name: str, labels: Iterable[tuple[str, str]], value: float) -> Key:
    # An empty label is none; prometheus_client leaves that to Prometheus.
    return name.removesuffix("_total"), frozenset(label for label in labels if label[1]), repr(float(value))


def ours(page: Page) -> Counter[Key]:
    return Counter(key(name, *sample) for name in page.names for sample in page.of(name))


def theirs(families: Iterable[Metric]) -> Counter[Key]:
    samples = (sample for family in families for sample in family.samples)
    return Counter(key(sample.name, sample.labels.items(), sample.value) for sample in samples)


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_real_page_reads_as_prometheus_client_reads_it(capture: str) -> None:
    text = (SAMPLES / capture).read_text(encoding="utf-8")
    page = parsed(text)
    found = ours(page)
    assert found == theirs(text_families(text))
    assert page.bad_lines == 0
    assert found.total() == sum(1 for line in text.splitlines() if line and not line.startswith("#"))


@pytest.mark.parametrize("capture", OPENMETRICS)
def test_every_real_openmetrics_page_reads_as_prometheus_client_reads_it(capture: str) -> None:
    text = (SAMPLES / capture).read_text(encoding="utf-8")
    assert ours(parsed(text)) == theirs(openmetrics_families(text))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("folder", sorted({Path(capture).parent.as_posix() for capture in CAPTURES}))
def test_a_parser_that_saw_other_pages_of_a_server_reads_the_next_one_as_a_new_parser_would(folder: str) -> None:
    parser = Parser()
    for path in sorted((SAMPLES / folder).glob("*.prom")) * 2:
        body = path.read_bytes()
        assert ours(parser.parse(body)) == ours(Parser().parse(body))


names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,12}", fullmatch=True)
label_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not name.startswith("__")
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)
numbers = st.one_of(st.floats(), st.integers(-(10**9), 10**9).map(float))


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def written(number: float) -> str:
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(number, "NaN" if math.isnan(number) else repr(number))


@st.composite
def series(draw: st.DrawFn) -> str:
    labels = draw(st.dictionaries(label_names, texts, max_size=4))
    comma = draw(st.sampled_from(["", ","])) if labels else ""
    body = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + comma
    return f"{draw(names)}{{{body}}}" if body or draw(st.booleans()) else draw(names)


@st.composite
def pages(draw: st.DrawFn) -> list[str]:
    """Several pages of one server: its series stay, in any order, some come and go, and values change."""
    known = draw(st.lists(series(), min_size=1, max_size=5))
    return ["".join(draw(st.lists(lines(known), min_size=1, max_size=8))) for _ in range(2)]


@st.composite
def lines(draw: st.DrawFn, known: list[str]) -> str:
    stamp = draw(st.sampled_from(["", "", " 1700000000000"]))
    line = f"{draw(st.sampled_from(known))} {written(draw(numbers))}{stamp}"
    return draw(st.sampled_from([line, line, line, f"# HELP {draw(names)} {escaped(draw(texts))}", ""])) + "\n"


@given(pages())
def test_any_well_formed_pages_of_a_server_read_as_prometheus_client_reads_them(texts: list[str]) -> None:
    parser = Parser()
    for text in texts:
        page = parser.parse(text.encode())
        assert page.bad_lines == 0
        assert ours(page) == theirs(text_families(text))


@given(st.lists(st.tuples(st.dictionaries(label_names, texts, max_size=3), st.floats(allow_nan=False)), max_size=6))
def test_any_exemplars_and_stamps_of_openmetrics_are_passed_over(samples: list[tuple[dict[str, str], float]]) -> None:
    text = "# TYPE a histogram\n"
    for number, (labels, value) in enumerate(samples):
        body = ",".join(
            f'{name}="{escaped(label)}"' for name, label in {**labels, "le": "1.0", "n": str(number)}.items()
        )
        text += f'a_bucket{{{body}}} {written(value)} 1700000000.5 # {{trace="}} # {number}"}} 0.3 1700000000\n'
    assert {sample.value for sample in parsed(text).of("a_bucket")} == {value for _, value in samples}
    assert parsed(text).bad_lines == 0
