"""What pages of a live vLLM 0.32.0 must become, and its lies: rejections inside HTTP 200, adapters in labels."""

from __future__ import annotations

import re

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from tests.exporter.dialects.endpoints import asked, values
from tests.exporter.fake_server import answer
from tests.exporter.pages import text_of, told_of


def test_under_kv_pressure() -> None:
    page = told_of("vllm/kv-pressure-1")
    assert page.value(s.REQUESTS_RUNNING, model="tiny-llama") == 9
    assert page.value(s.REQUESTS_WAITING) == 11
    assert page.value(s.KV_CACHE_USAGE) == pytest.approx(0.909, abs=0.001)
    assert page.value(s.KV_CACHE_CAPACITY) == 1536
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_count") == 11
    assert page.value(s.GENERATION_TOKENS) == 1065
    assert page.value(s.SERVER_START_TIME) == 1795420211.05
    assert page.value(s.SERVER_INFO, version=">=0.32.0", dialect="vllm") == 1
    assert told_of("vllm/kv-pressure-2").value(s.PREEMPTIONS) == 9


def test_rejections_that_hide_in_http_200_are_counted() -> None:
    before, after = told_of("vllm/kv-pressure-2"), told_of("vllm/after-admission-rejections")
    assert before.outcomes("tiny-llama") == {"ok": 5}
    assert told_of("vllm/admission-rejections-during").outcomes("tiny-llama")["rejected"] == 80
    assert after.outcomes("tiny-llama") == {"ok": 95, "rejected": 85}
    assert set(after.values(s.REQUESTS, "outcome")) == set(c.OUTCOMES)
    (seen,) = re.findall(r'http_requests_total\{.*status="5xx"\} (\S+)', text_of("vllm/after-admission-rejections"))
    assert float(seen) < 85, "the others were refused inside a stream that began with 200"


def test_clients_that_hang_up_and_bad_requests_leave_no_trace() -> None:
    """26 of 40 streams were dropped and 8 requests were bad; nothing is made up for them."""
    assert set(told_of("vllm/after-aborts-errors").outcomes("tiny-llama")) == {"ok"}


def test_a_crashed_engine_still_claims_to_run_and_only_its_silence_will_tell() -> None:
    page = told_of("vllm/engine-crashed-stale")
    assert page.value(s.REQUESTS_RUNNING) == 8
    assert page.value(s.MODEL_READY) == 1
    assert page.has(s.SIGNAL_QUALITY, signal=s.MODEL_READY.name, quality="approximate")


def test_engines_of_one_server_are_one_server() -> None:
    page = told_of("vllm/dp2-api2-load-1")
    assert page.value(s.REQUESTS_RUNNING) == 16
    assert page.value(s.REQUESTS_WAITING) == 16
    assert page.value(s.GENERATION_TOKENS) == 2057 + 3341
    assert page.value(s.KV_CACHE_USAGE) == pytest.approx(0.000977, abs=1e-6), "the fullest engine, not the sum"
    assert page.value(s.KV_CACHE_CAPACITY) == 1_048_576, "of one engine, not the sum"
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_count") == 24 + 32
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_bucket", le="+Inf") == 56
    assert not page.has(s.SERVER_START_TIME), "several API servers have no common start"
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.SERVER_START_TIME.name) == {"none": 1.0}


def test_gauges_that_are_declared_and_not_yet_printed_are_no_alarm() -> None:
    page = told_of("vllm/dp2-api2-idle")
    assert page.value(s.REQUESTS_RUNNING) == page.value(s.REQUESTS_WAITING) == 0
    assert not page.has(s.KV_CACHE_USAGE), "nothing says how full it is"
    assert set(page.resolved().values()) == {1.0}


def test_lora_adapters_are_those_of_the_newest_series() -> None:
    assert told_of("vllm/lora-load-1").values(s.LORA_ADAPTERS, "state") == {"running": 1, "waiting": 1}
    assert told_of("vllm/lora-after").values(s.LORA_ADAPTERS, "state") == {"running": 0, "waiting": 0}


def test_lists_of_adapters_that_grow_without_end_are_no_labels() -> None:
    assert text_of("vllm/lora-after").count("vllm:lora_requests_info{") == 4, "old combinations are never taken away"
    page = told_of("vllm/lora-after")
    assert len(list(page.matching(s.LORA_ADAPTERS))) == 2
    told_labels = {value for sample in page.samples for _, value in sample.labels}
    assert not told_labels & {"sql", "chat", "fr"}
    assert page.values(s.REQUESTS_RUNNING, "model").keys() == {"tiny-llama"}


def test_prefix_cache_is_counted_in_tokens() -> None:
    page = told_of("vllm/prefix-cache-hits")
    assert page.value(s.PREFIX_CACHE_HITS) == page.value(s.CACHED_PROMPT_TOKENS) == 23 * 384


@pytest.mark.parametrize(("status", "ready"), [(200, 1.0), (503, 0.0)])
def test_health_tells_readiness_and_the_version_is_asked_for(status: int, ready: float) -> None:
    asking = asked("vllm", {"/health": answer("", status=status), "/version": '{"version":"0.32.0+cpu"}'})
    assert values(asking) == {(s.SERVER_READY.name, ""): ready}
    assert asking.version is not None
    assert asking.version.numbers == (0, 32, 0)
