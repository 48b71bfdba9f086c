"""The `/metrics` page of vLLM 0.32, from the state of one simulated engine. Called by `simulator.replica`.

Names, types, labels, bounds and help texts are those of a real server's page; the tests compare them with a capture.
Caches that the engine does not have are there at 0, as on the real page. Left out is what nobody watches: the
interpreter's own metrics, estimated FLOP counts (0 unless switched on), and further histograms of the HTTP framework.
"""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops.simulator.adapters import MAX_LORAS, Adapters
from atlas_ops.simulator.counters import DRAFTED_TOKENS, Counters
from atlas_ops.simulator.engine import Engine, EngineConfig
from atlas_ops.simulator.exposition import Labels, Page
from atlas_ops.simulator.histogram import Histogram

VERSION = "0.32.0"
HTTP = {"handler": "/v1/chat/completions", "method": "POST"}

_WAITING_BY_REASON = (
    "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; 'deferred' = "
    "deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals "
    "vllm:num_requests_waiting."
)
_SLEEP_STATE = (
    "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; weights_offloaded = 1 means "
    "sleep level 1; discard_all = 1 means sleep level 2."
)
_CACHED_BY_SOURCE = (
    "Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), host (offloaded to DRAM), disk, p2p "
    "(transferred from another vLLM instance) or external_unspecified. Counted at admission; sums to "
    "vllm:prefix_cache_hits + vllm:external_prefix_cache_hits."
)
_EXTERNAL_CACHE = (
    "External prefix cache {} from KV connector cross-instance cache sharing, in terms of number of {} tokens."
)
_ALWAYS_ZERO = (
    ("vllm:external_prefix_cache_queries", _EXTERNAL_CACHE.format("queries", "queried")),
    ("vllm:external_prefix_cache_hits", _EXTERNAL_CACHE.format("hits", "cached")),
    ("vllm:mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items."),
    ("vllm:mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items."),
)
_COUNTERS: tuple[tuple[str, str, Callable[[Counters], int]], ...] = (
    (
        "vllm:prefix_cache_queries",
        "Prefix cache queries, in terms of number of queried tokens.",
        lambda c: c.prefix_cache_queries,
    ),
    (
        "vllm:prefix_cache_hits",
        "Prefix cache hits, in terms of number of cached tokens.",
        lambda c: c.prefix_cache_hits,
    ),
    ("vllm:num_preemptions", "Cumulative number of preemption from the engine.", lambda c: c.preemptions),
    ("vllm:prompt_tokens", "Number of prefill tokens processed.", lambda c: c.prompt_tokens),
    (
        "vllm:prompt_tokens_cached",
        "Number of cached prompt tokens (local + external).",
        lambda c: c.cached_prompt_tokens,
    ),
    ("vllm:generation_tokens", "Number of generation tokens processed.", lambda c: c.generation_tokens),
)
_HISTOGRAMS: tuple[tuple[str, str, Callable[[Counters], Histogram]], ...] = (
    ("request_prompt_tokens", "Number of prefill tokens processed.", lambda c: c.request_prompt_tokens),
    ("request_generation_tokens", "Number of generation tokens processed.", lambda c: c.request_generation_tokens),
    ("iteration_tokens_total", "Histogram of number of tokens per engine_step.", lambda c: c.iteration_tokens),
    (
        "request_max_num_generation_tokens",
        "Histogram of maximum number of requested generation tokens.",
        lambda c: c.request_max_generation_tokens,
    ),
    ("request_params_n", "Histogram of the n request parameter.", lambda c: c.request_n),
    ("request_params_max_tokens", "Histogram of the max_tokens request parameter.", lambda c: c.request_max_tokens),
    ("time_to_first_token_seconds", "Histogram of time to first token in seconds.", lambda c: c.time_to_first_token),
    ("inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", lambda c: c.inter_token),
    (
        "request_time_per_output_token_seconds",
        "Histogram of time_per_output_token_seconds per request.",
        lambda c: c.time_per_output_token,
    ),
    ("e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", lambda c: c.end_to_end),
    ("request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", lambda c: c.queue_time),
    (
        "request_inference_time_seconds",
        "Histogram of time spent in RUNNING phase for request.",
        lambda c: c.inference_time,
    ),
    ("request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", lambda c: c.prefill_time),
    ("request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", lambda c: c.decode_time),
    (
        "request_num_preemptions",
        "Histogram of the number of times a request was preempted.",
        lambda c: c.request_preemptions,
    ),
    (
        "request_prefill_kv_computed_tokens",
        "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
        lambda c: c.request_computed_tokens,
    ),
)
_CACHE_CONFIG = {
    "_block_size_resolved": "True", "cache_dtype": "auto", "cache_hit_alignment_tokens": "None",
    "enable_mamba_shared_prefix_checkpoint": "False", "enable_prefix_caching": "True", "engine": "0",
    "hash_block_size": "None", "is_attention_free": "False", "kv_cache_dtype_skip_layers": "[]",
    "kv_cache_layout": "None", "kv_cache_memory_bytes": "None", "kv_offloading_backend": "native",
    "kv_offloading_size": "None", "kv_sharing_fast_prefill": "False", "mamba_block_size": "None",
    "mamba_cache_dtype": "auto", "mamba_cache_mode": "none", "mamba_page_size_padded": "None",
    "mamba_ssm_cache_dtype": "float32", "num_cpu_blocks": "None", "num_gpu_blocks_override": "None",
    "prefix_cache_retention_interval": "0", "prefix_caching_hash_algo": "sha256", "prefix_match_unit": "None",
    "replayssm_buffer_len": "16", "skip_page_size_padded": "None", "sliding_window": "None",
    "swa_bounded_replay": "True", "use_kda_recoverssm": "False", "use_replayssm": "False",
    "user_specified_block_size": "False",
}  # fmt: skip


