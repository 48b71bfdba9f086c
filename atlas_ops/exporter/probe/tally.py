"""Keeps the outcomes of a probe since the start of the exporter.

Used by `collector`. Histograms hold successes only: a refusal takes a millisecond and a hang the whole timeout, and
neither says how fast the model answers.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.probe.outcome import Outcome, Result
from atlas_ops.exporter.samples import Labels, Sample

BOUNDS_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
"""vLLM's for the time to the first token, without those that no request over a network takes: an objective on what
users get can then be held against the probe, too."""
LabelsOf = Callable[..., Labels]
"""From a signal, and labels that are not the server's own, to the labels of a sample."""


class Tally:
    """Counts, and the last verdict. Before the first request its samples are the zeros."""

    def __init__(self) -> None:
        self._results = dict.fromkeys(Result, 0)
        self._whole = _Histogram()
        self._first_token = _Histogram()
        self._success: bool | None = None
        """None where the last request, or the lack of one, says nothing of the server."""
        self._ended: float | None = None

    def note(self, outcome: Outcome, now: float) -> None:
        """Count an outcome that came at this Unix time."""
        self._results[outcome.result] += 1
        if outcome.result is Result.NOT_SENT:
            self._success = None
            return
        self._success, self._ended = outcome.result is Result.OK, now
        if self._success:
            self._whole.observe(outcome.seconds)
            if outcome.first_token_seconds is not None:
                self._first_token.observe(outcome.first_token_seconds)

    def samples(self, labels: LabelsOf, *, fresh: bool) -> Iterator[Sample]:
        """Yield all of it; the verdict only while it is `fresh`."""
        if self._success is not None and fresh:
            yield Sample(s.PROBE_SUCCESS, labels(s.PROBE_SUCCESS), float(self._success))
        if self._ended is not None:
            yield Sample(s.PROBE_LAST, labels(s.PROBE_LAST), self._ended)
        for result, number in self._results.items():
            yield Sample(s.PROBES, labels(s.PROBES, result=result.value), float(number))
        yield from self._whole.samples(s.PROBE_DURATION, labels(s.PROBE_DURATION))
        yield from self._first_token.samples(s.PROBE_TIME_TO_FIRST_TOKEN, labels(s.PROBE_TIME_TO_FIRST_TOKEN))


class _Histogram:
    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect.bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self._sum += seconds

    def samples(self, signal: Signal, labels: Labels) -> Iterator[Sample]:
        bounds = (*(f"{bound:g}" for bound in BOUNDS_SECONDS), "+Inf")
        cumulative = tuple(itertools.accumulate(self._counts))
        for bound, number in zip(bounds, cumulative, strict=True):
            yield Sample(signal, (*labels, ("le", bound)), float(number), "_bucket")
        yield Sample(signal, labels, self._sum, "_sum")
        yield Sample(signal, labels, float(cumulative[-1]), "_count")
