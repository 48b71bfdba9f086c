"""What a page of LMDeploy's collector must become: counts that are typed as gauges, failures in a counter of successes."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.pages import histogram, series, text_of, told, told_of

WHO = {"model_name": "m", "engine": "0"}


def test_a_page_under_load() -> None:
    page = told_of("lmdeploy/load")
    assert page.value(s.REQUESTS_RUNNING, model="tiny-llama") == 8
    assert page.value(s.REQUESTS_WAITING) == 16 + 3, "in the engine, and for a handle of the API server"
    assert page.value(s.KV_CACHE_USAGE) == 0.93
    assert page.value(s.PROMPT_TOKENS) == page.value(s.PREFIX_CACHE_QUERIES) == 800
    assert page.value(s.GENERATION_TOKENS) == 160
    assert page.value(s.CACHED_PROMPT_TOKENS) == page.value(s.PREFIX_CACHE_HITS) == 160
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_sum") == pytest.approx(9.7)
    assert page.value(s.REQUEST_DURATION, "_sum") == 81
    assert page.value(s.INTER_TOKEN_LATENCY, "_sum") == pytest.approx(0.26), "iter_token_latency, which names no unit"
    assert page.value(s.QUEUE_TIME, "_count") == page.value(s.REQUEST_PROMPT_TOKENS, "_count") == 20
    assert page.value(s.SERVER_START_TIME) == 1795422519.57
    assert page.has(s.SERVER_INFO, version=">=0.14.0")


def test_gauges_that_hold_counts_are_counts_and_each_request_is_counted_once() -> None:
    page = told_of("lmdeploy/load")
    assert 'lmdeploy:num_requests_succeeded{engine="0",model_name="tiny-llama"} 20.0' in text_of("lmdeploy/load")
    assert page.outcomes("tiny-llama") == {"ok": 20, "error": 1}


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("FINISH", "ok"), ("CANCEL", "cancelled"), ("NO_QUEUE", "rejected"), ("OUT_OF_MEMORY", "error"),
        ("ENGINE_STOP_ERROR", "error"), ("INTERNAL_ENGINE_ERROR", "error"), ("HANDLER_NOT_EXIST", "error"),
        ("INPUT_LENGTH_ERROR", ""), ("SESSION_REPEAT", ""), ("SESSION_NOT_EXIST", ""), ("NOT_SUPPORTED", ""),
        ("PREFIX_CACHE_CONFLICT", ""),
    ],
)  # fmt: skip
def test_a_failure_in_the_counter_of_successes_is_no_success(reason: str, outcome: str) -> None:
    before = f'finished_reason="ResponseType.{reason}",model_name="tiny-llama"}} 0.0'
    assert before in text_of("lmdeploy/load")
    page = told(text_of("lmdeploy/load").replace(before, before.replace(" 0.0", " 7.0")))
    extra = 7 if outcome == "ok" else 0
    # The one failure that the gauge counts is among the seven, unless those are good ends.
    expected = {"ok": 20.0 + extra} | ({outcome: 7.0} if outcome not in ("", "ok") else {})
    assert page.outcomes("tiny-llama") == (expected | {"error": 1.0} if outcome == "ok" else expected)


def test_engines_of_one_server_are_added_up_and_their_caches_are_not() -> None:
    text = text_of("lmdeploy/load")
    page = told(text + text.replace('engine="0"', 'engine="1"').replace(" 0.93", " 0.5"))
    assert page.value(s.REQUESTS_RUNNING) == 16
    assert page.value(s.KV_CACHE_USAGE) == 0.93
    assert page.outcomes("tiny-llama") == {"ok": 40, "error": 2}


OLD = "".join(
    series(f"lmdeploy:{name}", 1, **WHO)
    for name in ("num_requests_running", "num_requests_waiting", "gpu_cache_usage_perc", "prompt_tokens_total",
                 "generation_tokens_total")
) + series("lmdeploy:request_success_total", 5, **WHO, finished_reason="ResponseType.FINISH") + "".join(
    histogram(f"lmdeploy:{name}", (0.5, 1), **WHO)
    for name in ("time_to_first_token_seconds", "time_per_output_token_seconds", "e2e_request_latency_seconds",
                 "request_queue_time_seconds", "request_prompt_tokens", "request_generation_tokens")
)  # fmt: skip


def test_the_first_releases_tell_less_and_that_is_no_alarm() -> None:
    page = told(OLD)
    assert page.has(s.SERVER_INFO, version=">=0.9.2")
    assert set(page.resolved().values()) == {1.0}
    assert page.value(s.INTER_TOKEN_LATENCY, "_count") == 4
    assert page.outcomes("m") == {"ok": 5}
    assert not page.has(s.CACHED_PROMPT_TOKENS)


def test_what_every_release_has_is_missed_when_it_is_gone() -> None:
    assert told(OLD.replace("num_requests_waiting", "renamed")).resolved()[s.REQUESTS_WAITING.name] == 0
