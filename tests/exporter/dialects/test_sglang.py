"""What a page of SGLang's collector must become: ranks that repeat, priorities beside their total, what looks like something else."""

from __future__ import annotations

import json
import re

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.dialects.endpoints import asked, failure, values
from tests.exporter.fake_server import answer
from tests.exporter.pages import histogram, series, text_of, told, told_of

TEXT = text_of("sglang/load")
SCHEDULER = "".join(f"{line}\n" for line in TEXT.splitlines() if 'tp_rank="0"' in line)
WHO = {"model_name": "m", "engine_type": "unified"}
RANK = {**WHO, "tp_rank": "0", "pp_rank": "0"}


def test_a_page_under_load() -> None:
    page = told_of("sglang/load")
    assert page.value(s.REQUESTS_RUNNING, model="tiny-llama") == 8
    assert page.value(s.REQUESTS_WAITING) == 16
    assert page.value(s.KV_CACHE_USAGE) == 0.93
    assert page.value(s.KV_CACHE_CAPACITY) == 16384
    assert page.value(s.PROMPT_TOKENS) == 490 + 500
    assert page.value(s.GENERATION_TOKENS) == 2400
    assert page.value(s.CACHED_PROMPT_TOKENS) == 80
    assert page.value(s.PREEMPTIONS) == 2
    assert page.value(s.REQUEST_DURATION, "_sum") == 39 + 42
    assert page.value(s.REQUEST_DURATION, "_count") == 20
    assert page.value(s.INTER_TOKEN_LATENCY, "_count") == 40
    assert page.value(s.QUEUE_TIME, "_sum") == 0.8
    assert page.value(s.REQUEST_PROMPT_TOKENS, "_sum") == 990
    assert page.has(s.SERVER_INFO, version=">=0.5.22")
    assert set(page.resolved().values()) == {1.0}


def test_aborted_requests_are_cancelled_and_finished_ones_are_good() -> None:
    assert told_of("sglang/load").outcomes("tiny-llama") == {"ok": 20, "cancelled": 3}


def test_only_streams_have_a_first_token_that_was_seen_when_it_came() -> None:
    page = told_of("sglang/load")
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_count") == 10
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_sum") == pytest.approx(5.1)


def test_ranks_of_one_engine_that_repeat_its_metrics_multiply_nothing() -> None:
    ranks = "".join(
        SCHEDULER.replace('tp_rank="0"', f'tp_rank="{tp}"').replace('pp_rank="0"', f'pp_rank="{pp}"')
        for tp in range(4)
        for pp in range(2)
        if (tp, pp) != (0, 0)
    )
    assert told(TEXT + ranks).samples == told_of("sglang/load").samples


def test_data_parallel_engines_are_added_up_and_their_caches_are_not() -> None:
    second = SCHEDULER.replace('tp_rank="0"', 'tp_rank="1",dp_rank="1"')
    first = TEXT.replace('tp_rank="0"', 'tp_rank="0",dp_rank="0"')
    page = told(first + second.replace("16384.0", "8192.0").replace("0.93", "0.5"))
    assert page.value(s.REQUESTS_RUNNING) == 16
    assert page.value(s.REQUESTS_WAITING) == 32
    assert page.value(s.PREEMPTIONS) == 4
    assert page.value(s.KV_CACHE_USAGE) == 0.93
    assert page.value(s.KV_CACHE_CAPACITY) == 8192


def test_priorities_beside_their_total_are_not_counted_again() -> None:
    def prioritised(value: str) -> str:
        return SCHEDULER.replace('tp_rank="0"', f'tp_rank="0",priority="{value}"')

    rest = "".join(f"{line}\n" for line in TEXT.splitlines() if 'tp_rank="0"' not in line)
    page = told(rest + prioritised("") + prioritised("0") + prioritised("10"))
    assert page.value(s.REQUESTS_RUNNING) == 8
    assert page.value(s.REQUESTS_WAITING) == 16
    assert page.value(s.QUEUE_TIME, "_count") == 1


def test_requests_of_each_priority_are_added_up_because_their_total_is_not_printed() -> None:
    """The API server, other than the scheduler, counts each request under its own priority alone."""
    text = "".join(series("sglang:num_requests_total", n, **WHO, priority=p) for p, n in (("0", 5), ("10", 2)))
    aborted = series("sglang:num_aborted_requests_total", 1, **WHO, priority="")
    assert told(text + aborted).outcomes("m") == {"ok": 7, "cancelled": 1}


def test_nan_hides_nothing_and_a_rank_without_a_number_does_not_hide_the_one_that_has() -> None:
    assert re.search(r"sglang:fwd_occupancy\{.*\} NaN", TEXT)
    silent = re.sub(r'(sglang:num_running_reqs\{.*)tp_rank="0"\} \S+', r'\1tp_rank="1"} NaN', SCHEDULER)
    assert told(TEXT + silent).value(s.REQUESTS_RUNNING) == 8


