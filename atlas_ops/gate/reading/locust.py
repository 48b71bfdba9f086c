"""Results of Locust: `NAME_stats.csv`, `NAME_stats_history.csv` (`--csv NAME`), and a CSV of single requests. Called by `reading`.

Times are milliseconds, of failed requests too. Locust rounds them to two digits before it counts them (147 becomes 150), so equal
runs may be 7 % apart by rounding alone: the step goes with each value, and a comparison takes it as noise. It writes the CSV once
a second, so the last second may be missing, and a run of two seconds may be empty. With
`--csv-full-history` the percentiles of the history are those of the last seconds, so only the median is of the whole run.
Single requests are no file of Locust's own: a listener of its `request` event writes one with the event's names, `response_time` and
`exception`, and the time of its end as `timestamp` (Unix seconds).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from atlas_ops.errors import DataError
from atlas_ops.gate.reading.source import rows, seconds, wrong
from atlas_ops.gate.runs import ERROR_SHARE, LATENCY, Reading, Requests, Run, per_second

STATS_KEY, HISTORY_KEY, REQUEST_KEY = "Request Count", "Total Request Count", "response_time"
"""A column that each kind of file has, and no other."""
_TOOL = "Locust"
_MILLISECOND = 1e-3
_ALL = "Aggregated"
_PERCENTILES = {"p50": "50%", "p90": "90%", "p99": "99%"}
_NOTE = "Locust's percentiles are rounded to two digits and count failed requests too"


def stats(path: Path) -> tuple[Run, ...]:
    """Return the run of a `_stats.csv`."""
    found = [row for row in rows(path) if row[1].get("Name") == _ALL]
    if len(found) != 1:
        raise DataError(
            f"{path}: found {len(found)} rows {_ALL}, expected one", next_step="let Locust end by itself (--run-time)"
        )
    number, row = found[0]
    run = _run(path, number, row, ("Request Count", "Failure Count"), dict(_PERCENTILES))
    rate = seconds(path, number, row, "Requests/s")
    return (replace(run, load=rate if rate > 0 else None),)


def history(path: Path) -> tuple[Run, ...]:
    """Return the run of a `_stats_history.csv`: its last row."""
    found = list(rows(path))
    last = next((row for row in reversed(found) if row[1].get("Name") == _ALL), None)
    if last is None:
        raise DataError(f"{path}: found no row {_ALL}", next_step="let Locust end by itself (--run-time)")
    full = any(row.get("Name") != _ALL for _, row in found)
    columns = {"p50": "Total Median Response Time"} if full else dict(_PERCENTILES)
    run = _run(path, *last, ("Total Request Count", "Total Failure Count"), columns)
    lasted = seconds(path, *last, "Timestamp") - seconds(path, *found[0], "Timestamp")
    return (replace(run, load=per_second(run.requests, lasted)),)


def requests(path: Path, skip_seconds: float) -> tuple[Run, ...]:
    """Return the run of a file of single requests."""
    found = Requests()
    for number, row in rows(path):
        took = seconds(path, number, row, REQUEST_KEY, _MILLISECOND)
        end = seconds(path, number, row, "timestamp")
        found.add(latency=took, start=end - took, failed=row.get("exception") not in (None, "", "None"))
    return (found.run(name=path.name, tool=_TOOL, skip_seconds=skip_seconds),)


def _run(path: Path, number: int, row: Mapping[str, str], counted: tuple[str, str], columns: Mapping[str, str]) -> Run:
    count, failed = (int(_told(path, number, row, column)) for column in counted)
    if failed > count:
        raise wrong(path, number, f"found {failed} failures of {count} requests")
    readings: dict[str, Reading] = {}
    if count:
        readings[ERROR_SHARE] = Reading(value=failed / count, of=count)
        for name, column in columns.items():
            value = _told(path, number, row, column, _MILLISECOND)
            readings[f"{LATENCY}_{name}"] = Reading(value=value, of=count, step=_step(value))
    return Run(name=path.name, tool=_TOOL, requests=count, readings=readings, notes=(_NOTE,))


def _told(path: Path, number: int, row: Mapping[str, str], column: str, unit: float = 1.0) -> float:
    found = seconds(path, number, row, column, unit)
    if math.isnan(found):
        raise wrong(path, number, f"{column}: found {row.get(column)!r}, expected a number")
    return found


def _step(value: float) -> float:
    """Return what Locust rounds a time to, in seconds (`bucket_response_time` of its stats.py)."""
    for below, step in ((0.1, 0.001), (1.0, 0.01), (10.0, 0.1)):
        if value < below:
            return step
    return 1.0
