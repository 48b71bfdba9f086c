"""Results of load that never ran, in the forms of the tools. Field names and shapes by their sources; Locust's files are real ones."""

from __future__ import annotations

import json
import random
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
BEGAN = 1_767_225_600.0
REQUESTS = 600


def latencies(seed: int, slower: float = 1.0, count: int = REQUESTS) -> list[float]:
    """Return times of one run in seconds, about 0.2 s, with 3 % of noise of the run."""
    chance = random.Random(seed)
    level = 0.2 * slower * (1 + chance.gauss(0, 0.03))
    return [level * (1 + 0.4 * place / count) for place in range(count)]


def lines(
    path: Path, seed: int, *, slower: float = 1.0, failed: int = 0, count: int = REQUESTS, unit: float = 1.0, apart: float = 0.1,
) -> Path:  # fmt: skip
    """Write a run as JSON lines; `failed` of its requests did, and they began so many seconds `apart`."""
    began = BEGAN + 60 * seed
    records = [
        {
            "latency_seconds": took * unit,
            "start_seconds": began + apart * place,
            "generation_tokens": 20,
            "error": place < failed,
        }
        for place, took in enumerate(latencies(seed, slower, count))
    ]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def side(
    folder: Path, name: str, runs: int = 6, *, first: int = 0, slower: float = 1.0, failed: int = 0, apart: float = 0.1
) -> list[Path]:
    """Write the runs of a side; those of two sides take turns when one begins with 0 and the other with 1."""
    return [
        lines(folder / f"{name}{number}.jsonl", first + 2 * number, slower=slower, failed=failed, apart=apart)
        for number in range(runs)
    ]


def k6_points(path: Path, times: list[float], *, failed: int = 0) -> Path:
    """Write what `k6 run --out json=FILE` does."""
    rows: list[dict[str, object]] = [
        {"type": "Metric", "data": {"name": "http_req_duration", "type": "trend", "contains": "time", "thresholds": [], "submetrics": None},
         "metric": "http_req_duration"},
    ]  # fmt: skip
    for place, took in enumerate(times):
        good = place >= failed
        tags = {
            "expected_response": str(good).lower(),
            "method": "POST",
            "status": "200" if good else "503",
            "scenario": "default",
        }
        moment = f"2026-01-01T00:{place // 60:02d}:{place % 60:02d}.625742514+02:00"
        for metric, value in (("http_reqs", 1), ("http_req_duration", took * 1000), ("http_req_failed", int(not good))):
            rows.append({"metric": metric, "type": "Point", "data": {"time": moment, "value": value, "tags": tags}})
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def k6_summary(path: Path, *, nested: bool, p99: bool = True) -> Path:
    """Write what `k6 run --summary-export FILE` does; `nested` is what handleSummary gets."""
    trend = {"avg": 250.0, "min": 100.0, "med": 240.0, "max": 900.0, "p(90)": 400.0, "p(95)": 480.0} | (
        {"p(99)": 700.0} if p99 else {}
    )
    metrics: dict[str, dict[str, object]] = {
        "http_req_duration": {**trend, "med": 9999.0},
        "http_req_duration{expected_response:true}": dict(trend),
        "http_req_failed": {"passes": 10, "fails": 990} | ({"rate": 0.01} if nested else {"value": 0.01}),
        "http_reqs": {"count": 1000, "rate": 50.0},
        "iterations": {"count": 1000, "rate": 50.0},
    }
    if nested:
        metrics = {name: {"type": "trend", "contains": "time", "values": values} for name, values in metrics.items()}
    path.write_text(json.dumps({"root_group": {}, "metrics": metrics}, indent=2), encoding="utf-8")
    return path


def vllm(*, detailed: bool, percentiles: bool = True) -> dict[str, object]:
    """Return what `vllm bench serve --save-result` writes of a run of four requests, one of which failed."""
    result: dict[str, object] = {
        "date": "20260101-120010", "endpoint_type": "openai", "backend": "openai", "label": None, "model_id": "m", "tokenizer_id": "m",
        "num_prompts": 4, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": None,
        "duration": 10.0, "completed": 3, "failed": 1, "total_input_tokens": 30, "total_output_tokens": 9,
        "request_throughput": 0.3, "request_goodput": None, "output_throughput": 0.9, "total_token_throughput": 3.9,
        "mean_ttft_ms": 60.0, "median_ttft_ms": 50.0, "std_ttft_ms": 9.0, "p99_ttft_ms": 90.0,
        "mean_itl_ms": 12.0, "median_itl_ms": 11.0, "std_itl_ms": 1.0, "p99_itl_ms": 30.0,
    }  # fmt: skip
    if percentiles:
        result |= {
            "p90_ttft_ms": 80.0,
            "p90_itl_ms": 20.0,
            "median_e2el_ms": 500.0,
            "p50_e2el_ms": 501.0,
            "p90_e2el_ms": 700.0,
            "p99_e2el_ms": 900.0,
        }
    if detailed:
        result |= {
            "input_lens": [10, 10, 10, 10], "output_lens": [3, 3, 3, 0], "ttfts": [0.1, 0.2, 0.3, 0.0],
            "itls": [[0.01, 0.02], [0.01, 0.02], [0.03, 0.04], []], "latencies": [0.13, 0.23, 0.37, 0.0],
            "start_times": [1000.0, 1001.0, 1002.0, 1003.0], "generated_texts": ["a", "b", "c", ""], "errors": ["", "", "", "Bad Gateway"],
        }  # fmt: skip
    return result


