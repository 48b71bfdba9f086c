from __future__ import annotations

import promql_parser as parser
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.expressions.firing import nodes
from atlas_ops.pager.diagnosis import question


def matchers(query: str) -> dict[str, str]:
    selectors = [node for node in nodes(parser.parse(query)) if isinstance(node, parser.VectorSelector)]
    (selector,) = selectors
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_whatever_a_label_holds_it_stays_the_value_of_its_matcher(value: str) -> None:
    query = question.filled('rate(a{model="{{model}}",x="1"}[5m])', {"model": value})
    assert matchers(query) == {"model": value, "x": "1"}


def test_in_a_pattern_a_label_matches_itself_alone() -> None:
    query = question.filled('a{pod=~"{{pod}}-.*"}', {"pod": "llama.0|x"})
    assert matchers(query) == {"pod": r"llama\.0\|x-.*"}


def test_a_label_that_the_alert_lacks_means_that_the_series_has_none() -> None:
    assert question.filled('a{ns="{{namespace}}"}', {}) == 'a{ns=""}'


def test_the_first_alternative_that_is_known_counts() -> None:
    assert question.filled('a{s="{{server|pod}}"}', {"pod": "p"}) == 'a{s="p"}'


def test_a_placeholder_outside_of_quotes_is_found() -> None:
    assert question.unquoted('a{b="{{x}}"} > {{y}}') == ("{{y}}",)


def test_quotes_inside_quotes_do_not_end_the_text() -> None:
    assert question.filled(r'a{b="x\"{{m}}"}', {"m": '"} or up{c="'}) == r'a{b="x\"\"} or up{c=\""}'
