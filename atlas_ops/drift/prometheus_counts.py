"""Lengths of prompts and answers out of Prometheus: the buckets of the servers' own histograms are the bins, at no extra series.

Called by `atlas-ops drift fit --prometheus`. What `increase` says of five minutes is rounded to whole requests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping

import numpy as np

from atlas_ops.detect.features import Numeric
from atlas_ops.detect.season import DAY
from atlas_ops.detect.windows import STEP
from atlas_ops.drift.counting import Counting, Table, merge
from atlas_ops.drift.fit import LEAST_ROWS, learned, moment
from atlas_ops.drift.reference import Reference
from atlas_ops.errors import DataError
from atlas_ops.prometheus import Prometheus

LENGTHS = {"prompt_tokens": "atlas_request_prompt_tokens", "generation_tokens": "atlas_request_generation_tokens"}
"""{feature: histogram}."""
TIME = "time"
"""What the column of times is called in a reference that no file was read for."""
_Buckets = dict[float, dict[int, float]]
"""{upper bound: {window: requests up to that bound}}."""


def fit(client: Prometheus, model: str, start: float, end: float, told: Callable[[int], None]) -> Reference:
    """Return the reference of a model's lengths from `start` to `end` (Unix seconds); DataError when there is too little."""
    found = {name: _buckets(client, metric, model, start, end, told) for name, metric in LENGTHS.items()}
    known = {name: buckets for name, buckets in found.items() if len(buckets) > 1}
    if not known:
        raise DataError(
            f"Prometheus at {client.url} has no {' or '.join(LENGTHS.values())} of the model {model!r} from {moment(start)} to {moment(end)}",
            next_step="check the name of the model, and that its servers tell their lengths (exporters/README.md)",
        )
    features = tuple(_feature(name, buckets) for name, buckets in known.items())
    counting = Counting(features=features, time=TIME)
    table = _table(known, counting)
    rows = int(counting.totals(table)[features[0].name].sum()) if len(table.counts) else 0
    if rows < LEAST_ROWS:
        raise DataError(
            f"there were {rows:,} requests to {model!r}; a reference needs {LEAST_ROWS} at the least",
            next_step="give more --weeks, or wait for more traffic",
        )
    notes = [f"no requests are told in {LENGTHS[name]}: {name} is not watched" for name in LENGTHS if name not in known]
    return learned(model, counting, table, notes=notes)


def _buckets(
    client: Prometheus, metric: str, model: str, start: float, end: float, told: Callable[[int], None]
) -> _Buckets:
    # One day at a time: four weeks of five minutes in one query may be more than Prometheus wants to hold.
    expr = f"sum by (le) (increase({metric}_bucket{{model={json.dumps(model)}}}[{STEP:.0f}s]))"
    found: _Buckets = {}
    first, last = math.ceil(start / STEP) * STEP + STEP, math.floor(end / STEP) * STEP
    while first <= last:
        until = min(first + DAY - STEP, last)
        for course in client.query_range(expr, first, until, STEP):
            windows = found.setdefault(float(course.labels["le"]), {})
            windows.update((round(at / STEP) - 1, value) for at, value in zip(course.times, course.values, strict=True))
        told(round((until - first) / STEP) + 1)
        first = until + STEP
    return found


def _feature(name: str, buckets: _Buckets) -> Numeric:
    bounds = sorted(bound for bound in buckets if math.isfinite(bound))
    return Numeric(name=name, edges=(*([0.0] if bounds[0] > 0 else [bounds[0] - 1.0]), *bounds))


def _table(known: Mapping[str, _Buckets], counting: Counting) -> Table:
    """Return the requests of each window and bin: a bucket less the one below it."""
    windows = sorted({window for buckets in known.values() for values in buckets.values() for window in values})
    counts = np.zeros((windows[-1] - windows[0] + 1, sum(len(feature.bins) for feature in counting.features)), np.int64)
    at = 0
    for feature in counting.features:
        cumulated = np.zeros((len(counts), len(known[feature.name])))
        for place, bound in enumerate(sorted(known[feature.name])):
            for window, value in known[feature.name][bound].items():
                cumulated[window - windows[0], place] = 0.0 if math.isnan(value) else value
        whole = np.rint(np.maximum.accumulate(cumulated, axis=1)).astype(np.int64)
        bins = np.diff(whole, axis=1, prepend=0)
        counts[:, at : at + feature.inner] = bins[:, : feature.inner]
        counts[:, at + feature.inner + 1] = bins[:, feature.inner :].sum(axis=1)  # beyond the greatest bound: above
        at += len(feature.bins)
    return merge([Table(first=windows[0], counts=counts)])
