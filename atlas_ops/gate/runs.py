"""One run of load against one release: a value of each metric, with what stands behind it. Made by `reading` and `histograms`."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.gate import quantiles

Floats = NDArray[np.float64]

QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
LATENCY, FIRST_TOKEN, INTER_TOKEN = "latency", "time_to_first_token", "inter_token_latency"
MEAN = "_mean"
"""After the name of a time, as `_p50`."""
ERROR_SHARE = "error_share"
TOKENS_PER_SECOND = "tokens_per_second"
_SHORTEST = 1e-6
"""Seconds; what is shorter is no run."""
COST = "cost_per_million_tokens"
ENERGY = "energy_per_token"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The value of one metric in one run, in the metric's unit (times in seconds)."""

    value: float
    of: int
    """Observations that it is made of."""
    step: float = 0.0
    """What the tool has rounded it to; 0 when it has not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run. `name` is for people: the file, and the number in it where a file holds several."""

    name: str
    tool: str
    requests: int
    readings: Mapping[str, Reading] = field(default_factory=dict)
    began: float | None = None
    """Unix time by the clock of whoever wrote the file."""
    planned: bool = True
    """Whether a load generator chose how many requests there are."""
    load: float | None = None
    """Requests per second, to each server where those are counted; None where the time is not told."""
    notes: tuple[str, ...] = ()
    """What is special about the file, in words; the same for all runs of a tool."""

    def priced(self, per_hour: float) -> Run:
        """Return the run with what a million tokens cost, when all its GPUs together cost `per_hour`."""
        tokens = self.readings.get(TOKENS_PER_SECOND)
        if tokens is None:
            return self
        cost = replace(tokens, value=per_hour / 3600 / tokens.value * 1e6)
        return replace(self, readings={**self.readings, COST: cost})


def timings(metric: str, values: Sequence[float] | Floats) -> dict[str, Reading]:
    """Return the quantiles of one run's times (seconds), by their keys such as `latency_p99`; nothing without values."""
    if not len(values):
        return {}
    found = quantiles(values, tuple(QUANTILES.values()))
    return {
        f"{metric}_{name}": Reading(value=value, of=len(values)) for name, value in zip(QUANTILES, found, strict=True)
    }


class Requests:
    """Collects the requests of one run. Columns of numbers, so that millions of them fit into memory."""

    def __init__(self) -> None:
        self._starts, self._latencies, self._first, self._tokens = array("d"), array("d"), array("d"), array("d")
        self._failed = array("b")
        self._between, self._between_starts = array("d"), array("d")

    def add(
        self,
        *,
        latency: float = math.nan,
        start: float = math.nan,
        first_token: float = math.nan,
        between: Iterable[float] = (),
        tokens: float = math.nan,
        failed: bool = False,
    ) -> None:
        """Take one request; times in seconds, `start` in Unix time, NaN for what is not known."""
        self._starts.append(start)
        self._latencies.append(latency)
        self._first.append(first_token)
        self._tokens.append(tokens)
        self._failed.append(failed)
        if not failed:
            before = len(self._between)
            self._between.extend(between)
            self._between_starts.extend([start] * (len(self._between) - before))

    def run(self, *, name: str, tool: str, skip_seconds: float = 0.0, seconds: float | None = None) -> Run:
        """Return the run, without what began in its first `skip_seconds`.

        Times are those of requests that succeeded; failed ones count in the share of errors. `seconds` is how long the load lasted,
        for tokens per second, where the requests do not say when they began.
        """
        starts, latencies, first_tokens, tokens = map(
            _column, (self._starts, self._latencies, self._first, self._tokens)
        )
        failed = np.frombuffer(self._failed, dtype=np.int8).astype(np.bool_)
        began = float(np.nanmin(starts)) if np.isfinite(starts).any() else math.nan
        first = began + skip_seconds if skip_seconds else -math.inf
        kept = ~(starts < first)
        good = kept & ~failed
        between = _column(self._between)[~(_column(self._between_starts) < first)]
        lasted = seconds if not skip_seconds else None
        readings = {
            **timings(LATENCY, _known(latencies[good])),
            **timings(FIRST_TOKEN, _known(first_tokens[good])),
            **timings(INTER_TOKEN, between),
            **_rate(starts[good], latencies[good], tokens[good], lasted),
        }
        count = int(kept.sum())
        if count:
            readings[ERROR_SHARE] = Reading(value=1 - int(good.sum()) / count, of=count)
        return Run(
            name=name, tool=tool, requests=count, readings=readings, began=None if math.isnan(began) else began,
            load=_load(starts[kept], lasted),
        )  # fmt: skip


def _rate(starts: Floats, latencies: Floats, tokens: Floats, seconds: float | None) -> dict[str, Reading]:
    """Return the tokens per second of the requests that succeeded."""
    tokens = _known(tokens)
    if seconds is None:
        ends = _known(starts + latencies)
        seconds = float(ends.max() - np.nanmin(starts)) if len(ends) else 0.0
    total = float(tokens.sum())
    if not (total > 0 and seconds > 0 and math.isfinite(rate := total / seconds)):
        return {}
    return {TOKENS_PER_SECOND: Reading(value=rate, of=len(tokens))}


def _load(starts: Floats, seconds: float | None) -> float | None:
    """Return the requests per second, by their starts where all tell them."""
    span = float(starts.max() - starts.min()) if len(starts) > 1 else 0.0
    if span > 0:  # which no unknown start is
        return per_second(len(starts) - 1, span)
    return per_second(len(starts), seconds or 0.0)


def per_second(requests: float, seconds: float) -> float | None:
    """Return the load; None where the time is none, or no length of a run."""
    return requests / seconds if seconds > _SHORTEST and requests else None


def _column(values: array[float]) -> Floats:
    return np.frombuffer(values, dtype=np.float64)


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]
