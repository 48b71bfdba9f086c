"""Makes a reference of what Prometheus knows of a model: weeks of its counters. Called by `atlas-ops drift fit --prometheus`.

Lengths of prompts and answers, and why answers end, need nothing else. What servers count themselves is counted in the bins of an earlier reference: its
bins are kept, and everything else is learned anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.detect.embedding import Embedding
from atlas_ops.detect.features import Feature
from atlas_ops.detect.season import DAY
from atlas_ops.detect.windows import STEP, Windows
from atlas_ops.drift.counting import Counting, Table, merge
from atlas_ops.drift.fit import LEAST_ROWS, learned
from atlas_ops.drift.prometheus_counts import Progress, counts
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.runtime_features import LENGTHS, SIGNALS, Servers, length, reasons
from atlas_ops.drift.server_bins import check_bins, of_model
from atlas_ops.drift.words import moment
from atlas_ops.errors import DataError
from atlas_ops.prometheus import Course, Prometheus

TIME = "time"
"""What the column of times is called in a reference that no file was read for."""


def fit(client: Prometheus, model: str, start: float, end: float, bins: Reference | None, told: Progress) -> Reference:
    """Return the reference of a model's traffic from `start` to `end` (Unix seconds); DataError when there is too little.

    `bins` is the reference that the servers count by; None: only what runtimes tell is looked at.
    """
    there = counted(client, model, start, end)
    known = [feature for feature in bins.features if feature.name in there] if bins else []
    wanted = (*known, *(one for one in offered(client, model, start, end) if one.name not in there))
    if not wanted:
        raise _nothing(client, model, start, end, bins, there)
    check_bins(client, model, wanted, end)
    windows = counts(client, model, wanted, start, end, told)
    rows = {feature.name: int(windows.counts[feature.name].sum()) for feature in wanted}
    features = tuple(feature for feature in wanted if rows[feature.name] >= LEAST_ROWS)
    if not features:
        raise DataError(
            f"there were {max(rows.values()):,} requests to {model!r}; a reference needs {LEAST_ROWS} at the least",
            next_step="give more --weeks, or wait for more traffic",
        )
    notes = _notes(there, wanted, rows, bins)
    counting = Counting(features=features, embeddings=_embeddings(features, bins), time=TIME)
    table = _table(windows, features)
    begin = table.first - _number(windows, 0)
    seen = None if windows.seen is None else windows.seen[begin : begin + len(table.counts)]
    return learned(model, counting, table, notes=notes, seen=seen)


def offered(client: Prometheus, model: str, start: float, end: float) -> tuple[Feature, ...]:
    """Return what the runtimes of a model's servers tell of its requests, as features."""
    found: list[Feature | None] = []
    for name, signal in LENGTHS.items():
        courses = _courses(client, f"count by (le) ({of_model(signal.series[0], model)})", start, end)
        found.append(length(name, Servers(courses, "le")))
    ends = of_model(s.REQUESTS_FINISHED, model)
    servers = Servers(_courses(client, f"count by (reason) ({ends})", start, end), "reason")
    happened = [course.labels["reason"] for course in _courses(client, f"max by (reason) ({ends}) > 0", start, end)]
    found.append(reasons(servers, happened))
    return tuple(feature for feature in found if feature is not None)


def counted(client: Prometheus, model: str, start: float, end: float) -> frozenset[str]:
    """Return the names of the features that the servers of a model count."""
    expr = f"count by ({c.FEATURE}) ({of_model(s.FEATURE_VALUES, model)})"
    return frozenset(course.labels.get(c.FEATURE, "") for course in _courses(client, expr, start, end))


def _courses(client: Prometheus, expr: str, start: float, end: float) -> Iterator[Course]:
    """Yield what an expression was, a day at a time."""
    while start <= end:
        yield from client.query_range(expr, start, min(start + DAY, end), STEP, whole=True)
        start += DAY + STEP


def _table(windows: Windows, features: Sequence[Feature]) -> Table:
    """Return the counts from the first window on that has any, to the last one."""
    matrix = np.hstack([windows.counts[feature.name] for feature in features])
    begin = int(np.flatnonzero(matrix.any(axis=1))[0])
    return merge([Table(first=_number(windows, begin), counts=matrix[begin:])])


def _number(windows: Windows, place: int) -> int:
    return round(float(windows.times[place]) / STEP) - 1


def _embeddings(features: Sequence[Feature], bins: Reference | None) -> tuple[Embedding, ...]:
    """Return the embeddings all of whose features are there."""
    names = {feature.name for feature in features}
    return tuple(one for one in (bins.embeddings if bins else ()) if {f.name for f in one.features} <= names)


def _notes(there: frozenset[str], wanted: Sequence[Feature], rows: dict[str, int], bins: Reference | None) -> list[str]:
    notes = [
        f"{name} is not watched: it has {number:,} values, fewer than {LEAST_ROWS}"
        for name, number in rows.items()
        if number < LEAST_ROWS
    ]
    asked = {feature.name for feature in bins.features} if bins else set()
    silent = sorted(asked - there - rows.keys())
    if silent:
        notes.append(f"no server counts {', '.join(silent)}: not watched")
    unknown = sorted(there - asked)
    if unknown:
        how = (
            "the reference given with --bins lacks them" if bins else "their bins are known with --bins REFERENCE alone"
        )
        notes.append(f"servers count {', '.join(unknown)}: not watched, {how}")
    names = {feature.name for feature in wanted}
    notes += [
        f"no requests are told in {SIGNALS[name]}, or its servers tell it in different ways: {name} is not watched"
        for name in SIGNALS
        if name not in names
    ]
    return notes


def _nothing(
    client: Prometheus, model: str, start: float, end: float, bins: Reference | None, there: frozenset[str]
) -> DataError:
    if there:
        which = (
            "the reference given with --bins lacks them"
            if bins
            else "in the bins of the reference that they have loaded"
        )
        return DataError(
            f"the servers of {model!r} tell neither lengths nor reasons; they count {', '.join(sorted(there))}, {which}",
            next_step="give that reference with --bins REFERENCE",
        )
    signals = [*map(str, SIGNALS.values()), str(s.FEATURE_VALUES)]
    return DataError(
        f"Prometheus at {client.url} has no {' or '.join(signals)} of the model {model!r} from {moment(start)} to {moment(end)}",
        next_step="check the name of the model, and that its servers tell their lengths (exporters/README.md) or count their "
        "features (docs/drift.md, Counting features in your server)",
    )
