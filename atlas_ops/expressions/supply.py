"""What one runtime tells, as far as its dialect promises: whether a selector can ever find anything on it.

Called by `expressions.firing`. Everything here is known offline; what a server really tells is in `atlas_signal_quality`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import promql_parser as parser

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialect_entries import SPOKEN_SIGNALS
from atlas_ops.catalog.model import Quality, Signal
from atlas_ops.catalog.reading import Decoding, Entry
from atlas_ops.expressions.labels import ATTACHED

_TOLD = (Quality.DIRECT, Quality.DERIVED, Quality.APPROXIMATE, Quality.MEAN_ONLY, Quality.SUMMARY, Quality.PROBE)
_READY = {"readiness": s.SERVER_READY, "model": s.MODEL_READY}
_VALUES: Mapping[tuple[str, str], Sequence[str]] = {
    (s.SERVER_SCRAPE_STATE.name, "state"): c.SCRAPE_STATES,
    (s.SERVER_RELEASE_INFO.name, "track"): c.TRACKS,
    (s.REQUESTS.name, "outcome"): c.OUTCOMES,
    (s.REQUESTS_FINISHED.name, "reason"): c.FINISH_REASONS,
    (s.PROBES.name, "result"): c.PROBE_RESULTS,
    **{(signal.name, "owner"): c.XID_OWNERS for signal in (s.GPU_XID_ERRORS, s.GPU_XID_LAST)},
    (s.GPU_EVENTS.name, "event"): c.GPU_EVENTS,
    (s.GPU_WORKLOAD_INFO.name, "sharing"): c.SHARING,
    (s.SIGNAL_QUALITY.name, "quality"): tuple(quality.value for quality in _TOLD),
    **{
        (signal.name, "reason"): c.THROTTLE_REASONS
        for signal in (s.GPU_THROTTLE_ACTIVE, s.GPU_THROTTLE_SECONDS, s.GPU_THROTTLE_EVENTS)
    },
}
"""Labels with a fixed set of values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Supply:
    """What the servers of one dialect tell."""

    dialect: Dialect
    off: Mapping[Signal, str] = field(default_factory=dict)
    """{signal: why nobody tells it, whatever the runtime}."""

    def lacking(self, signal: Signal, series: str, matchers: Sequence[parser.Matcher]) -> Iterator[str]:
        """Say why a selector of `series`, one of the names of `signal`, finds nothing; nothing when it may find something."""
        if signal in self.off:
            yield self.off[signal]
            return
        labels = {*signal.labels, *ATTACHED, *({"le"} if series.endswith("_bucket") else ())}
        for matcher in matchers:
            if matcher.name not in labels and not accepts([matcher], matcher.name, ("",)):
                yield f"{signal} has no label {matcher.name}"
            fixed = _VALUES.get((signal.name, matcher.name))
            if fixed and not accepts([matcher], matcher.name, fixed):
                yield f"{signal} has no {matcher.name} {matcher.value!r}"
        if not accepts(matchers, c.RUNTIME, (self.dialect.runtime,)):
            yield f"not for {self.dialect.runtime}"
        if signal in SPOKEN_SIGNALS:
            yield from self._untold(signal, series, matchers)

    def _untold(self, signal: Signal, series: str, matchers: Sequence[parser.Matcher]) -> Iterator[str]:
        entry = self.dialect.entry(signal)
        if self._asked(signal):
            return
        if entry is None or not (entry.readings or entry.derive):
            yield f"{self.dialect.runtime} does not tell {signal}"
        elif series.endswith("_bucket"):
            yield from _without_bucket(entry, matchers, self.dialect.runtime)
        elif series.endswith("_sum") and not any(reading.sums for reading in entry.readings):
            yield f"the sums of {self.dialect.runtime}'s {signal} are made up"
        elif signal is s.REQUESTS and not accepts(matchers, "outcome", entry.ends):
            yield f"{self.dialect.runtime} tells no such outcome"
        elif signal is s.REQUESTS_FINISHED and not accepts(matchers, "reason", entry.ends):
            yield f"{self.dialect.runtime} tells no such reason"
        elif signal is s.LORA_ADAPTERS and not accepts(matchers, "state", _states(entry)):
            yield f"{self.dialect.runtime} tells no such state"

    def _asked(self, signal: Signal) -> bool:
        """Say whether an endpoint of the runtime tells it."""
        answers = {answer.signal for question in self.dialect.questions for answer in question.answers}
        return signal in answers or signal in {_READY.get(endpoint.tells) for endpoint in self.dialect.endpoints}


def _without_bucket(entry: Entry, matchers: Sequence[parser.Matcher], runtime: str) -> Iterator[str]:
    histograms = [reading for reading in entry.readings if reading.decoding is Decoding.HISTOGRAM]
    # The count of all: a source of means has it as well.
    if accepts(matchers, "le", ("+Inf",)) and any(matcher.name == "le" for matcher in matchers):
        return
    if not histograms:
        yield f"{runtime} tells only means of {entry.signal}"
        return
    bounds = {bound for reading in histograms for bound in reading.bounds}
    fixed = all(reading.bounds for reading in histograms)
    if fixed and not accepts(matchers, "le", [text for bound in bounds for text in (f"{bound:g}", repr(float(bound)))]):
        told = ", ".join(f"{bound:g}" for bound in sorted(bounds))
        yield f"{runtime} has no such bound of {entry.signal} (its bounds: {told})"


def _states(entry: Entry) -> tuple[str, ...]:
    return tuple(
        {state for reading in entry.readings for state in (reading.state, *(pair[0] for pair in reading.lists))}
    )


def accepts(matchers: Iterable[parser.Matcher], label: str, values: Iterable[str]) -> bool:
    """Say whether the matchers of `label` all accept one of `values`."""
    wanted = [matcher for matcher in matchers if matcher.name == label]
    return any(all(_fits(matcher, value) for matcher in wanted) for value in values)


def _fits(matcher: parser.Matcher, value: str) -> bool:
    if matcher.op == parser.MatchOp.Equal:
        return value == matcher.value
    if matcher.op == parser.MatchOp.NotEqual:
        return value != matcher.value
    # RE2 is a subset of Python's expressions, but for what nobody writes in a rule.
    found = re.fullmatch(matcher.value, value) is not None
    return found if matcher.op == parser.MatchOp.Re else not found
