"""The reader of native pages: as right as prometheus_client, and not stopped by what real servers print."""

from __future__ import annotations

import contextlib
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from atlas_ops.exporter import parse
from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState
from tests.exporter.pages import CAPTURES, parsed, text_of

Key = tuple[str, frozenset[tuple[str, str]], str]


def key(name: str, labels: frozenset[tuple[str, str]], value: float) -> Key:
    # prometheus_client adds _total to counters that lack it, so both sides are compared without.
    return name.removesuffix("_total"), labels, repr(float(value))


def ours(text: str) -> Counter[Key]:
    page = parsed(text)
    return Counter(key(name, frozenset(labels), value) for name in page.names for labels, value in page.of(name))


def theirs(text: str) -> Counter[Key]:
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return Counter(key(sample.name, frozenset(sample.labels.items()), sample.value) for sample in samples)


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_real_page_reads_as_prometheus_client_reads_it(capture: str) -> None:
    text = text_of(capture)
    found = ours(text)
    assert found == theirs(text)
    assert found.total() == sum(1 for line in text.splitlines() if not line.startswith("#"))


names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,12}", fullmatch=True)
label_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not name.startswith("__")
)
label_values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)
numbers = st.one_of(st.floats(), st.integers(-(10**9), 10**9).map(float))


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


@st.composite
def sample_lines(draw: st.DrawFn) -> str:
    labels = draw(st.dictionaries(label_names, label_values, max_size=4))
    body = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    braces = f"{{{body}}}" if labels else ""
    number = draw(numbers)
    value = {math.inf: "+Inf", -math.inf: "-Inf"}.get(number, "NaN" if math.isnan(number) else repr(number))
    stamp = draw(st.sampled_from(["", " 1700000000000"]))
    return f"{draw(names)}{braces} {value}{stamp}"


@given(st.lists(sample_lines(), min_size=1, max_size=20))
def test_any_well_formed_page_reads_as_prometheus_client_reads_it(lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    assert ours(text) == theirs(text)


@given(st.binary(max_size=400))
def test_no_bytes_at_all_raise_anything_but_a_failure_of_the_scrape(body: bytes) -> None:
    with contextlib.suppress(ScrapeFailure):
        Parser().parse(body)


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        ('a{b="c",} 1', (("b", "c"),), 1.0),
        ('a{ b = "c" , d="e" } 1', (("b", "c"), ("d", "e")), 1.0),
        ("a{} 1", (), 1.0),
        ("a 1 1700000000000", (), 1.0),
        ("a 1\r", (), 1.0),
        ("a\t1", (), 1.0),
        ("  a 1", (), 1.0),
        ('a{b="c"}1', (("b", "c"),), 1.0),
        ('a{b="} 7"} 3', (("b", "} 7"),), 3.0),
        (r'a{b="x\"y\\n\n"} 3', (("b", 'x"y\\n\n'),), 3.0),
        ('a{le="1"} 5 # {trace="}"} 0.3 1700000000', (("le", "1"),), 5.0),
        ('a 5 # {trace="x"} 0.3', (), 5.0),
        ("a +Inf", (), math.inf),
        ("a 1.04099e+06", (), 1_040_990.0),
    ],
)
def test_what_real_servers_print_is_understood(line: str, labels: object, value: float) -> None:
    page = parsed(line + "\n")
    assert page.bad_lines == 0
    assert [tuple(sample) for sample in page.of("a")] == [(labels, value)]


@pytest.mark.parametrize("text", ["NaN", "Nan", "nan"])
def test_a_value_that_is_no_number_is_read_as_such(text: str) -> None:
    (sample,) = parsed(f'a{{quantile="0.5"}} {text}\n').of("a")
    assert math.isnan(sample.value)


@pytest.mark.parametrize(
    "line",
    ["a", "a{", 'a{b="c"', 'a{b="c" d="e"} 1', 'a{b="c",b="d"} 1', "a one", "a 1 soon", "a 1 2 3", "1a 1", "a+1"],
)
def test_a_bad_line_is_counted_and_costs_only_itself(line: str) -> None:
    page = parsed(f"before 1\n{line}\nafter 2\n")
    assert page.bad_lines == 1
    assert set(page.names) == {"before", "after"}


def test_the_first_type_of_a_family_counts_and_unknown_ones_are_kept() -> None:
    page = parsed("# TYPE a counter\na 1\n# HELP a again\n# TYPE a gauge\n# TYPE b stateset\nb 1\n# EOF\n")
    assert (page.type_of("a"), page.type_of("b"), page.type_of("c")) == ("counter", "stateset", "untyped")


@pytest.mark.parametrize("text", ["", "\n\n", "# HELP a b\n# TYPE a counter\n"])
def test_a_page_without_samples_is_empty_and_no_failure(text: str) -> None:
    assert not parsed(text).names


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<!doctype html>\n<p>metrics 5\n", "HTML"),
        ('{"requests": 5}', "JSON"),
        ('[\n{"requests": 5}\n]\n', "JSON"),
        ("nothing to see here, move on\n", "no line"),
        ("\x00\x01\x02\xff", "no line"),
    ],
)
def test_a_document_of_another_kind_is_refused_by_name(text: str, kind: str) -> None:
    with pytest.raises(ScrapeFailure, match=kind) as raised:
        parsed(text)
    assert raised.value.state is ScrapeState.UNPARSABLE


@pytest.mark.parametrize("line", ["a 1", "#", "", "?"])
def test_a_page_with_more_lines_than_any_real_one_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_LINES", 4)
    parsed(f"a 1\n{line}\n" * 2)
    with pytest.raises(ScrapeFailure, match="more than 4 lines"):
        parsed(f"a 1\n{line}\n" * 3)


def test_remembered_series_give_the_same_page_again() -> None:
    parser, text = Parser(), text_of("vllm/kv-pressure-1")
    first, second = parser.parse(text.encode()), parser.parse(text.encode())
    assert {name: list(first.of(name)) for name in first.names} == {
        name: list(second.of(name)) for name in second.names
    }


def test_a_server_that_makes_up_new_series_for_ever_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "CACHE_BYTES", 100_000)
    parser = Parser()
    for number in range(2_000):
        parser.parse(f'a{{b="{number}"}} {number}\n'.encode())
    assert len(parser._cache) <= 200
