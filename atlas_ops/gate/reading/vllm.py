"""Results of `vllm bench serve --save-result`: one JSON object for each run, with `--append-result` several in a file. Called by `reading`.

With `--save-detailed` there are the times of every request in seconds (`ttfts`, `itls`, `latencies`, `errors`, `start_times` by the
load generator's own clock); without it the percentiles that were asked for, in milliseconds: the median and p99 by default, and, since
some version before 0.32, the latency of every request (0 where it failed). Fields by vllm/benchmarks/serve.py; read back from files
that vLLM 0.32.0 wrote.
"""

from __future__ import annotations

import json
import math
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
    timings,
)

KEYS = {"completed", "duration", "request_throughput"}
"""Fields that every result has."""
_TOOL = "vllm bench serve"
_MILLISECOND = 1e-3
_METRICS = {LATENCY: "e2el", FIRST_TOKEN: "ttft", INTER_TOKEN: "itl"}
_NAMES = {"p50": ("p50", "median"), "p90": ("p90",), "p99": ("p99",)}
_NOTE = (
    "results without single requests have the percentiles that were asked for: add --save-detailed, or "
    "--percentile-metrics ttft,itl,e2el --metric-percentiles 50,90,99"
)


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
    lasted = _amount(result["duration"])
    began = _date(result, lasted)
    if "ttfts" in result and "itls" in result:
        return _detailed(name, result, skip_seconds, began, lasted)
    good = int(_amount(result["completed"]))
    failed = int(_amount(result["failed"] if "failed" in result else _amount(result.get("num_prompts", good)) - good))
    readings = {
        f"{metric}_{quantile}": Reading(value=value * _MILLISECOND, of=good)
        for metric, short in _METRICS.items()
        for quantile, words in _NAMES.items()
        if not math.isnan(value := _first(result, [f"{word}_{short}_ms" for word in words])) and good
    }
    readings |= timings(LATENCY, [latency for latency in map(_amount, result.get("latencies", [])) if latency > 0])
    if good + failed:
        readings[ERROR_SHARE] = Reading(value=failed / (good + failed), of=good + failed)
    if rate := _amount(result.get("output_throughput") or 0):
        readings[TOKENS_PER_SECOND] = Reading(value=rate, of=good)
    return Run(name=name, tool=_TOOL, requests=good + failed, readings=readings, began=began, notes=(_NOTE,))


def _detailed(name: str, result: Record, skip_seconds: float, began: float | None, lasted: float) -> Run:
    requests = Requests()
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
    run = requests.run(name=name, tool=_TOOL, skip_seconds=skip_seconds, seconds=lasted)
    # The starts count from when the machine was switched on; the date is that of the end.
    return Run(name=name, tool=_TOOL, requests=run.requests, readings=run.readings, began=began)


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
