"""The reader of native pages takes what real servers print, and is not stopped by what they should not have printed."""

from __future__ import annotations

import math

import pytest

from atlas_ops.exporter import parse
from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState
from tests.exporter.pages import parsed

LINES = [
    ("a 1", (), 1.0),
    ("a{} 1", (), 1.0),
    ("a { } 1", (), 1.0),
    ('a{b="c"}1', (("b", "c"),), 1.0),
    ('a{b="c",} 1', (("b", "c"),), 1.0),
    ('a{b="c", } 1', (("b", "c"),), 1.0),
    ('a{ b = "c" , d="e" } 1', (("b", "c"), ("d", "e")), 1.0),
    ('a {b="c"} 1', (("b", "c"),), 1.0),
    ("  a 1  ", (), 1.0),
    ("a\t1", (), 1.0),
    ('\ta{b="c"}\t1\t1700000000000', (("b", "c"),), 1.0),
    ("a 1\r", (), 1.0),
    ('a{b=""} 1', (), 1.0),
    ('a{b="",c="1"} 1', (("c", "1"),), 1.0),
    ('a{b="} 7"} 3', (("b", "} 7"),), 3.0),
    ('a{b=" # "} 3', (("b", " # "),), 3.0),
    (r'a{b="x\"y\\n\n\\"} 3', (("b", 'x"y\\n\n\\'),), 3.0),
    (r'a{b="C:\dir"} 3', (("b", r"C:\dir"),), 3.0),
    ('a{b="größe 模型"} 3', (("b", "größe 模型"),), 3.0),
    ('a{b="x\0y"} 3', (("b", "x\0y"),), 3.0),
    # time stamps in milliseconds, in OpenMetrics in seconds
    ("a 1 1700000000000", (), 1.0),
    ("a 1 1700000000.123", (), 1.0),
    ("a 1 -1", (), 1.0),
    # exemplars
    ('a{le="1"} 5 # {trace="}"} 0.3 1700000000', (("le", "1"),), 5.0),
    ('a{le="1"} 5 1700000000 # {trace="x"} 0.3', (("le", "1"),), 5.0),
    ('a 5 # {trace="x"} 0.3', (), 5.0),
    # numbers
    ("a +Inf", (), math.inf),
    ("a +inf", (), math.inf),
    ("a Inf", (), math.inf),
    ("a -Inf", (), -math.inf),
    ("a -infinity", (), -math.inf),
    ("a 1.04099e+06", (), 1_040_990.0),
    ("a .5", (), 0.5),
    ("a 1e400", (), math.inf),
]


def both_times(line: str) -> list[list[tuple[object, ...]]]:
    """What is said of `a` by a page that is new, and by one whose series are known and whose values have changed."""
    parser = Parser()
    pages = [parser.parse(f"{before}{line}\n".encode()) for before in ("", "moved 1\n")]
    assert not any(page.bad_lines for page in pages)
    return [[tuple(sample) for sample in page.of("a")] for page in pages]


@pytest.mark.parametrize(("line", "labels", "value"), LINES)
def test_what_real_servers_print_is_understood_at_first_sight_and_later(
    line: str, labels: object, value: float
) -> None:
    assert both_times(line) == [[(labels, value)]] * 2


@pytest.mark.parametrize("text", ["NaN", "Nan", "nan", "NAN", "+NaN"])
def test_a_value_that_is_no_number_is_read_as_such(text: str) -> None:
    for samples in both_times(f'a{{quantile="0.5"}} {text}'):
        ((_, value),) = samples
        assert isinstance(value, float)
        assert math.isnan(value)


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a ",
        "a{",
        'a{b="c"',
        'a{b="c"}',
        'a{b="c} 1',
        'a{b="c" d="e"} 1',
        'a{b="c",,d="e"} 1',
        'a{,b="c"} 1',
        'a{b="c",d} 1',
        "a{b=c} 1",
        "a{b='c'} 1",
        'a{b="c",b="d"} 1',
        'a{1b="c"} 1',
        'a{b:="c"} 1',
        "a one",
        "a 1 soon",
        "a 1 2 3",
        "1a 1",
        "a+1",
        "a\x001",
        "a,1",
        "ä 1",
        "a 1_000",
        "a{} 1_000",
        "a 1 1_700",
        "a 0x1p4",
        "a 0x10",
        "a ١٢",
        "a 1\u00a0",
        "a --1",
        "a ½",
    ],
)
def test_a_bad_line_is_counted_and_costs_only_itself(line: str) -> None:
    parser = Parser()
    for page in (parser.parse(f"{start}a 7\nafter 2\n{line}\n".encode()) for start in ("", "moved 1\n", "moved 1\n")):
        assert page.bad_lines == 1
        assert page.names == {"a", "after"} | ({"moved"} & page.names)
        assert [sample.value for sample in page.of("a")] == [7.0]


def test_a_line_is_no_sample_of_a_series_only_because_it_begins_like_one() -> None:
    parser = Parser()
    parser.parse(b'ab 1\nc{d="e"} 1\n')
    page = parser.parse(b'moved 1\nab1\nab2 3\nab 5\nc{d="e"}f 1\nc{d="e"} 6\n')
    assert {name: [sample.value for sample in page.of(name)] for name in page.names} == {
        "moved": [1.0],
        "ab2": [3.0],
        "ab": [5.0],
        "c": [6.0],
    }
    assert page.bad_lines == 2


