"""Reads what load generators write, and recognises it by its content: names of files say nothing. Called by the command.

k6 (points as JSON and CSV, summaries), Locust (CSV), vllm bench serve and SGLang's (JSON), GenAI-Perf and AIPerf (JSON), JSON lines; gzipped or not.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from atlas_ops.errors import DataError
from atlas_ops.gate.reading import genai_perf, k6, lines, locust, vllm
from atlas_ops.gate.reading.source import opened
from atlas_ops.gate.runs import Run

_KNOWN = (
    "known are: k6 run --out json=FILE, --out csv=FILE or --summary-export FILE, Locust's --csv (NAME_stats.csv, NAME_stats_history.csv), "
    "vllm bench serve --save-result, sglang.bench_serving --output-file, GenAI-Perf's profile_export_genai_perf.json, AIPerf's "
    f"profile_export.jsonl and profile_export_aiperf.json, and JSON lines with {lines.LATENCY_KEY}"
)


def read(paths: Sequence[Path], skip_seconds: float = 0.0) -> tuple[Run, ...]:
    """Return the runs of some files in their order, without what began in the first `skip_seconds` of each run.

    DataError for a file that cannot be read, is of no known format, or holds no request.
    """
    runs = [run for path in paths for run in _read(path, skip_seconds)]
    for run in runs:
        if not run.requests:
            left = " after the seconds that are skipped" if skip_seconds else ""
            raise DataError(f"{run.name}: holds no request{left}", next_step="repeat that run, or leave the file out")
    return tuple(runs)


def _read(path: Path, skip_seconds: float) -> tuple[Run, ...]:
    try:
        with opened(path) as file:
            first = next((line for line in file if line.strip()), "")
        if first.lstrip().startswith("{"):
            return _json(path, first, skip_seconds)
        return _csv(path, first, skip_seconds)
    except (UnicodeDecodeError, EOFError, OSError, csv.Error, zlib.error, RecursionError) as error:
        raise DataError(f"{path}: is cut off, or no text: {error}", next_step=_KNOWN) from error


def _json(path: Path, first: str, skip_seconds: float) -> tuple[Run, ...]:
    head = _object(first)
    if head.keys() >= {"type", "metric", "data"}:
        return k6.points(path, skip_seconds)
    if head.keys() >= genai_perf.REQUEST_KEYS:
        return (genai_perf.requests(path, skip_seconds),)
    if lines.LATENCY_KEY in head or ("error" in head and not head.keys() & vllm.KEYS):
        return lines.read(path, skip_seconds)
    with opened(path) as file:
        text = file.read()
    try:
        documents = vllm.documents(text.lstrip())
    except ValueError as error:
        raise DataError(f"{path}: no JSON: {error}; was the run cut off?", next_step=_KNOWN) from error
    if len(documents) == 1 and k6.is_summary(documents[0]):
        return k6.summary(path, documents[0])
    if len(documents) == 1 and documents[0].keys() >= genai_perf.KEYS:
        return (genai_perf.read(path, documents[0]),)
    if all(isinstance(one, Mapping) and one.keys() >= vllm.KEYS for one in documents):
        return vllm.read(path, documents, skip_seconds)
    raise DataError(f"{path}: found JSON with {', '.join(list(documents[0])[:8]) or 'nothing'}", next_step=_KNOWN)


def _csv(path: Path, first: str, skip_seconds: float) -> tuple[Run, ...]:
    columns = next(csv.reader([first]), [])
    if locust.HISTORY_KEY in columns:
        return locust.history(path)
    if locust.STATS_KEY in columns:
        return locust.stats(path)
    if k6.CSV_KEY in columns:
        return k6.table(path, skip_seconds)
    if locust.REQUEST_KEY in columns:
        return locust.requests(path, skip_seconds)
    found = f"the first line {first.strip()[:80]!r}" if first else "an empty file"
    raise DataError(f"{path}: found {found}", next_step=_KNOWN)


def _object(line: str) -> Mapping[str, object]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}  # the first line of a document over several lines
    return found if isinstance(found, Mapping) else {}
