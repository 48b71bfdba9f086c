"""What pages of TensorRT-LLM must become: by trtllm-serve, and by Triton with its backend."""

from __future__ import annotations

import json

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from tests.exporter.dialects.endpoints import asked, failure, values
from tests.exporter.dialects.native import natives, page
from tests.exporter.fake_server import answer
from tests.exporter.pages import histogram, series, told

WHO = {"model_name": "m", "engine_type": "trtllm"}
RELEASE_1_1 = "".join(native.text() for native in natives("trtllm_serve") if native.until)
MODEL = {"model": "llm", "version": "1"}


def test_blocks_are_turned_into_tokens() -> None:
    blocks = series("trtllm_kv_cache_max_blocks", 500, **WHO) + series("trtllm_kv_cache_tokens_per_block", 32, **WHO)
    cache = series("trtllm_kv_cache_reused_blocks_total", 30, **WHO) + series(
        "trtllm_kv_cache_missed_blocks_total", 70, **WHO
    )
    result = told(blocks + cache)
    assert result.value(s.KV_CACHE_CAPACITY) == 500 * 32
    assert result.value(s.PREFIX_CACHE_HITS) == 30 * 32
    assert result.value(s.PREFIX_CACHE_QUERIES) == 100 * 32


def test_a_counter_of_success_holds_other_ends_and_errors_have_a_status() -> None:
    ends = {"stop": 50, "length": 20, "timeout": 3, "cancelled": 4}
    errors = {"400": 9, "429": 2, "500": 5, "504": 1, "": 1}
    text = "".join(
        series("trtllm_request_success_total", n, **WHO, finished_reason=r) for r, n in ends.items()
    ) + "".join(series("trtllm_request_error_total", n, **WHO, http_code=code) for code, n in errors.items())
    assert told(text).outcomes("m") == {"ok": 70, "timeout": 4, "cancelled": 4, "rejected": 2, "error": 6}


def test_release_1_1_has_no_prefix_and_no_name_for_its_model() -> None:
    result = told(RELEASE_1_1)
    assert result.has(s.SERVER_INFO, dialect="trtllm_serve")
    assert result.outcomes("undefined") == {"ok": 1}
    for signal in (s.REQUEST_DURATION, s.QUEUE_TIME, s.TIME_TO_FIRST_TOKEN, s.INTER_TOKEN_LATENCY):
        assert result.value(signal, "_count") == 4
    assert set(result.resolved().values()) == {1.0}


def test_a_page_of_triton_with_the_backend_is_not_taken_for_plain_triton() -> None:
    result = told(page("triton_trtllm"))
    assert result.has(s.SERVER_INFO, dialect="triton_trtllm", version=">=24.11")
    assert told(page("triton_trtllm", without=["nv_trt_llm_", "nv_llm_"])).has(s.SERVER_INFO, dialect="triton")


def engine(**values: float) -> str:
    return "".join(series("nv_trt_llm_request_metrics", n, **MODEL, request_type=kind) for kind, n in values.items())


def cache(**values: float) -> str:
    return "".join(
        series("nv_trt_llm_kv_cache_block_metrics", n, **MODEL, kv_cache_block_type=kind) for kind, n in values.items()
    )


def test_one_name_with_a_label_for_each_number_is_taken_apart() -> None:
    text = engine(active=12, max=64, scheduled=8, context=1, waiting=5)
    text += cache(max=1000, free=250, used=750, tokens_per=64, reused=9, fraction=0.1)
    text += "".join(
        series("nv_inference_pending_request_count", n, model=m, version="1") for m, n in (("llm", 2), ("pre", 1))
    )
    result = told(text)
    assert result.value(s.REQUESTS_RUNNING, model="llm") == 8
    assert result.values(s.REQUESTS_WAITING, "model") == {"llm": 7, "pre": 1}, "in Triton's queue and in the engine"
    assert result.value(s.REQUESTS_CAPACITY) == 64
    assert result.value(s.KV_CACHE_USAGE) == 0.75, "used of max, not the printed fraction, whose place may have shifted"
    assert result.value(s.KV_CACHE_CAPACITY) == 64_000


def test_the_printed_fraction_serves_where_blocks_are_missing() -> None:
    assert told(cache(free=250, fraction=0.4)).value(s.KV_CACHE_USAGE) == 0.4


def test_lengths_of_prompts_and_answers_are_tokens() -> None:
    text = engine(scheduled=1) + histogram(
        "nv_llm_input_token_len", (10, 100), **MODEL, response_metric_type="total_input_tokens"
    )
    result = told(text)
    assert result.value(s.PROMPT_TOKENS, model="llm") == 9
    assert list(result.values(s.REQUEST_PROMPT_TOKENS, "le", "_bucket")) == ["10.0", "100.0", "+Inf"]


def test_outcomes_and_means_are_those_of_triton_itself() -> None:
    text = engine(scheduled=1) + series("nv_inference_request_success", 40, **MODEL)
    text += series("nv_inference_request_failure", 5, **MODEL, reason="REJECTED")
    text += series("nv_inference_request_duration_us", 2_000_000, **MODEL)
    result = told(text)
    assert result.outcomes("llm") == {"ok": 40, "rejected": 5}
    assert result.value(s.REQUEST_DURATION, "_sum") == pytest.approx(2)


def test_the_page_is_not_where_the_queue_of_statistics_is_that_reading_empties() -> None:
    for dialect in shipped_dialects():
        if dialect.runtime == "trtllm_serve":
            assert dialect.metrics_path == "/prometheus/metrics"
    assert "return_perf_metrics" in failure("trtllm_serve", answer("", status=404)).message


def test_the_queue_of_a_model_in_triton_is_asked_for_at_its_api() -> None:
    config = {"dynamic_batching": {"default_queue_policy": {"max_queue_size": 64}}}
    path = "/v2/models/llm"
    answers = {"/v2/health/ready": "", f"{path}/ready": "", f"{path}/config": json.dumps(config)}
    told_by = values(asked("triton_trtllm", answers, "llm"))
    assert told_by == {(s.SERVER_READY.name, ""): 1, (s.MODEL_READY.name, "llm"): 1, (s.QUEUE_CAPACITY.name, "llm"): 64}