def vllm_page(engine: Engine, *, started_at: float, adapters: Adapters | None = None) -> str:
    """Return the page of an engine whose process started at `started_at` (Unix seconds)."""
    page = Page(started_at)
    labels = {"engine": "0", "model_name": engine.config.model_name}
    page.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", {}, started_at)
    _gauges(page, labels, engine)
    _counters(page, labels, engine.counters)
    for name, text, read in _HISTOGRAMS:
        page.histogram(f"vllm:{name}", text, labels, read(engine.counters))
    _speculation(page, labels, engine)
    _adapters(page, adapters or Adapters())
    page.gauge("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", _cache_config(engine.config), 1)
    _http(page, engine.counters)
    return page.text()


def _gauges(page: Page, labels: Labels, engine: Engine) -> None:
    waiting, usage = engine.requests_waiting, engine.blocks_used / engine.config.usable_blocks
    by_reason = {"capacity": waiting, "deferred": 0}
    asleep = {"awake": 1, "weights_offloaded": 0, "discard_all": 0}
    page.gauge(
        "vllm:num_requests_running", "Number of requests in model execution batches.", labels, engine.requests_running
    )
    page.gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", labels, waiting)
    page.gauge("vllm:num_requests_waiting_by_reason", _WAITING_BY_REASON, labels, by_reason, "reason")
    page.gauge("vllm:engine_sleep_state", _SLEEP_STATE, labels, asleep, "sleep_state")
    page.gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", labels, usage)


def _counters(page: Page, labels: Labels, counters: Counters) -> None:
    for name, text, read in _COUNTERS:
        page.counter(name, text, labels, read(counters))
    for name, text in _ALWAYS_ZERO:
        page.counter(name, text, labels, 0)
    computed = counters.prompt_tokens - counters.cached_prompt_tokens
    sources = {"local_compute": computed, "local_cache_hit": counters.cached_prompt_tokens, "external_kv_transfer": 0}
    tiers = {"device": counters.prefix_cache_hits, "host": 0, "p2p": 0, "disk": 0, "external_unspecified": 0}
    page.counter("vllm:prompt_tokens_by_source", "Number of prompt tokens by source.", labels, sources, "source")
    page.counter("vllm:prompt_tokens_cached_by_source", _CACHED_BY_SOURCE, labels, tiers, "source")
    page.counter(
        "vllm:request_success",
        "Count of successfully processed requests.",
        labels,
        counters.finished,
        "finished_reason",
    )
    page.counter(
        "vllm:admission_rejections",
        "Number of admission attempts rejected by a queue limit, by reason.",
        {"model_name": labels["model_name"]},  # the real one has no engine label either
        {"max_num_queued_reqs": counters.rejected, "max_num_queued_tokens": 0},
        "reason",
    )


def _speculation(page: Page, labels: Labels, engine: Engine) -> None:
    """Add what a server with --speculative-config tells. Left out is how many were accepted at each place of a draft."""
    if engine.accepted_share is None:
        return
    counters = engine.counters
    drafted = int(counters.drafts) * DRAFTED_TOKENS
    page.counter("vllm:spec_decode_num_drafts", "Number of spec decoding drafts.", labels, int(counters.drafts))
    page.counter("vllm:spec_decode_num_draft_tokens", "Number of draft tokens.", labels, drafted)
    page.counter(
        "vllm:spec_decode_num_accepted_tokens", "Number of accepted tokens.", labels, int(counters.accepted_tokens)
    )


def _adapters(page: Page, adapters: Adapters) -> None:
    """Add what a server with --enable-lora tells: a series for each combination, with the time at which it was seen last."""
    for place, ((running, waiting), seen_at) in enumerate(adapters.seen.items()):
        labels = {"max_lora": str(MAX_LORAS), "running_lora_adapters": running, "waiting_lora_adapters": waiting}
        page.sample_of_gauge(
            "vllm:lora_requests_info", "Running stats on lora requests.", labels, seen_at, first=not place
        )


def _cache_config(config: EngineConfig) -> Labels:
    tokens = config.num_gpu_blocks * config.block_size
    return {
        **_CACHE_CONFIG,
        "block_size": str(config.block_size),
        "effective_attention_block_size": str(config.block_size),
        "gpu_memory_utilization": str(config.gpu_memory_utilization),
        "kv_cache_max_concurrency": str(tokens / config.max_model_len),
        "kv_cache_size_tokens": str(tokens),
        "num_gpu_blocks": str(config.num_gpu_blocks),
    }


def _http(page: Page, counters: Counters) -> None:
    """Add what prometheus-fastapi-instrumentator counts: nothing is there before the first request of its kind."""
    seen = {status: count for status, count in counters.http.items() if count}
    page.counter("http_requests", "Total number of requests by method, status and handler.", HTTP, seen, "status")
    if seen:
        page.histogram(
            "http_request_duration_seconds",
            "Latency with only few buckets by handler. Made to be only used if aggregation by handler is important. ",
            HTTP,
            counters.http_seconds,
        )
