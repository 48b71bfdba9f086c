"""Results of NVIDIA's GenAI-Perf and of its successor AIPerf. Called by `reading`.

`profile_export_genai_perf.json` and `profile_export_aiperf.json` have one JSON object for each run: a metric has its `unit`, `avg` and
percentiles, times of requests that succeeded; only AIPerf counts the others. `profile_export.jsonl` of AIPerf has every request. Fields
by AIPerf's "Working with Profile Export Files" and GenAI-Perf's json_exporter.py; no file of their own was read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from atlas_ops.errors import DataError
from atlas_ops.gate.reading.source import MOST, Record, records, seconds, short, wrong
from atlas_ops.gate.runs import (
    ERROR_SHARE,
    FIRST_TOKEN,
    INTER_TOKEN,
    LATENCY,
    QUANTILES,
    TOKENS_PER_SECOND,
    Reading,
    Requests,
    Run,
)

KEYS = {"request_latency", "request_throughput"}
"""Metrics that every result has."""
REQUEST_KEYS = {"metadata", "metrics"}
"""Fields of every request."""
_AIPERF, _GENAI_PERF = "AIPerf", "GenAI-Perf"
_ONLY_AIPERF = {"error_summary", "was_cancelled", "aiperf_version"}
_METRICS = {LATENCY: "request_latency", FIRST_TOKEN: "time_to_first_token", INTER_TOKEN: "inter_token_latency"}
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}
_NOTE = "GenAI-Perf does not tell how many requests failed; its successor AIPerf does"


def read(path: Path, result: Record) -> Run:
    """Return the run of a file."""
    if result.get("was_cancelled"):
        raise DataError(f"{path}: AIPerf was stopped before its end", next_step="repeat that run")
    successor = bool(result.keys() & _ONLY_AIPERF)
    good, rate = (_number(path, result, metric, "avg") for metric in ("request_count", "request_throughput"))
    if math.isnan(good):
        raise _wrong(path, "request_count", result.get("request_count"))
    failed = _failed(path, result) if successor else 0
    readings = {
        f"{metric}_{quantile}": Reading(value=value, of=int(good))
        for metric, name in _METRICS.items()
        for quantile in QUANTILES
        if not math.isnan(value := _number(path, result, name, quantile, times=True))
    }
    if (tokens := _number(path, result, "output_token_throughput", "avg")) > 0:
        readings[TOKENS_PER_SECOND] = Reading(value=tokens, of=int(good))
    every = int(good) + failed
    if successor and every:
        readings[ERROR_SHARE] = Reading(value=failed / every, of=every)
    return Run(
        name=path.name, tool=_AIPERF if successor else _GENAI_PERF, requests=every, readings=readings, began=_began(result),
        load=rate * every / good if rate > 0 and good > 0 else None, notes=() if successor else (_NOTE,),
    )  # fmt: skip


def requests(path: Path, skip_seconds: float) -> Run:
    """Return the run of a file of single requests, without those that AIPerf itself cancelled."""
    found = Requests()
    for number, record in records(path):
        metadata, metrics = record.get("metadata"), record.get("metrics")
        if not isinstance(metadata, Mapping) or not isinstance(metrics or {}, Mapping):
            raise wrong(path, number, f"found {short(record)}, expected metadata and metrics")
        if metadata.get("was_cancelled"):
            continue
        told = partial(_number, f"{path}: line {number}", metrics or {}, key="value")
        latency, failed = told(_METRICS[LATENCY], times=True), bool(record.get("error"))
        if math.isnan(latency) and not failed:
            raise wrong(path, number, "found neither request_latency nor an error")
        gap = told(_METRICS[INTER_TOKEN], times=True)
        found.add(
            latency=latency, start=seconds(path, number, metadata, "request_start_ns", _UNITS["ns"]),
            first_token=told(_METRICS[FIRST_TOKEN], times=True), between=[] if math.isnan(gap) else [gap],
            tokens=told("output_sequence_length"), failed=failed,
        )  # fmt: skip
    return found.run(name=path.name, tool=f"{_AIPERF}, single requests", skip_seconds=skip_seconds)


def _failed(path: Path, result: Record) -> int:
    count = _number(path, result, "error_request_count", "avg")
    if not math.isnan(count):
        return int(count)
    summary = result.get("error_summary") or []
    try:
        return sum(int(one["count"]) for one in summary)
    except (TypeError, KeyError, ValueError) as error:
        raise _wrong(path, "error_summary", summary) from error


def _number(path: object, result: Record, metric: str, key: str, *, times: bool = False) -> float:
    """Return a number of a metric, times in seconds; NaN where it is not told."""
    of = result.get(metric)
    if of is None:
        return math.nan
    if not isinstance(of, Mapping) or (times and str(of.get("unit")) not in _UNITS):
        raise _wrong(path, metric, of)
    if (value := of.get(key)) is None:
        return math.nan
    try:
        found = float(value) * (_UNITS[of["unit"]] if times else 1.0)
    except (TypeError, ValueError, OverflowError) as error:
        raise _wrong(path, f"{metric}.{key}", value) from error
    if not 0 <= found < MOST:
        raise _wrong(path, f"{metric}.{key}", value)
    return found


def _began(result: Record) -> float | None:
    moment: Any = result.get("start_time")
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _wrong(path: object, key: str, found: object) -> DataError:
    return DataError(
        f"{path}: {key}: found {short(found)}, expected what GenAI-Perf and AIPerf write", next_step="repeat that run"
    )
