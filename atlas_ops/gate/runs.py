"""One run of load against one release: a value of each metric, with what stands behind it. Made by `reading` and `histograms`."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from atlas_ops.detect.gate import quantiles

QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
LATENCY, FIRST_TOKEN, INTER_TOKEN = "latency", "time_to_first_token", "inter_token_latency"
MEAN = "_mean"
"""After the name of a time, as `_p50`."""
ERROR_SHARE = "error_share"
TOKENS_PER_SECOND = "tokens_per_second"
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


def timings(metric: str, values: Sequence[float]) -> dict[str, Reading]:
    """Return the quantiles of one run's times (seconds), by their keys such as `latency_p99`; nothing without values."""
    if not values:
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
        began = min((start for start in self._starts if not math.isnan(start)), default=math.nan)
        first = began + skip_seconds if skip_seconds else -math.inf
        kept = [place for place, start in enumerate(self._starts) if not start < first]
        good = [place for place in kept if not self._failed[place]]
        between = [value for value, start in zip(self._between, self._between_starts, strict=True) if not start < first]
        readings = {
            **timings(LATENCY, _known(self._latencies, good)),
            **timings(FIRST_TOKEN, _known(self._first, good)),
            **timings(INTER_TOKEN, between),
            **self._rate(good, seconds if not skip_seconds else None),
        }
        if kept:
            readings[ERROR_SHARE] = Reading(value=1 - len(good) / len(kept), of=len(kept))
        known = None if math.isnan(began) else began
        load = self._load(kept, seconds if not skip_seconds else None)
        return Run(name=name, tool=tool, requests=len(kept), readings=readings, began=known, load=load)

    def _load(self, kept: Sequence[int], seconds: float | None) -> float | None:
        starts = _known(self._starts, kept)
        span = max(starts) - min(starts) if len(starts) == len(kept) > 1 else 0.0
        if span > 0:
            return (len(kept) - 1) / span
        return len(kept) / seconds if seconds else None

    def _rate(self, good: Sequence[int], seconds: float | None) -> dict[str, Reading]:
        tokens = _known(self._tokens, good)
        if seconds is None:
            starts = _known(self._starts, good)
            ends = _known([start + took for start, took in zip(self._starts, self._latencies, strict=True)], good)
            seconds = max(ends) - min(starts) if ends else 0.0
        if not (sum(tokens) > 0 and seconds > 0 and math.isfinite(rate := sum(tokens) / seconds)):
            return {}
        return {TOKENS_PER_SECOND: Reading(value=rate, of=len(tokens))}


def _known(column: Sequence[float], places: Sequence[int]) -> list[float]:
    return [column[place] for place in places if not math.isnan(column[place])]