def sglang(*, detailed: bool) -> dict[str, object]:
    """Return what `sglang.bench_serving --output-file` appends of a run of three requests that came through."""
    result: dict[str, object] = {
        "backend": "sglang", "dataset_name": "random", "request_rate": 4.0, "max_concurrency": None, "sharegpt_output_len": None,
        "random_input_len": 10, "random_output_len": 3, "random_range_ratio": 0.0, "duration": 10.0, "completed": 3,
        "total_input_tokens": 30, "total_output_tokens": 9, "total_output_tokens_retokenized": 9, "request_throughput": 0.3,
        "input_throughput": 3.0, "output_throughput": 0.9, "mean_e2e_latency_ms": 510.0, "median_e2e_latency_ms": 500.0,
        "std_e2e_latency_ms": 5.0, "p99_e2e_latency_ms": 900.0, "mean_ttft_ms": 60.0, "median_ttft_ms": 50.0, "std_ttft_ms": 9.0,
        "p99_ttft_ms": 90.0, "mean_tpot_ms": 10.0, "median_tpot_ms": 10.0, "std_tpot_ms": 1.0, "p99_tpot_ms": 20.0,
        "mean_itl_ms": 12.0, "median_itl_ms": 11.0, "std_itl_ms": 1.0, "p95_itl_ms": 20.0, "p99_itl_ms": 30.0, "concurrency": 1.5,
        "accept_length": None,
    }  # fmt: skip
    if detailed:
        result |= {
            "input_lens": [10, 10, 10, 10], "output_lens": [3, 3, 3, 0], "ttfts": [0.1, 0.2, 0.3, 0.0],
            "itls": [[0.01, 0.02], [0.01, 0.02], [0.03, 0.04], []], "generated_texts": ["a", "b", "c", ""], "errors": ["", "", "", "Bad Gateway"],
        }  # fmt: skip
    return result


def aiperf(*, successor: bool) -> dict[str, object]:
    """Return what AIPerf writes of 200 requests that came through and 84 that did not, or GenAI-Perf of the former."""
    result: dict[str, object] = {
        "request_throughput": {"unit": "requests/sec", "avg": 13.16},
        "request_latency": {"unit": "ms", "avg": 6550.3, "p50": 5799.8, "p90": 8594.2, "p95": 8980.8, "p99": 9381.6, "min": 4996.2},
        "time_to_first_token": {"unit": "ms", "avg": 1588.7, "p50": 787.5, "p90": 3695.1, "p99": 4119.3},
        "inter_token_latency": {"unit": "ms", "avg": 51.7, "p50": 51.9, "p90": 53.1, "p99": 55.8},
        "output_token_throughput": {"unit": "tokens/sec", "avg": 1274.6},
        "request_count": {"unit": "requests", "avg": 200.0},
        "input_config": {"endpoint": {"streaming": True}},
    }  # fmt: skip
    if successor:
        result |= {
            "was_cancelled": False, "start_time": "2025-10-17T20:22:08.939332", "end_time": "2025-10-17T20:22:24.967633",
            "error_summary": [{"error_details": {"code": 500}, "count": 81}, {"error_details": {"code": 504}, "count": 3}],
            "error_request_count": None,
        }  # fmt: skip
    return result


def aiperf_request(
    *, start: float, latency: float = 297.5, failed: bool = False, cancelled: bool = False
) -> dict[str, object]:
    """Return a line of AIPerf's `profile_export.jsonl`; `latency` in milliseconds."""
    metrics: dict[str, object] = {
        "time_to_first_token": {"value": 255.8, "unit": "ms"},
        "request_latency": {"value": latency, "unit": "ms"},
        "output_sequence_length": {"value": 9, "unit": "tokens"},
        "inter_token_latency": {"value": 5.2, "unit": "ms"},
    }
    return {
        "metadata": {"session_num": 45, "request_start_ns": round(start * 1e9), "was_cancelled": cancelled},
        "metrics": {"error_isl": {"value": 550, "unit": "tokens"}} if failed else metrics,
        "error": {"code": 500, "type": "InternalServerError", "message": "no"} if failed else None,
    }


def k6_new_summary() -> dict[str, object]:
    """Return what `k6 run --new-machine-readable-summary --summary-export FILE` writes."""
    trend = {"avg": 250.0, "max": 900.0, "med": 240.0, "min": 100.0, "p(90)": 400.0, "p(95)": 480.0}
    metrics = [
        {"contains": "time", "name": "http_req_duration", "type": "trend", "values": {**trend, "med": 9999.0}},
        {"contains": "time", "name": "http_req_duration{expected_response:true}", "type": "trend", "values": trend},
        {"contains": "default", "name": "http_req_failed", "type": "rate", "values": {"matches": 10, "rate": 0.01, "total": 1000}},
        {"contains": "default", "name": "http_reqs", "type": "counter", "values": {"count": 1000}},
    ]  # fmt: skip
    return {
        "config": {"duration": 20.0, "execution": "local", "script": "load.js"},
        "metadata": {"generated_at": "2026-01-01T12:00:00Z", "k6_version": "2.0.0"},
        "results": {"checks": {"metrics": [], "results": []}, "metrics": metrics},
        "version": "1.0.0",
    }