def test_a_gauge_with_le_that_is_no_histogram_is_not_taken_for_one() -> None:
    assert 'sglang:routing_key_running_req_count{engine_type="unified",gt="0",le="1"' in TEXT
    crowded = re.sub(r"(sglang:routing_key_\w+\{.*\}) 0.0", r"\1 99.0", TEXT)
    assert crowded != TEXT
    assert told(crowded).samples == told_of("sglang/load").samples


def test_gauges_of_an_old_process_are_not_read() -> None:
    stale = TEXT.replace('pid="17017"', 'pid="4711"')
    assert told(TEXT + "".join(f"{x}\n" for x in stale.splitlines() if "4711" in x)).samples == told(TEXT).samples


def responses(status: str, number: int, endpoint: str = "/v1/chat/completions") -> str:
    return series("sglang:http_responses_total", number, endpoint=endpoint, status_code=status, method="POST")


def test_refusals_and_failures_are_told_by_their_status() -> None:
    text = responses("200", 50) + responses("503", 4) + responses("429", 2) + responses("500", 3) + responses("504", 1)
    page = told(TEXT + text + responses("400", 9))
    assert page.outcomes("tiny-llama") == {"ok": 20, "cancelled": 3, "rejected": 6, "error": 3, "timeout": 1}


def test_health_checks_and_scrapes_are_no_requests() -> None:
    paths = ("/health", "/health_generate", "/metrics", "/get_model_info", "/v1/models", "/server_info")
    page = told(TEXT + "".join(responses("503", 100, path) for path in paths))
    assert page.outcomes("tiny-llama") == {"ok": 20, "cancelled": 3}
    assert page.left_out["health_check"] == len(paths)


def gauges(*names: str) -> str:
    return "".join(series(f"sglang:{name}", 1, **RANK) for name in names)


VERSIONS = {
    "unknown": gauges("num_running_reqs", "num_queue_reqs", "token_usage", "num_used_tokens"),
    ">=0.4.7": gauges("num_running_reqs", "num_queue_reqs", "token_usage", "num_grammar_queue_reqs",
                      "num_decode_prealloc_queue_reqs", "num_decode_transfer_queue_reqs"),
    ">=0.5.6": gauges("num_running_reqs", "num_queue_reqs", "token_usage", "num_grammar_queue_reqs", "utilization",
                      "num_decode_prealloc_queue_reqs", "num_decode_transfer_queue_reqs", "max_total_num_tokens"),
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_old_releases_tell_less_and_that_is_no_alarm(version: str) -> None:
    text = VERSIONS[version] + series("sglang:num_requests_total", 7, **WHO)
    page = told(text + histogram("sglang:time_to_first_token_seconds", (0.5, 1), **WHO))
    assert page.has(s.SERVER_INFO, version=version)
    assert set(page.resolved().values()) == {1.0}
    assert page.outcomes("m") == {"ok": 7}
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_count") == 4, "without the label every request is timed"
    assert page.has(s.KV_CACHE_CAPACITY) == (version == ">=0.5.6")


def test_older_names_are_found() -> None:
    text = VERSIONS["unknown"] + histogram("sglang:queue_time_s", (0.5,), **RANK)
    page = told(text + series("sglang:engine_startup_time", 41, **RANK))
    assert page.value(s.QUEUE_TIME, "_count") == 4
    assert page.value(s.MODEL_LOAD) == 41
    page = told(TEXT + series("sglang:startup_time_seconds", 55, model_name="tiny-llama", phase="scheduler_e2e"))
    assert page.value(s.MODEL_LOAD) == 55


def test_hits_of_the_prefix_cache_are_those_of_every_tier() -> None:
    modes = {"input": 60, "device_hit": 25, "host_hit": 10, "storage_hit": 5}
    new = "".join(series("sglang:prefill_effective_tokens_total", n, **RANK, mode=mode) for mode, n in modes.items())
    old = "".join(
        series("sglang:realtime_tokens_total", n, **RANK, mode=mode)
        for mode, n in {"prefill_compute": 70, "prefill_cache": 30, "decode": 900}.items()
    )
    for text, hits in ((new, 40), (old, 30), (new + old, 40)):
        page = told(text)
        assert (page.value(s.PREFIX_CACHE_QUERIES), page.value(s.PREFIX_CACHE_HITS)) == (100, hits)


def test_loads_tell_how_many_requests_all_engines_run_together() -> None:
    loads = [{"dp_rank": n, "num_running_reqs": 3, "max_running_requests": 256} for n in range(2)]
    asking = asked("sglang", {"/ready": "", "/health": "", "/v1/loads": json.dumps({"loads": loads})})
    assert values(asking) == {(s.SERVER_READY.name, ""): 1, (s.REQUESTS_CAPACITY.name, ""): 512}


def test_a_release_without_those_endpoints_tells_nothing_and_is_not_asked_to_generate() -> None:
    assert values(asked("sglang", {"/health": ""})) == {}


def test_a_page_that_is_switched_off_names_its_switch() -> None:
    assert "--enable-metrics" in failure("sglang", answer("", status=404)).message


def test_a_fresh_server_without_a_request_is_blamed_for_nothing() -> None:
    page = told(SCHEDULER)
    assert set(page.resolved().values()) == {1.0}
    assert set(page.values(s.REQUESTS, "outcome").values()) == {0}
