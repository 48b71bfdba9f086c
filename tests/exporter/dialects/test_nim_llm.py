"""What a page of NIM must become, as its documentation describes it: no page was seen."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.dialects.endpoints import asked, values
from tests.exporter.dialects.native import page
from tests.exporter.pages import series, told

WHO = {"model_name": "meta/llama"}


@pytest.mark.parametrize(("labels", "model"), [(WHO, "meta/llama"), ({}, "unnamed")])
def test_names_without_a_prefix_are_known_by_the_one_that_is_of_no_other(labels: dict[str, str], model: str) -> None:
    text = "".join(
        series(name, number, **labels)
        for name, number in (("num_requests_running", 4), ("num_requests_waiting", 9), ("num_request_max", 256),
                             ("gpu_cache_usage_perc", 0.5))
    )  # fmt: skip
    result = told(text)
    assert result.has(s.SERVER_INFO, dialect="nim_llm")
    assert result.value(s.REQUESTS_RUNNING, model=model) == 4
    assert result.value(s.REQUESTS_WAITING) == 9
    assert result.value(s.REQUESTS_CAPACITY) == 256
    assert result.value(s.KV_CACHE_USAGE) == 0.5


def test_requests_that_finish_are_good_unless_a_reason_says_otherwise() -> None:
    text = page("nim_llm", without=["request_finish_total"])
    plain = told(text + series("request_finish_total", 7))
    assert plain.outcomes("x") | plain.outcomes("unnamed") | plain.outcomes("m") == {"ok": 7}
    reasons = {"stop": 5, "length": 2, "abort": 1, "error": 3}
    told_why = told(text + "".join(series("request_finish_total", n, finished_reason=r) for r, n in reasons.items()))
    assert {k: v for k, v in told_why.values(s.REQUESTS, "outcome").items() if v} == {
        "ok": 7,
        "cancelled": 1,
        "error": 3,
    }
    assert plain.has(s.SIGNAL_QUALITY, signal=s.REQUESTS.name, quality="approximate")


def test_the_model_is_asked_for_where_the_page_does_not_name_it() -> None:
    asking = asked(
        "nim_llm",
        {"/v1/health/ready": '{"message":"Service is ready."}', "/v1/models": '{"data":[{"id":"meta/llama"}]}'},
    )
    assert values(asking) == {(s.SERVER_READY.name, ""): 1}
    assert asking.model == "meta/llama"
