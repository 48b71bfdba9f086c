"""JSON lines, one for each request: what a load generator of one's own can write. Called by `reading`.

`latency_seconds`; optional `start_seconds` (Unix time), `time_to_first_token_seconds`, `inter_token_latency_seconds` (a number, or a
list of the times between tokens), `generation_tokens`, `error` (anything but false, null and an empty text), `run`.
"""

from __future__ import annotations

import math
from pathlib import Path

from atlas_ops.gate.reading.source import Record, records, seconds, wrong
from atlas_ops.gate.runs import Requests, Run

LATENCY_KEY = "latency_seconds"
_TOOL = "JSON lines"


def read(path: Path, skip_seconds: float) -> tuple[Run, ...]:
    """Return the runs of a file: one, or one for each value of `run`, in order of appearance."""
    runs: dict[str, Requests] = {}
    for number, record in records(path):
        _add(runs.setdefault(str(record.get("run", "")), Requests()), path, number, record)
    return tuple(
        requests.run(name=f"{path.name}{f' run {run}' if run else ''}", tool=_TOOL, skip_seconds=skip_seconds)
        for run, requests in runs.items()
    )


def _add(requests: Requests, path: Path, number: int, record: Record) -> None:
    failed = bool(record.get("error"))
    if LATENCY_KEY not in record and not failed:
        raise wrong(path, number, f"found {', '.join(record) or 'nothing'}, expected {LATENCY_KEY}")
    requests.add(
        latency=seconds(path, number, record, LATENCY_KEY),
        start=seconds(path, number, record, "start_seconds"),
        first_token=seconds(path, number, record, "time_to_first_token_seconds"),
        between=_between(path, number, record),
        tokens=seconds(path, number, record, "generation_tokens"),
        failed=failed,
    )


def _between(path: Path, number: int, record: Record) -> list[float]:
    key = "inter_token_latency_seconds"
    value = record.get(key)
    values = value if isinstance(value, list) else [] if value is None else [value]
    told = [seconds(path, number, {key: one}, key) for one in values]
    return [one for one in told if not math.isnan(one)]
