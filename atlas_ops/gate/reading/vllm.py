"""Results of `vllm bench serve --save-result` and of `sglang.bench_serving --output-file`, which began as a copy of it. Called by `reading`.

One JSON object for each run; with `--append-result`, and of SGLang always, several in a file.

With `--save-detailed` there are the times of every request in seconds (`ttfts`, `itls`, `latencies`, `errors`, `start_times` by the
load generator's own clock); without it the percentiles that were asked for, in milliseconds: the median and p99 by default, and, since
some version before 0.32, the latency of every request (0 where it failed). Fields by vllm/benchmarks/serve.py; read back from files
that vLLM 0.32.0 wrote. SGLang has the same of every request with `--output-details`, and without it does not say how many failed
(fields by python/sglang/bench_serving.py; no file of its own was read).
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from atlas_ops.errors import DataError
from atlas_ops.gate.reading.source import MOST, Record, short
from atlas_ops.gate.runs import (
    ERROR_SHARE,
    FIRST_TOKEN,
    INTER_TOKEN,
    LATENCY,
    TOKENS_PER_SECOND,
    Reading,
    Requests,
    Run,
    per_second,
    timings,
)

KEYS = {"completed", "duration", "request_throughput"}
"""Fields that every result has."""
_VLLM, _SGLANG = "vllm bench serve", "SGLang's bench_serving"
_ONLY_SGLANG = "median_e2e_latency_ms"
_MILLISECOND = 1e-3
_METRICS = {LATENCY: ("e2el", "e2e_latency"), FIRST_TOKEN: ("ttft",), INTER_TOKEN: ("itl",)}
_NAMES = {"p50": ("p50", "median"), "p90": ("p90",), "p99": ("p99",)}
_NOTES = {
    _VLLM: "results without single requests have the percentiles that were asked for: add --save-detailed, or "
    "--percentile-metrics ttft,itl,e2el --metric-percentiles 50,90,99",
    _SGLANG: "results of SGLang without single requests do not say how many failed: add --output-details",
}


def read(path: Path, documents: tuple[Record, ...], skip_seconds: float) -> tuple[Run, ...]:
    """Return the runs of a file."""
    names = (
        [path.name] if len(documents) == 1 else [f"{path.name} run {number}" for number in range(1, len(documents) + 1)]
    )
    try:
        return tuple(_run(name, one, skip_seconds) for name, one in zip(names, documents, strict=True))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: a field of vllm bench serve is missing or not what it should be: {error!r}",
            next_step="write the file anew; the fields of vLLM 0.6 and later are known",
        ) from error


def _run(name: str, result: Record, skip_seconds: float) -> Run:
    if "ttfts" in result and "itls" in result:
        return _detailed(name, result, skip_seconds)
    lasted, good = _amount(result["duration"]), int(_amount(result["completed"]))
    failed = _failed(result, good)
    readings = {
        f"{metric}_{quantile}": Reading(value=value * _MILLISECOND, of=good)
        for metric, names in _METRICS.items()
        for quantile, words in _NAMES.items()
        if not math.isnan(value := _first(result, [f"{word}_{name}_ms" for name in names for word in words])) and good
    }
    readings |= timings(LATENCY, [latency for latency in map(_amount, result.get("latencies", [])) if latency > 0])
    every = good + (failed or 0)
    if every and failed is not None:
        readings[ERROR_SHARE] = Reading(value=failed / every, of=every)
    if rate := _amount(result.get("output_throughput") or 0):
        readings[TOKENS_PER_SECOND] = Reading(value=rate, of=good)
    return Run(
        name=name, tool=_tool(result), requests=every, readings=readings, began=_date(result, lasted),
        load=per_second(every, lasted), notes=(_NOTES[_tool(result)],),
    )  # fmt: skip


def _tool(result: Record) -> str:
    return _SGLANG if _ONLY_SGLANG in result else _VLLM


def _failed(result: Record, good: int) -> int | None:
    """Return how many requests failed; None where the file does not say."""
    if "failed" in result:
        return int(_amount(result["failed"]))
    return int(_amount(_amount(result["num_prompts"]) - good)) if "num_prompts" in result else None


def _detailed(name: str, result: Record, skip_seconds: float) -> Run:
    requests, lasted = Requests(), _amount(result["duration"])
    count = len(result["ttfts"])
    columns = zip(
        result["ttfts"], result["itls"], result.get("errors", [""] * count), result.get("output_lens", [math.nan] * count),
        result.get("latencies", [math.nan] * count), result.get("start_times", [math.nan] * count), strict=True,
    )  # fmt: skip
    for wait, gaps, error, tokens, latency, start in columns:
        first, between = _amount(wait), [_amount(gap) for gap in gaps]
        # Older versions do not write the latency, which is the sum of its parts.
        took = first + sum(between) if math.isnan(latency) else _amount(latency)
        requests.add(
            latency=took, start=_or_unknown(start), first_token=first if first > 0 else math.nan, between=between,
            tokens=_or_unknown(tokens), failed=bool(error) or took <= 0,
        )  # fmt: skip
    run = requests.run(name=name, tool=_tool(result), skip_seconds=skip_seconds, seconds=lasted)
    # The starts count from when the machine was switched on; the date is that of the end.
    return replace(run, began=_date(result, lasted))


def _first(result: Record, keys: list[str]) -> float:
    return next((_or_unknown(result[key]) for key in keys if result.get(key) is not None), math.nan)


def _or_unknown(value: Any) -> float:
    """Return an amount, or NaN where the file says so itself."""
    return math.nan if isinstance(value, float) and math.isnan(value) else _amount(value)


def _amount(value: Any) -> float:
    """Return a number of 0 or more; ValueError, TypeError or OverflowError for anything else."""
    if not 0 <= (found := float(value)) < MOST:
        raise ValueError(f"found {short(value)}, expected a number of 0 or more")
    return found


def _date(result: Record, lasted: float) -> float | None:
    """Return when the run began (Unix time, by the local clock that wrote `date` at its end), None when it does not say."""
    date: Any = result.get("date")
    try:
        return datetime.strptime(date, "%Y%m%d-%H%M%S").astimezone().timestamp() - lasted
    except (TypeError, ValueError, OverflowError):
        return None


def documents(text: str) -> tuple[Any, ...]:
    """Return the JSON objects of a text, one after another; ValueError when it is none."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text):
        one, at = decoder.raw_decode(text, at)
        found.append(one)
        while at < len(text) and text[at].isspace():
            at += 1
    return tuple(found)
