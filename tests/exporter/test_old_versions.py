"""Pages of older versions resolve through their old names; what a version never had is no alarm."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from tests.exporter.pages import histogram, parsed, series, text_of, told, translator

VLLM_ALWAYS = (
    "num_requests_running", "num_requests_waiting", "num_preemptions_total", "prompt_tokens_total",
    "generation_tokens_total",
)  # fmt: skip
VLLM_HISTOGRAMS = (
    "time_to_first_token_seconds", "e2e_request_latency_seconds", "request_prompt_tokens", "request_generation_tokens",
)  # fmt: skip


def vllm(*, values: tuple[str, ...], histograms: tuple[str, ...], top: float, engine: bool) -> str:
    """A page with the names that the table of runtimes gives for a version."""
    labels = {"model_name": "m"} | ({"engine": "0"} if engine else {})
    page = "".join(series(f"vllm:{name}", 0.5, **labels) for name in (*VLLM_ALWAYS, *values))
    page += "".join(histogram(f"vllm:{name}", (0.5, top), **labels) for name in (*VLLM_HISTOGRAMS, *histograms))
    page += series("vllm:request_success_total", 3, **labels, finished_reason="stop")
    page += series(
        "vllm:cache_config_info", 1, block_size="16", num_gpu_blocks="100", **({"engine": "0"} if engine else {})
    )
    return page + series("process_start_time_seconds", 7).replace("{}", "")


VLLM_PAGES = {
    "0.5.5": vllm(
        values=("gpu_cache_usage_perc", "cpu_cache_usage_perc", "num_requests_swapped", "gpu_prefix_cache_hit_rate"),
        histograms=("time_per_output_token_seconds",), top=10, engine=False,
    ),
    "0.8.5": vllm(
        values=("gpu_cache_usage_perc", "gpu_prefix_cache_queries_total", "gpu_prefix_cache_hits_total"),
        histograms=("time_per_output_token_seconds", "request_queue_time_seconds"), top=10, engine=True,
    ),
    "0.9.2": vllm(
        values=("gpu_cache_usage_perc", "gpu_prefix_cache_queries_total", "gpu_prefix_cache_hits_total",
                "kv_cache_usage_perc", "prefix_cache_queries_total", "prefix_cache_hits_total"),
        histograms=("time_per_output_token_seconds", "request_queue_time_seconds"), top=640, engine=True,
    ),
    "0.11.0": vllm(
        values=("kv_cache_usage_perc", "prefix_cache_queries_total", "prefix_cache_hits_total"),
        histograms=("time_per_output_token_seconds", "inter_token_latency_seconds", "request_queue_time_seconds",
                    "request_time_per_output_token_seconds"), top=640, engine=True,
    ),
    "0.16.0": vllm(
        values=("kv_cache_usage_perc", "prefix_cache_queries_total", "prefix_cache_hits_total",
                "prompt_tokens_by_source_total", "prompt_tokens_cached_total", "external_prefix_cache_queries_total"),
        histograms=("inter_token_latency_seconds", "request_queue_time_seconds", "request_prefill_kv_computed_tokens"),
        top=640, engine=True,
    ) + series("vllm:engine_sleep_state", 1, model_name="m", engine="0", sleep_state="awake"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "told_version", "lacks"),
    [
        (
            "0.5.5",
            "unknown",
            {s.QUEUE_TIME, s.PREFIX_CACHE_HITS, s.PREFIX_CACHE_QUERIES, s.CACHED_PROMPT_TOKENS, s.MODEL_READY},
        ),
        ("0.8.5", ">=0.8.5", {s.CACHED_PROMPT_TOKENS, s.MODEL_READY}),
        ("0.9.2", ">=0.9.2", {s.CACHED_PROMPT_TOKENS, s.MODEL_READY}),
        ("0.11.0", ">=0.11.0", {s.CACHED_PROMPT_TOKENS, s.MODEL_READY}),
        ("0.16.0", ">=0.16.0", set()),
    ],
)
def test_old_names_of_vllm_are_found_and_what_a_version_never_had_is_no_alarm(
    version: str, told_version: str, lacks: set[Signal]
) -> None:
    page = told(VLLM_PAGES[version])
    assert page.has(s.SERVER_INFO, version=told_version)
    assert set(page.resolved().values()) == {1.0}
    switched = {s.SPEC_DECODE_ACCEPTED_TOKENS, s.SPEC_DECODE_DRAFT_TOKENS, s.LORA_ADAPTERS}
    dialect = translator(parsed(VLLM_PAGES[version])).dialect
    spoken = {entry.signal for entry in dialect.entries if entry.readings}
    assert {signal for signal in spoken if not page.has(signal)} == lacks | switched
    assert page.value(s.KV_CACHE_USAGE) == 0.5
    assert page.value(s.KV_CACHE_CAPACITY) == 1600
    assert page.value(s.INTER_TOKEN_LATENCY, "_count") == 4, "once, also where both names are there"
    assert page.outcomes("m") == {"ok": 3}


def test_the_v0_engine_of_vllm_has_its_queue_under_another_name() -> None:
    page = told(VLLM_PAGES["0.5.5"] + histogram("vllm:time_in_queue_requests", (0.5,), model_name="m"))
    assert page.value(s.QUEUE_TIME, "_count") == 4


@pytest.mark.parametrize(
    ("version", "name", "signals"),
    [
        ("0.8.5", "vllm:gpu_cache_usage_perc", {s.KV_CACHE_USAGE}),
        ("0.9.2", "vllm:kv_cache_usage_perc", {s.KV_CACHE_USAGE}),
        ("0.16.0", "vllm:kv_cache_usage_perc", {s.KV_CACHE_USAGE}),
        ("0.16.0", "vllm:inter_token_latency_seconds", {s.INTER_TOKEN_LATENCY}),
        ("0.16.0", "vllm:request_success_total", {s.REQUESTS, s.REQUESTS_FINISHED}),
        ("0.16.0", "vllm:num_requests_waiting", {s.REQUESTS_WAITING}),
        ("0.16.0", "vllm:engine_sleep_state", {s.MODEL_READY}),
    ],
)
def test_a_signal_that_its_version_should_have_and_has_not_is_told(
    version: str, name: str, signals: set[Signal]
) -> None:
    page = told(VLLM_PAGES[version].replace(name, "vllm:renamed"))
    old_name_is_left = version == "0.9.2"
    for signal in signals:
        assert page.resolved()[signal.name] == (1.0 if old_name_is_left else 0.0)
        assert page.has(signal) == old_name_is_left
    others = {name: value for name, value in page.resolved().items() if name not in {one.name for one in signals}}
    assert set(others.values()) == {1.0}


def test_a_sum_that_lacks_a_part_is_not_told() -> None:
    text = text_of("vllm/idle-fresh").replace("vllm:admission_rejections_total", "vllm:renamed")
    assert told(text).resolved()[s.REQUESTS.name] == 0
    assert not told(text).has(s.REQUESTS)


def test_a_capacity_that_the_server_does_not_know_is_absent_and_no_alarm() -> None:
    page = told(VLLM_PAGES["0.8.5"].replace('num_gpu_blocks="100"', 'num_gpu_blocks="None"'))
    assert not page.has(s.KV_CACHE_CAPACITY)
    assert s.KV_CACHE_CAPACITY.name not in page.resolved()


def test_the_number_of_tokens_goes_before_the_product_of_blocks() -> None:
    page = told(VLLM_PAGES["0.16.0"].replace('num_gpu_blocks="100"', 'num_gpu_blocks="100",kv_cache_size_tokens="900"'))
    assert page.value(s.KV_CACHE_CAPACITY) == 900


TRITON_OLD = (
    series("nv_inference_request_success", 40, model="m", version="1")
    + series("nv_inference_request_failure", 5, model="m", version="1")
    + series("nv_inference_count", 80, model="m", version="1")
    + series("nv_inference_exec_count", 10, model="m", version="1")
    + series("nv_inference_request_duration_us", 2_000_000, model="m", version="1")
    + series("nv_inference_queue_duration_us", 1_000_000, model="m", version="1")
)


def test_triton_before_23_09_counts_no_waiting_requests_and_that_is_no_alarm() -> None:
    page = told(TRITON_OLD)
    assert page.outcomes("m") == {"ok": 40, "error": 5}, "without the label reason every failure is an error"
    assert page.value(s.REQUEST_DURATION, "_sum") == 2
    assert not page.has(s.REQUESTS_WAITING)
    assert set(page.resolved().values()) == {1.0}
    assert page.has(s.SERVER_INFO, version="unknown")


def test_triton_before_24_08_has_waiting_requests_and_no_reason() -> None:
    page = told(TRITON_OLD + series("nv_inference_pending_request_count", 6, model="m", version="1"))
    assert page.value(s.REQUESTS_WAITING) == 6
    assert page.has(s.SERVER_INFO, version=">=23.09")
    assert page.outcomes("m") == {"ok": 40, "error": 5}


def test_triton_with_reasons_must_have_waiting_requests() -> None:
    text = text_of("triton/load_during").replace("nv_inference_pending_request_count", "nv_renamed")
    assert told(text).resolved()[s.REQUESTS_WAITING.name] == 0


def test_triton_first_responses_are_turned_into_seconds() -> None:
    labels = {"model": "m", "version": "1"}
    page = told(TRITON_OLD + histogram("nv_inference_first_response_histogram_ms", (100, 700, 5000), **labels))
    assert list(page.values(s.TIME_TO_FIRST_TOKEN, "le", "_bucket")) == ["0.1", "0.7", "5.0", "+Inf"]
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_sum") == pytest.approx(0.009)
    assert page.has(s.SERVER_INFO, version=">=24.11")


def test_a_triton_page_with_vllm_names_is_triton_and_each_model_is_told_as_well_as_it_can_be() -> None:
    vllm_model = {"model": "llm", "version": "1"}
    text = (
        TRITON_OLD
        + TRITON_OLD.replace('model="m"', 'model="llm"')
        + series("vllm:generation_tokens_total", 700, **vllm_model)
        + series("vllm:num_requests_waiting", 2, **vllm_model)
        + series("nv_inference_pending_request_count", 1, model="m", version="1")
        + series("nv_inference_pending_request_count", 3, **vllm_model)
        + histogram("vllm:e2e_request_latency_seconds", (0.5, 1), **vllm_model)
    )
    page = told(text)
    assert page.has(s.SERVER_INFO, dialect="triton")
    assert page.values(s.GENERATION_TOKENS, "model") == {"llm": 700}, "no zeros for models that count no tokens"
    assert page.values(s.REQUESTS_WAITING, "model") == {"m": 1, "llm": 5}
    assert list(page.values(s.REQUEST_DURATION, "le", "_bucket", model="llm")) == ["0.5", "1.0", "+Inf"]
    assert list(page.values(s.REQUEST_DURATION, "le", "_bucket", model="m")) == ["+Inf"]
    quality = page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name)
    assert quality == {"mean_only": 1.0}, "the worst of the models, for a p99 must not be promised"


def test_a_triton_without_a_model_is_known_and_blamed_for_nothing() -> None:
    page = told("nv_pinned_memory_pool_total_bytes 268435456\nnv_pinned_memory_pool_used_bytes 0\n")
    assert page.has(s.SERVER_INFO, version=">=24.01")
    assert not page.resolved()
