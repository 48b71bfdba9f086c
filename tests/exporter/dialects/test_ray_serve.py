"""What pages of a live Ray Serve 2.60.0 must become: sums that are made up, the dead that linger, layers that repeat."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.parse import Page
from tests.exporter.pages import Told, histogram, parsed, series, text_of, told, told_of, translator

DIED = text_of("ray_serve/replica-died")
FLAKY = 'replica="e1n3x06d"'
"""The replica that ended itself 3 s before the page."""


def test_outcomes_are_those_that_the_proxy_sent() -> None:
    page = told_of("ray_serve/replica-died")
    assert page.outcomes("app1") == {"ok": 284, "error": 17, "rejected": 115, "cancelled": 17}
    assert page.left_out["no_event"] == 1, "404 for unknown routes"
    assert set(page.values(s.REQUESTS, "model")) == {"app1"}


def test_under_load_requests_wait_at_their_caller() -> None:
    page = told_of("ray_serve/load-2")
    assert page.value(s.REQUESTS_WAITING, model="app1") == 16
    assert page.value(s.REQUESTS_RUNNING, model="app1") == 16, "in Ingress, which waits for Slow"
    assert page.value(s.MODEL_READY, model="app1") == 1
    assert page.value(s.SERVER_INFO, version="2.60.0") == 1, "a label of every series tells it"


def test_sums_that_are_made_up_are_never_told() -> None:
    assert "ray_serve_http_request_latency_ms_sum" in DIED
    page = told_of("ray_serve/replica-died")
    assert page.has(s.REQUEST_DURATION)
    assert page.has(s.QUEUE_TIME)
    assert not [sample for sample in page.samples if sample.part == "_sum"]
    assert not page.has(s.BATCHED_REQUESTS), "75 for 100 requests"
    assert page.value(s.BATCHES, model="app1") == 27


def test_durations_are_those_of_good_answers_in_seconds() -> None:
    page = told_of("ray_serve/load-2")
    buckets = page.values(s.REQUEST_DURATION, "le", "_bucket", model="app1")
    assert (buckets["0.4"], buckets["0.5"], buckets["1.0"], buckets["2.0"], buckets["+Inf"]) == (0, 2, 4, 6, 6)
    assert told_of("ray_serve/replica-died").value(s.REQUEST_DURATION, "_count") == 284
    assert page.value(s.QUEUE_TIME, "_count") == 22 + 145


def busy(text: str) -> str:
    """The page on which the dead replica still claims to execute three requests."""
    return "".join(
        line.rpartition(" ")[0] + " 3.0\n"
        if line.startswith("ray_serve_replica_processing_queries") and FLAKY in line
        else f"{line}\n"
        for line in text.splitlines()
    )


def test_what_a_dead_replica_said_last_does_not_count() -> None:
    assert told(busy(DIED)).value(s.REQUESTS_RUNNING, model="app1") == 3, (
        "3 s after its death it is still called healthy"
    )
    healthy = next(
        line for line in DIED.splitlines() if line.startswith("ray_serve_deployment_replica_healthy") and FLAKY in line
    )
    page = told(busy(DIED).replace(healthy, healthy.replace(" 1.0", " 0.0")))
    assert page.value(s.REQUESTS_RUNNING, model="app1") == 0
    assert page.left_out["dead_series"] > 0
    assert page.outcomes("app1")["ok"] == 284, "counters stay; they no longer move"


def test_a_page_that_only_counts_healthy_replicas_loses_no_gauge() -> None:
    page = series("ray_serve_deployment_replica_healthy", 1, application="a", deployment="d")
    page += series("ray_serve_replica_processing_queries", 2, application="a", deployment="d", replica="r")
    assert told(page).value(s.REQUESTS_RUNNING) == 2


def test_starts_of_replicas_are_no_restarts() -> None:
    speaker = translator(parsed(DIED))
    start = next(line for line in DIED.splitlines() if line.startswith("ray_serve_deployment_replica_starts_total"))
    for pages in (DIED, DIED + start.replace("replica=", 'generation="2",replica=') + "\n"):
        speaker.translate(parsed(pages))
    assert speaker.continuity.restarts == 0


def test_series_of_a_dead_replica_that_are_evicted_take_no_count_with_them() -> None:
    def ok(page: Page) -> float:
        return Told(speaker.translate(page), {}).value(s.REQUESTS, outcome="ok")

    old = series("ray_serve_num_http_requests_total", 40, application="a", status_code="200", WorkerId="1")
    new = series("ray_serve_num_http_requests_total", 2, application="a", status_code="200", WorkerId="2")
    speaker = translator(parsed(old))
    assert [ok(parsed(text)) for text in (old, old + new, new)] == [40, 42, 42]


def test_what_a_dead_replica_had_counted_before_anybody_looked_still_counts() -> None:
    page = series("ray_serve_deployment_replica_healthy", 1, application="a", deployment="d", replica="r")
    for replica in ("r", "dead"):
        page += series("ray_vllm_generation_tokens_total", 5, model_name="m", ReplicaId=replica)
    assert told(page).value(s.GENERATION_TOKENS, model="m") == 10


def test_requests_to_the_proxy_itself_are_no_requests() -> None:
    checks = series("ray_serve_num_http_requests_total", 99, application="", route="/-/healthz", status_code="200")
    page = told(DIED + checks)
    assert page.outcomes("app1")["ok"] == 284
    assert page.left_out["health_check"] == 1


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("StatusCode.OK", "ok"), ("OK", "ok"), ("StatusCode.DEADLINE_EXCEEDED", "timeout"), ("StatusCode.UNAVAILABLE", "rejected"),
     ("StatusCode.CANCELLED", "cancelled"), ("StatusCode.INTERNAL", "error")],
)  # fmt: skip
def test_requests_over_grpc_count_as_well(code: str, outcome: str) -> None:
    page = series("ray_serve_num_grpc_requests_total", 4, application="a", route="a", status_code=code)
    page += series("ray_serve_num_http_requests_total", 1, application="a", route="/", status_code="500")
    assert told(page).outcomes("a") == {"error": 1} | {outcome: 5 if outcome == "error" else 4}


def test_ray_serve_llm_prints_the_names_of_vllm_with_underscores() -> None:
    who = {"model_name": "qwen", "engine": "0", "ReplicaId": "r1", "WorkerId": "w"}
    page = told(
        series("ray_serve_deployment_replica_healthy", 1, application="llm", deployment="d", replica="r1")
        + series("ray_serve_num_http_requests_total", 5, application="llm", route="/", status_code="200")
        + series("ray_vllm_num_requests_running", 8, **who)
        + series("ray_vllm_num_requests_waiting", 3, **who)
        + series("ray_vllm_num_requests_waiting", 9, **{**who, "ReplicaId": "dead"})
        + series("ray_vllm_kv_cache_usage_perc", 0.5, **who)
        + series("ray_vllm_generation_tokens_total", 700, **who)
        + histogram("ray_vllm_time_to_first_token_seconds", (0.5, 1), **who)
    )
    assert page.has(s.SERVER_INFO, dialect="ray_serve")
    assert page.value(s.REQUESTS_RUNNING, model="qwen") == 8
    assert page.value(s.REQUESTS_WAITING, model="qwen") == 3, "the dead one's is not added"
    assert page.value(s.KV_CACHE_USAGE, model="qwen") == 0.5
    assert page.value(s.GENERATION_TOKENS, model="qwen") == 700
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_count", model="qwen") == 4
    assert page.outcomes("llm") == {"ok": 5}


def test_an_application_that_nobody_has_asked_yet_has_every_outcome_at_nought() -> None:
    page = told(
        series("ray_serve_deployment_replica_healthy", 1, application="app1", deployment="D", replica="r")
        + series("ray_serve_deployment_queued_queries", 0, application="app1", deployment="D")
    )
    assert page.values(s.REQUESTS, "outcome", model="app1") == dict.fromkeys(c.OUTCOMES, 0.0)
