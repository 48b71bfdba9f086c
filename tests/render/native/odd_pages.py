"""Pages with what no capture has: ranks that repeat, replicas that are dead, models that are none, parts that lack."""

from __future__ import annotations

from atlas_ops.catalog.dialects import shipped_dialects
from tests.exporter.pages import series, text_of
from tests.render.native import made

_KSERVE = next(dialect for dialect in shipped_dialects() if dialect.runtime == "kserve")

ODD_PAGES = {
    # The queue-proxy and the server on one page: each request is counted once.
    "kserve/queue-proxy": made.page(_KSERVE) + text_of("kserve/load_after"),
    "mlserver/models-of-requests": "".join(
        series(f"model_infer_request_duration_{part}", value, model=model)
        for part, value in (("sum", 3), ("count", 2))
        for model in ("m", "n", "nosuch", "neither")
    ) + "".join(series("model_infer_request_success_total", 2, model=model) for model in ("m", "n")),
    "ray_serve/dead-replica": (
        series("ray_serve_deployment_replica_healthy", 1, replica="a", application="x")
        + series("ray_serve_deployment_replica_healthy", 0, replica="b", application="x")
        + series("ray_serve_replica_processing_queries", 2, replica="a", application="x")
        + series("ray_serve_replica_processing_queries", 5, replica="b", application="x")
        + series("ray_serve_replica_processing_queries", 7, replica="gone", application="x")
        + series("ray_serve_deployment_queued_queries", 3, application="x")
        + series("ray_serve_num_http_requests_total", 9, replica="b", application="x", status_code="200")
    ),
    "sglang/ranks": (
        series("sglang:num_running_reqs", 3, model_name="m", dp_rank="0", tp_rank="0")
        + series("sglang:num_running_reqs", 3, model_name="m", dp_rank="0", tp_rank="1")
        + series("sglang:num_running_reqs", 4, model_name="m", dp_rank="1", tp_rank="0")
        + series("sglang:num_running_reqs", float("nan"), model_name="m", dp_rank="2", tp_rank="0")
        + series("sglang:num_requests_total", 8, model_name="m", tp_rank="0")
        + series("sglang:num_requests_total", 8, model_name="m", tp_rank="1")
    ),
    "triton/no-failures": series("nv_inference_request_success", 5, model="m"),
    "trtllm_serve/ranks": (
        series("trtllm_kv_cache_reused_blocks_total", 10, model_name="m", rank="0")
        + series("trtllm_kv_cache_reused_blocks_total", 20, model_name="m", rank="1")
        + series("trtllm_kv_cache_missed_blocks_total", 30, model_name="m")
        + series("trtllm_kv_cache_tokens_per_block", 32, model_name="m", rank="0")
        + series("trtllm_kv_cache_tokens_per_block", 64, model_name="m", rank="1")
        + series("trtllm_kv_cache_max_blocks", 100, model_name="n", rank="0")
        + series("trtllm_kv_cache_tokens_per_block", 16, model_name="n")
    ),
    "vllm/renamed": text_of("vllm/load-stream-1").replace("vllm:num_requests_", "vllm:num_of_requests_"),
}  # fmt: skip
"""{page, which begins with its runtime: text}."""
