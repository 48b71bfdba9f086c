"""What pages of Dynamo must become: a frontend counts requests, a worker passes on what its engine says, and nothing is counted twice."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import SignalType
from tests.exporter.dialects.native import page
from tests.exporter.pages import series, text_of, told

FRONTEND = page("dynamo", without=["dynamo_component_", "vllm:", "sglang:", "trtllm_"])
WORKER = page("dynamo", without=["dynamo_frontend_", "vllm:", "sglang:", "trtllm_"])
M = {"model": "m"}


def requests(error_type: str, number: int) -> str:
    labels = {"status": "error" if error_type else "success", "request_type": "stream", "error_type": error_type}
    return series("dynamo_frontend_requests_total", number, **M, **labels)


def test_every_kind_of_error_has_its_outcome() -> None:
    numbers = {
        "": 80, "validation": 50, "not_found": 9, "not_implemented": 1, "overload": 4, "cancelled": 6, "response_timeout": 2,
        "first_token_timeout": 1, "intra_token_timeout": 1, "internal": 3, "unavailable": 2, "backend_error": 1,
        "truncated_stream": 1, "of_tomorrow": 1,
    }  # fmt: skip
    result = told("".join(requests(kind, number) for kind, number in numbers.items()))
    assert result.outcomes("m") == {"ok": 80, "rejected": 4, "cancelled": 6, "timeout": 4, "error": 8}
    assert result.left_out == {"no_event": 3}


def test_a_release_without_kinds_of_errors_still_tells_good_from_bad() -> None:
    text = series("dynamo_frontend_requests_total", 9, **M, status="success")
    assert told(text + series("dynamo_frontend_requests_total", 2, **M, status="error")).outcomes("m") == {
        "ok": 9,
        "error": 2,
    }


def test_what_waits_for_its_first_token_does_not_run_as_well() -> None:
    text = series("dynamo_frontend_inflight_requests", 10, **M) + series("dynamo_frontend_queued_requests", 7, **M)
    assert (told(text).value(s.REQUESTS_RUNNING, model="m"), told(text).value(s.REQUESTS_WAITING)) == (3, 7)


def test_capacities_are_those_of_the_first_worker() -> None:
    blocks = series("dynamo_frontend_model_total_kv_blocks", 1000, **M) + series(
        "dynamo_frontend_model_kv_cache_block_size", 16, **M
    )
    result = told(
        blocks
        + series("dynamo_frontend_model_max_num_seqs", 256, **M)
        + series("dynamo_frontend_model_workers", 3, **M)
    )
    assert result.value(s.KV_CACHE_CAPACITY) == 16_000
    assert result.value(s.REQUESTS_CAPACITY) == 768
    assert result.value(s.MODEL_READY) == 1
    assert told(series("dynamo_frontend_model_workers", 0, **M)).value(s.MODEL_READY) == 0


@pytest.mark.parametrize("engine", ["vllm/kv-pressure-1", "sglang/load"])
def test_no_counter_of_requests_or_tokens_is_on_both_pages(engine: str) -> None:
    """The worker passes on a real page of its engine, which counts the same requests again."""

    def counted(text: str) -> set[str]:
        kinds = (SignalType.COUNTER, SignalType.HISTOGRAM)
        return {sample.signal.name for sample in told(text).samples if sample.signal.type in kinds}

    worker = told(WORKER + text_of(engine))
    assert worker.has(s.SERVER_INFO, dialect="dynamo")
    assert counted(FRONTEND) & counted(WORKER + text_of(engine)) == set()
    for signal in (s.REQUESTS, s.REQUESTS_RUNNING, s.REQUESTS_WAITING):
        assert told(FRONTEND).has(signal)
        assert not worker.has(signal)


def test_a_worker_passes_on_what_only_its_engine_knows() -> None:
    result = told(series("dynamo_component_model_load_time_seconds", 42) + text_of("vllm/kv-pressure-2"))
    assert result.value(s.PREEMPTIONS, model="tiny-llama") == 9
    assert result.value(s.KV_CACHE_CAPACITY) == 1536
    assert result.value(s.KV_CACHE_USAGE) == pytest.approx(0.455, abs=0.01)
    assert result.value(s.MODEL_LOAD) == 42
    assert told(WORKER + text_of("sglang/load")).value(s.PREEMPTIONS) == 2


def test_dynamos_own_measure_of_the_cache_goes_before_the_engines() -> None:
    own = series("dynamo_component_kvstats_gpu_cache_usage_percent", 0.7, model="tiny-llama")
    assert told(own + text_of("vllm/kv-pressure-2")).value(s.KV_CACHE_USAGE) == 0.7


def test_a_worker_without_a_model_name_is_one_model() -> None:
    assert (
        told(series("dynamo_component_kvstats_gpu_cache_usage_percent", 0.5, dynamo_component="backend")).value(
            s.KV_CACHE_USAGE, model="unnamed"
        )
        == 0.5
    )


def test_either_page_is_blamed_for_nothing_that_is_on_the_other() -> None:
    assert set(told(FRONTEND).resolved().values()) == {1.0}
    assert set(told(WORKER).resolved().values()) == {1.0}
