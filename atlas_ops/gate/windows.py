"""Asks Prometheus how much the counters of a side grew in each window, by Prometheus's clock. Called by `histograms`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.errors import DataError, UsageError
from atlas_ops.prometheus import Course, Prometheus, QueryRefused

_SETTLED_SECONDS = 60.0
"""The newest samples are still on their way."""
Counts = Mapping[float, float]
"""Observations up to each bound, the last one +Inf."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """The last so many windows of so many seconds."""

    count: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """What all servers of a side observed in a window; `counts` has only bounds that each of them has."""

    counts: Counts
    seconds: float
    """The sum of the observations; NaN where it is not told."""

    @property
    def observations(self) -> float:
        """How many there were."""
        return self.counts[math.inf]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """Asks for the windows that end at `end` (Unix seconds) at the latest; what it finds is by the end of each window."""

    prometheus: Prometheus
    model: str
    end: float
    windows: Windows

    @classmethod
    def now(cls, prometheus: Prometheus, model: str, windows: Windows) -> Asker:
        """Return one for the last windows."""
        end = prometheus.query("vector(time())")[0].value - _SETTLED_SECONDS
        return cls(prometheus=prometheus, model=model, end=end, windows=windows)

    @property
    def first(self) -> float:
        """The end of the first window."""
        return self.end - (self.windows.count - 1) * self.windows.seconds

    def check_apart(self, baseline: str, canary: str) -> None:
        """Raise UsageError for selectors that choose some of the same series: what is on both sides hides how they differ."""
        span = promql.duration(self.windows.count * self.windows.seconds)
        for name in (s.REQUESTS.name, f"{s.REQUEST_DURATION}_count"):
            sides = (
                f"last_over_time({promql.select(name, self._of_model, side)}[{span}])" for side in (baseline, canary)
            )
            both = self._asked(f"count ({' and '.join(sides)})", self.end, f"{baseline!r} and {canary!r}")
            if both:
                raise UsageError(
                    f"{baseline!r} and {canary!r} choose {both[0].values[0]:.0f} of the same series ({name})",
                    next_step="give selectors that have no server in common",
                )

    def histograms(self, signal: Signal, selector: str) -> dict[float, Histogram]:
        """Return a histogram of each window that has an observation."""
        grown = self._grown("le", signal.series[0], selector)
        servers = self._grown("le", signal.series[0], selector, how="count by")
        sums = self._grown("", f"{signal}_sum", selector)
        found = {}
        for at, parts in grown.items():
            told, upto = _by_bound(servers[at]), _by_bound(parts)
            counts = {le: upto[le] for le in sorted(upto) if told[le] == told.get(math.inf)}
            if counts.get(math.inf, 0.0) >= 1:
                found[at] = Histogram(counts=counts, seconds=sums.get(at, {}).get("", math.nan))
        return found

    def outcomes(self, selector: str) -> dict[float, dict[str, float]]:
        """Return how many requests ended how in each window."""
        return self._grown("outcome", s.REQUESTS.name, selector)

    def servers(self, selector: str) -> dict[float, float]:
        """Return how many servers told of requests in each window."""
        window, by = promql.duration(self.windows.seconds), ", ".join(c.SERVER_LABELS)
        told = (
            f"group by ({by}) ({promql.increase(name, window, self._of_model, selector)})"
            for name in (s.REQUESTS.name, f"{s.REQUEST_DURATION}_count")
        )
        courses = self._asked(f"count ({' or '.join(told)})", self.first, repr(selector))
        return {at: value for course in courses for at, value in zip(course.times, course.values, strict=True)}

    @property
    def _of_model(self) -> str:
        return f"{c.MODEL}={promql.quote(self.model)}"

    def _grown(self, label: str, name: str, selector: str, *, how: str = "sum by") -> dict[float, dict[str, float]]:
        """Return the growth of a counter in each window by a label."""
        window = promql.duration(self.windows.seconds)
        grown = promql.increase(name, window, self._of_model, selector)
        found: dict[float, dict[str, float]] = {}
        for course in self._asked(f"{how} ({label}) ({grown})", self.first, repr(selector)):
            for at, value in zip(course.times, course.values, strict=True):
                found.setdefault(at, {})[course.labels.get(label, "")] = value
        return dict(sorted(found.items()))

    def _asked(self, expr: str, first: float, selector: str) -> tuple[Course, ...]:
        try:
            return self.prometheus.query_range(expr, first, self.end, self.windows.seconds)
        except QueryRefused as refusal:
            raise UsageError(
                f"Prometheus does not take {selector}: {refusal.message}",
                next_step="give matchers as within the braces of PromQL, such as 'server=~\"new.*\"'",
            ) from refusal


def _by_bound(parts: Mapping[str, float]) -> dict[float, float]:
    """Return the sums by bound: `1` and `1.0` are one."""
    found: dict[float, float] = {}
    for le, value in parts.items():
        found[float(le)] = found.get(float(le), 0.0) + value
    return found


def nothing(selector: str) -> DataError:
    """Return the error for a side without any request."""
    return DataError(
        f"Prometheus has no request of {selector!r} in these windows",
        next_step="check --model and the selector: labels of signals are server, host_name, k8s_pod_name, ...",
    )
