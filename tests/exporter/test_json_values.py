"""Values are found in whatever JSON a server answers; nothing that it writes raises, or cannot be printed on a page."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog.dialect import Answer
from atlas_ops.catalog.reading import Combine
from atlas_ops.exporter.json_values import evaluate, texts

KEYS = st.sampled_from(["a", "b", "0"])
SCALARS = st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text() | st.just("1e308")
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=20
)
PATHS = st.lists(KEYS | st.just("*"), min_size=1, max_size=3).map(".".join)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (Answer(find="*.n"), 5),
        (Answer(find="*.n", combine=Combine.MAX), 3),
        (Answer(find="0.n", plus="1.n", scale=10), 50),
        (Answer(find="0.n", by="1.n"), 2 / 3),
        (Answer(find="*.absent"), None),
        (Answer(find="0.n", plus="*.absent"), None),
        (Answer(find="0.n", by="0.zero"), None),
    ],
)
def test_a_value_is_what_its_paths_lead_to(answer: Answer, value: float | None) -> None:
    assert evaluate([{"n": 2, "zero": 0}, {"n": "3"}], answer) == value


@pytest.mark.parametrize("number", [10**400, 1e308, "1e308", -1, "inf", math.nan])
def test_a_number_beyond_all_bounds_is_none(number: object) -> None:
    assert evaluate([number, number], Answer(find="*")) is None


def test_half_a_character_becomes_one_that_can_be_printed() -> None:
    assert texts(json.loads(r'{"model": "m\ud83d"}'), "model") == ["m?"]


@given(DOCUMENTS, PATHS, st.sampled_from(list(Combine)))
def test_no_document_raises_or_leads_to_what_cannot_be_printed(document: object, path: str, way: Combine) -> None:
    value = evaluate(document, Answer(find=path, combine=way, plus=path))
    assert value is None or 0 <= value < math.inf
    for text in texts(document, path):
        text.encode()
