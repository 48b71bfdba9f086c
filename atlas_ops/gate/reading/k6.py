"""Results of k6: its points (`k6 run --out json=FILE`) and its summary (`--summary-export FILE`, or handleSummary). Called by `reading`.

Times are milliseconds. A request is good when k6 tags its duration `expected_response: true` (a status of 200 to 399, unless the
script says otherwise); `http_req_failed` is 1 for the others. gRPC has durations alone. Read back from files that k6 1.1.0 wrote.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from atlas_ops.errors import DataError
from atlas_ops.gate.reading.source import MOST, Record, records, seconds, short, wrong
from atlas_ops.gate.runs import ERROR_SHARE, LATENCY, Reading, Requests, Run

_TOOL = "k6"
_MILLISECOND = 1e-3
_DURATIONS = ("http_req_duration", "grpc_req_duration")
_GOOD = "http_req_duration{expected_response:true}"
_PERCENTILES = {"p50": ("med", "p(50)"), "p90": ("p(90)",), "p99": ("p(99)",)}


def points(path: Path, skip_seconds: float) -> tuple[Run, ...]:
    """Return the run of a file of points."""
    requests = Requests()
    for number, record in records(path):
        if record.get("type") == "Point" and record.get("metric") in _DURATIONS:
            _add(requests, path, number, record)
    return (requests.run(name=path.name, tool=_TOOL, skip_seconds=skip_seconds),)


def _add(requests: Requests, path: Path, number: int, record: Record) -> None:
    data = record.get("data")
    if not isinstance(data, dict):
        raise wrong(path, number, "a point without data")
    took = seconds(path, number, data, "value", _MILLISECOND)
    # A point is written when the request is over.
    requests.add(latency=took, start=_moment(path, number, data) - took, failed=_failed(_tags(path, number, data)))


def _tags(path: Path, number: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
    tags = data.get("tags") or {}
    if not isinstance(tags, Mapping):
        raise wrong(path, number, f"tags: found {short(tags)}, expected an object")
    return tags


def _failed(tags: Mapping[str, Any]) -> bool:
    expected = tags.get("expected_response")
    if expected is not None:
        return str(expected) != "true"
    status = str(tags.get("status", ""))
    if "service" in tags:  # gRPC, whose status is 0 when all is well
        return status != "0"
    return status.isdecimal() and not 200 <= int(status) < 400  # 0 without an answer


def _moment(path: Path, number: int, data: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(data["time"])).timestamp()
    except (KeyError, ValueError, OverflowError) as error:
        raise wrong(
            path, number, f"time: found {short(data.get('time'))}, expected one such as 2026-01-31T12:00:00Z"
        ) from error


def summary(path: Path, document: Record) -> tuple[Run, ...]:
    """Return the run of a summary, whose numbers lie flat in each metric or under `values`, by the way it was written."""
    metrics = {str(name): _values(path, name, metric) for name, metric in document["metrics"].items()}
    durations = metrics.get(_GOOD) or next((metrics[name] for name in _DURATIONS if name in metrics), None)
    if durations is None:
        raise DataError(
            f"{path}: found no {' or '.join(_DURATIONS)} in this summary of k6",
            next_step="did the script send requests?",
        )
    failed = metrics.get("http_req_failed", {})
    count = int(_number(path, metrics.get("http_reqs", metrics.get("iterations", {})), ("count",), 0.0))
    share = _number(path, failed, ("rate", "value"), 0.0)
    if share > 1:
        raise _no_summary(path, f"http_req_failed: found {share:g}, expected a share of 1 or less")
    readings = {
        f"{LATENCY}_{name}": Reading(value=value * _MILLISECOND, of=round(count * (1 - share)))
        for name, keys in _PERCENTILES.items()
        if not math.isnan(value := _number(path, durations, keys, math.nan)) and share < 1
    }
    readings[ERROR_SHARE] = Reading(value=share, of=count)
    missing = [name for name in _PERCENTILES if f"{LATENCY}_{name}" not in readings]
    notes = (
        f"k6's summary lacks {', '.join(missing)}: run it with --summary-trend-stats 'med,p(90),p(99)', or with --out json=FILE",
    )
    return (Run(name=path.name, tool=_TOOL, requests=count, readings=readings, notes=notes if missing else ()),)


def _values(path: Path, name: str, metric: object) -> Mapping[str, Any]:
    values = metric.get("values", metric) if isinstance(metric, Mapping) else metric
    if not isinstance(values, Mapping):
        raise _no_summary(path, f"{name}: found {short(metric)}, expected an object of numbers")
    return values


def _number(path: Path, values: Mapping[str, Any], keys: tuple[str, ...], otherwise: float) -> float:
    """Return the first of some numbers that is there; DataError when it is none of 0 or more."""
    key = next((key for key in keys if key in values), None)
    if key is None:
        return otherwise
    with suppress(TypeError, ValueError, OverflowError):
        if 0 <= (found := float(values[key])) < MOST:
            return found
    raise _no_summary(path, f"{key}: found {short(values[key])}, expected a number of 0 or more")


def _no_summary(path: Path, text: str) -> DataError:
    return DataError(f"{path}: summary of k6: {text}", next_step="repeat that run, or mend the file")
