"""What pages of llm-d's endpoint picker must become: new names, old ones, and both in parallel, each request once."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.dialects.native import natives
from tests.exporter.pages import histogram, series, told

WHO = {"model_name": "asked", "target_model_name": "served", "fairness_id": "", "priority": "0"}
NEW = "".join(native.text() for native in natives("llm_d") if not native.until)
OLD = "".join(native.text() for native in natives("llm_d") if native.until)


def finished(prefix: str, answers: int, **errors: int) -> str:
    """Answers that ended, and errors by their code; those of an engine are among the answers."""
    text = series(f"{prefix}_request_duration_seconds_count", answers, **WHO)
    return text + "".join(
        series(f"{prefix}_request_error_total", n, **WHO, error_code=code) for code, n in errors.items()
    )


ERRORS = {
    "ModelServerError": 10,
    "BadRequest": 30,
    "ServiceUnavailable": 4,
    "InferencePoolResourceExhausted": 7,
    "Internal": 1,
}


@pytest.mark.parametrize("prefixes", [("llm_d_epp",), ("inference_objective",), ("llm_d_epp", "inference_objective")])
def test_requests_are_counted_once_whatever_the_names(prefixes: tuple[str, ...]) -> None:
    result = told("".join(finished(prefix, 100, **ERRORS) for prefix in prefixes))
    assert result.outcomes("asked") == {"ok": 90, "error": 15, "rejected": 7}


def test_errors_before_the_first_answer_are_counted_once() -> None:
    both = "".join(
        series(f"{prefix}_request_error_total", 5, **WHO, error_code="ResourceExhausted")
        for prefix in ("llm_d_epp", "inference_objective")
    )
    assert told(both).outcomes("asked") == {"rejected": 5}


def test_a_page_with_both_names_says_what_the_new_ones_say() -> None:
    both, new = told(NEW + OLD), told(NEW)
    assert both.samples == new.samples
    assert set(new.resolved().values()) == {1.0}


def test_a_page_of_old_names_is_known() -> None:
    result = told(OLD)
    assert result.has(s.SERVER_INFO, dialect="llm_d")
    for signal in (
        s.REQUESTS,
        s.REQUESTS_RUNNING,
        s.REQUESTS_WAITING,
        s.REQUEST_DURATION,
        s.QUEUE_TIME,
        s.PROMPT_TOKENS,
    ):
        assert result.has(signal), signal


def test_only_streams_have_a_time_to_the_first_token_and_only_what_was_passed_on_has_waited() -> None:
    ttft = histogram("llm_d_epp_request_ttft_seconds", (0.1, 1), **WHO, streaming="true")
    whole = histogram("llm_d_epp_request_ttft_seconds", (0.1, 1), **WHO, streaming="false")
    queue = "llm_d_epp_flow_control_request_queue_duration_seconds"
    waited = histogram(queue, (0.1, 1), **WHO, outcome="Dispatched") + histogram(
        queue, (0.1, 1), **WHO, outcome="EvictedTTL"
    )
    result = told(ttft + whole + waited)
    assert result.value(s.TIME_TO_FIRST_TOKEN, "_count") == result.value(s.QUEUE_TIME, "_count") == 4


def test_tenants_and_priorities_of_a_model_are_added_up() -> None:
    text = "".join(
        series("llm_d_epp_request_running", 2, **WHO | {"fairness_id": tenant, "priority": priority})
        for tenant in ("a", "b")
        for priority in ("0", "-1")
    )
    assert told(text).value(s.REQUESTS_RUNNING, model="asked") == 8


def test_averages_over_endpoints_are_not_taken_for_the_fullest_one() -> None:
    text = finished("llm_d_epp", 1) + series("llm_d_epp_average_kv_cache_utilization", 0.5, name="pool")
    assert not told(text).has(s.KV_CACHE_USAGE)


@pytest.mark.parametrize(("endpoints", "ready"), [(0, 0), (1, 1), (12, 1)])
def test_a_pool_without_a_ready_endpoint_is_not_ready(endpoints: int, ready: int) -> None:
    pool = series("llm_d_epp_ready_endpoints", endpoints, name="pool")
    assert told(finished("llm_d_epp", 1) + pool).value(s.MODEL_READY, model="asked") == ready