@pytest.mark.parametrize(
    ("line", "name", "labels"),
    [
        (":tensorflow:serving:request_count 1", ":tensorflow:serving:request_count", ()),
        ('{"http.server.duration", route="/"} 1', "http.server.duration", (("route", "/"),)),
        ('{"my metric"} 1', "my metric", ()),
        (r'{"a\"b",} 1', 'a"b', ()),
        ('a{"k8s.pod.name"="p", b="c"} 1', "a", (("k8s.pod.name", "p"), ("b", "c"))),
    ],
)
def test_names_with_colons_and_the_quoted_names_of_prometheus_3_are_names(line: str, name: str, labels: object) -> None:
    page = parsed(f"{line}\n")
    assert [tuple(sample) for sample in page.of(name)] == [(labels, 1.0)]


@pytest.mark.parametrize("line", ['{""} 1', '{"a" b="c"} 1', 'a{"b"} 1', '{a="b"} 1', "{} 1", 'a{""="b"} 1'])
def test_a_series_has_exactly_one_name_and_no_label_without_one(line: str) -> None:
    assert parsed(f"before 1\n{line}\n").bad_lines == 1


def test_bytes_that_are_no_utf8_cost_a_label_its_letters_and_a_name_its_line() -> None:
    page = Parser().parse(b'a{b="x\xffy"} 1\na\xff 2\n')
    assert (page.of("a"), page.bad_lines) == ([((("b", "x\ufffdy"),), 1.0)], 1)


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_part_of_the_page() -> None:
    page = Parser().parse(b"\xef\xbb\xbf# TYPE a counter\r\na 1\r\n\r\nb 2")
    assert (set(page.names), page.type_of("a"), page.bad_lines) == ({"a", "b"}, "counter", 0)


def test_the_first_type_of_a_family_counts_and_unknown_ones_are_kept() -> None:
    page = parsed(
        '# TYPE a counter\na 1\n# HELP a again\n# TYPE a gauge\n#\tTYPE  b stateset \nb 1\n# TYPE "c d" info\n# EOF\n'
    )
    assert [page.type_of(name) for name in ("a", "b", "c d", "c")] == ["counter", "stateset", "info", "untyped"]


@pytest.mark.parametrize(
    "comment",
    ["#", "# TYPE a", "# TYPE", "#TYPEa b", "# UNIT a seconds", "# HELP a # TYPE a gauge", '# TYPE " a', '# TYPE "" a'],
)
def test_any_other_comment_says_nothing(comment: str) -> None:
    page = parsed(f"{comment}\nb 1\n")
    assert (page.type_of("a"), page.has("a"), page.bad_lines) == ("untyped", False, 0)


def test_a_family_that_is_only_declared_is_on_the_page_without_samples() -> None:
    page = parsed("# HELP a b\n# TYPE a counter\n")
    assert (page.has("a"), set(page.names), page.of("a")) == (True, set(), ())


@pytest.mark.parametrize("body", [b"", b"\n\n", b" \t\r\n", b"# HELP a b\n", b"\xef\xbb\xbf"])
def test_a_page_without_samples_is_empty_and_no_failure(body: bytes) -> None:
    assert not Parser().parse(body).names


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!doctype html>\n<p>metrics 5\nvisitors 7\n", "HTML"),
        (b"\xef\xbb\xbf\n  <?xml?>\nvisitors 7\n", "HTML"),
        (b'{"requests": 5}', "JSON"),
        (b'[\n{"requests": 5}\n]\n', "JSON"),
        (b"nothing to see here, move on\n", "no line"),
        (b"\x00\x01\x02\xff", "no line"),
        ("a 1\n".encode("utf-16"), "no line"),
    ],
)
def test_a_document_of_another_kind_is_refused_by_name_however_often_it_comes(body: bytes, kind: str) -> None:
    parser = Parser()
    for _ in range(2):
        with pytest.raises(ScrapeFailure, match=kind) as raised:
            parser.parse(body)
        assert raised.value.state is ScrapeState.UNPARSABLE


def test_a_page_that_begins_with_a_quoted_name_is_no_json() -> None:
    assert parsed('{"my.metric"} 1\n?\n').bad_lines == 1


def test_samples_that_did_not_change_are_the_same_objects_as_before() -> None:
    parser = Parser()
    first, second = (parser.parse(f'a{{b="c"}} 1\nd{{b="c"}} {value}\n'.encode()) for value in (1, 2))
    assert second.of("a")[0] is first.of("a")[0]
    assert second.of("d")[0].labels is first.of("d")[0].labels
    assert [sample.value for sample in (*first.of("d"), *second.of("d"))] == [1.0, 2.0]


def test_what_is_remembered_never_shows_on_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [
        "a 1\n# TYPE b counter\nb 2\n",
        "# TYPE b gauge\nb 2\na 1\n",
        "",
        "b 2\n?\na 1\n",
        "a 1\n" * 3,
        "?\n\na 1\n",
    ]
    parser = Parser()
    for remembered in (parse.REMEMBERED_BYTES, 0):
        monkeypatch.setattr(parse, "REMEMBERED_BYTES", remembered)
        for text in pages + pages[::-1]:
            page, fresh = parser.parse(text.encode()), parsed(text)
            assert {name: page.of(name) for name in page.names} == {name: fresh.of(name) for name in fresh.names}
            assert (page.type_of("b"), page.bad_lines) == (fresh.type_of("b"), fresh.bad_lines)
