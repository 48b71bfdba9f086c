"""The PromQL helpers write text that Prometheus reads as meant."""

from __future__ import annotations

import fnmatch
import json
import re

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops import promql


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250ms"), (1, "1s"), (90, "90s"), (300, "5m"), (3600, "1h"), (5400, "90m"), (86400, "1d"), (0, "0s")],
)
def test_a_duration_is_written_in_the_largest_whole_unit(seconds: float, text: str) -> None:
    assert promql.duration(seconds) == text


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_a_number_survives_being_written(value: float) -> None:
    assert float(promql.number(value)) == value


@given(st.text())
def test_any_text_survives_being_quoted(text: str) -> None:
    quoted = promql.quote(text)
    assert json.loads(quoted, strict=False) == text
    promql_parser.parse(f"up{{a={quoted}}}")


@pytest.mark.parametrize(
    ("bound", "fits", "other"),
    [
        (1, ("1", "1.0"), ("10", "1.5", "11")),
        (2.5, ("2.5",), ("25", "2.50", "2x5")),
        (0.001, ("0.001",), ("0.0010",)),
        (1e-7, ("1e-07",), ("1e-08",)),
    ],
)
def test_a_bucket_bound_is_found_as_every_prometheus_writes_it(
    bound: float, fits: tuple[str, ...], other: tuple[str, ...]
) -> None:
    pattern = pattern_of(promql.bound(bound))
    assert all(re.fullmatch(pattern, text) for text in fits)
    assert not [text for text in other if re.fullmatch(pattern, text)]


def pattern_of(matcher: str) -> str:
    """The regular expression in a matcher, its quotes taken off."""
    return str(json.loads(matcher.partition("~")[2]))


def test_a_star_alone_needs_no_matcher() -> None:
    assert promql.glob_matcher("model", "*") == ""


def test_what_earlier_patterns_took_is_left_out() -> None:
    assert promql.glob_matcher("model", "*", excluding=("a*", "b?")) == 'model!~"a.*", model!~"b."'


@pytest.mark.parametrize(
    ("pattern", "fits", "other"),
    [
        ("llama-*", ("llama-", "llama-3"), ("xllama-3", "llama")),
        ("llama*8b*", ("llama-3-8b", "llama-3-8b-it"), ("llama-3-70b",)),
        ("m?", ("m1",), ("m", "m12")),
        ("v[12]", ("v1", "v2"), ("v3", "v[12]")),
        ("v[!12]", ("v3",), ("v1",)),
        ("v[a-c]", ("vb",), ("vd", "v-")),
        ("org/model.v1", ("org/model.v1",), ("org/modelxv1",)),
        ("a[b", ("a[b",), ("ab",)),
        ("[z-a]", ("[z-a]",), ("z", "b")),
        ('say "hi"', ('say "hi"',), ("say hi",)),
        ("a|b", ("a|b",), ("a", "b")),
    ],
)
def test_a_glob_matches_whole_names_as_in_a_shell(pattern: str, fits: tuple[str, ...], other: tuple[str, ...]) -> None:
    regex = pattern_of(promql.glob_matcher("model", pattern))
    assert all(re.fullmatch(regex, name) for name in fits)
    assert not [name for name in other if re.fullmatch(regex, name)]


@given(pattern=st.text("ab*?.-", min_size=1), name=st.text("ab.-"))
def test_a_glob_means_what_fnmatch_says_it_means(pattern: str, name: str) -> None:
    matcher = promql.glob_matcher("model", pattern)
    matches = matcher == "" or re.fullmatch(pattern_of(matcher), name) is not None
    assert matches == fnmatch.fnmatchcase(name, pattern)


@given(st.text("ab*?[]!-^\\(){}|+$ é", min_size=1))
def test_a_glob_uses_nothing_that_prometheus_does_not_know(pattern: str) -> None:
    matcher = promql.glob_matcher("model", pattern)
    assert "(?" not in matcher.replace("\\\\(", "").replace("\\(", ""), "RE2 has neither atomic groups nor look-around"
    promql_parser.parse(f"up{{{matcher}}}")


def test_empty_matchers_are_left_out() -> None:
    assert promql.select("up", "", 'a="b"', "") == 'up{a="b"}'
    assert promql.select("up", "") == "up"
    assert promql.rate("x_total", "5m", "", 'a="b"') == 'rate(x_total{a="b"}[5m])'
    assert promql.sum_by(("a", "b"), promql.increase("x_total", "1h")) == "sum by (a, b) (increase(x_total[1h]))"


@pytest.mark.parametrize(
    ("patterns", "fits", "other"),
    [
        (("5??",), ("500", "504"), ("", "50", "404")),
        (("429", "503"), ("429", "503"), ("", "42", "4290")),
        (("a.c",), ("a.c",), ("abc", "")),
        (("*",), ("x",), ("",)),
        (("true", ""), ("true", ""), ("false",)),
        (("",), ("",), ("x",)),
    ],
)
def test_a_label_fits_one_of_several_patterns_or_none_of_them(
    patterns: tuple[str, ...], fits: tuple[str, ...], other: tuple[str, ...]
) -> None:
    for negated in (False, True):
        matcher = promql.label_in("code", patterns, negated=negated)
        promql_parser.parse(f'up{{job="x", {matcher}}}')
        operator, text = re.fullmatch(r'code(=~|!~|!=|=)(".*")', matcher).groups()  # type: ignore[union-attr]
        pattern = json.loads(text) if "~" in operator else re.escape(json.loads(text))
        assert all(
            bool(re.fullmatch(pattern, value)) != operator.startswith("!") for value in (other if negated else fits)
        )
        assert not any(
            bool(re.fullmatch(pattern, value)) != operator.startswith("!") for value in (fits if negated else other)
        )


def test_a_label_is_set_to_a_text_or_to_what_another_one_holds() -> None:
    assert promql.label_replace("up", "le", "0.1") == 'label_replace(up, "le", "0.1", "", "")'
    assert (
        promql.label_replace("up", "server", "$1", "instance", "(.*)")
        == 'label_replace(up, "server", "$1", "instance", "(.*)")'
    )
