"""Results of k6: its points (`k6 run --out json=FILE` or `csv=FILE`) and its summary (`--summary-export FILE`, or handleSummary).

Called by `reading`.

Times are milliseconds. A request is good when k6 tags its duration `expected_response: true` (a status of 200 to 399, unless the
script says otherwise); `http_req_failed` is 1 for the others. gRPC has durations alone, and its summary does not say what failed.
Read back from files that k6 1.1.0 wrote; the summary of `--new-machine-readable-summary` (k6 1.5 and later, the default of k6 2) by
internal/lib/summary/machine_readable.go.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from atlas_ops.errors import DataError
from atlas_ops.gate.reading.source import MOST, Record, records, rows, seconds, short, wrong
from atlas_ops.gate.runs import ERROR_SHARE, LATENCY, Reading, Requests, Run, per_second

CSV_KEY = "metric_name"
"""A column that only its points have."""
_TOOL = "k6"
_MILLISECOND = 1e-3
_DURATIONS = ("http_req_duration", "grpc_req_duration")
_GOOD = "http_req_duration{expected_response:true}"
_HOW = "run it with --out json=FILE or, but for k6's new summary, with --summary-trend-stats 'med,p(90),p(99)'"
_PERCENTILES = {"p50": ("med", "p(50)"), "p90": ("p(90)",), "p99": ("p(99)",)}


def points(path: Path, skip_seconds: float) -> tuple[Run, ...]:
    """Return the run of a file of points."""
    requests = Requests()
    for number, record in records(path):
        if record.get("type") == "Point" and record.get("metric") in _DURATIONS:
            _add(requests, path, number, record)
    return (requests.run(name=path.name, tool=_TOOL, skip_seconds=skip_seconds),)


def table(path: Path, skip_seconds: float) -> tuple[Run, ...]:
    """Return the run of a file of points as CSV, whose times are whole seconds unless `timeFormat` says otherwise."""
    requests = Requests()
    for number, row in rows(path):
        if row[CSV_KEY] in _DURATIONS:
            told = {key: value for key, value in row.items() if value}
            took = seconds(path, number, told, "metric_value", _MILLISECOND)
            requests.add(latency=took, start=_ended(path, number, told) - took, failed=_failed(told))
    return (requests.run(name=path.name, tool=_TOOL, skip_seconds=skip_seconds),)


def _ended(path: Path, number: int, row: Mapping[str, str]) -> float:
    moment = row.get("timestamp", "")
    if "T" in moment:
        return _moment(path, number, {"time": moment})
    return seconds(path, number, row, "timestamp")


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
    metrics = {name: _values(path, name, metric) for name, metric in _named(path, document)}
    durations = metrics.get(_GOOD) or next((metrics[name] for name in _DURATIONS if name in metrics), None)
    if durations is None:
        raise DataError(
            f"{path}: found no {' or '.join(_DURATIONS)} in this summary of k6",
            next_step="did the script send requests?",
        )
    sent = metrics.get("http_reqs", metrics.get("iterations", {}))
    count = int(_number(path, sent, ("count",), 0.0))
    share = _number(path, metrics.get("http_req_failed", {}), ("rate", "value"), math.nan)
    if share > 1:
        raise _no_summary(path, f"http_req_failed: found {share:g}, expected a share of 1 or less")
    good = count if math.isnan(share) else round(count * (1 - share))
    readings = {
        f"{LATENCY}_{name}": Reading(value=value * _MILLISECOND, of=good)
        for name, keys in _PERCENTILES.items()
        if not math.isnan(value := _number(path, durations, keys, math.nan)) and good
    }
    missing = [name for name in _PERCENTILES if f"{LATENCY}_{name}" not in readings]
    if not math.isnan(share):
        readings[ERROR_SHARE] = Reading(value=share, of=count)
    notes = (f"k6's summary lacks {', '.join(missing)}: {_HOW}",) if missing else ()
    load = _load(path, document, sent, count)
    return (Run(name=path.name, tool=_TOOL, requests=count, readings=readings, notes=notes, load=load),)


def is_summary(document: Record) -> bool:
    """Say whether a JSON object is a summary of k6."""
    results = document.get("results")
    return isinstance(document.get("metrics"), Mapping) or (
        isinstance(results, Mapping) and isinstance(results.get("metrics"), list)
    )


def _named(path: Path, document: Record) -> Iterator[tuple[str, object]]:
    """Yield the metrics with their names, which are keys in one kind of summary, and inside of the metrics in the other."""
    if isinstance(document.get("metrics"), Mapping):
        yield from ((str(name), metric) for name, metric in document["metrics"].items())
        return
    for metric in document["results"]["metrics"]:
        if not isinstance(metric, Mapping):
            raise _no_summary(path, f"metrics: found {short(metric)}, expected objects")
        yield str(metric.get("name")), metric


def _load(path: Path, document: Record, sent: Mapping[str, Any], count: int) -> float | None:
    """Return the requests per second; None where neither they nor the time are told."""
    if rate := _number(path, sent, ("rate",), 0.0):
        return rate
    config = document.get("config")
    lasted = _number(path, config, ("duration",), 0.0) if isinstance(config, Mapping) else 0.0
    return per_second(count, lasted)


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
