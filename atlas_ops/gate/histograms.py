"""Runs out of Prometheus: each window of time is a run of both sides, so what the hour brings hits both alike. Called by the command.

A histogram tells exactly how many requests were slower than one of its bounds, and only guesses at a quantile between two. So the
share of requests slower than a bound is compared: at the smallest bound that at most half, a tenth and a hundredth of the baseline's
requests exceed. The margin is turned into such a share by the baseline's own histogram (logarithms, a straight line between two
bounds): how much would the share rise if every request were 5 % slower? Times and ends of windows are those of Prometheus's clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.detect.gate import Limits
from atlas_ops.errors import DataError, UsageError
from atlas_ops.gate import energy
from atlas_ops.gate.metrics import FEWEST_BEYOND, Metric, Scale, Tolerances, errors
from atlas_ops.gate.runs import ERROR_SHARE, FIRST_TOKEN, INTER_TOKEN, LATENCY, Reading, Run
from atlas_ops.prometheus import Prometheus, QueryRefused

TOOL = "Prometheus"
_HISTOGRAMS = {LATENCY: s.REQUEST_DURATION, FIRST_TOKEN: s.TIME_TO_FIRST_TOKEN, INTER_TOKEN: s.INTER_TOKEN_LATENCY}
_TITLES = {LATENCY: "requests", FIRST_TOKEN: "first tokens", INTER_TOKEN: "tokens"}
_SLOWER = "_slower_than_"
_CANCELLED = "cancelled"
_SHARES = (0.5, 0.1, 0.01)
_SETTLED_SECONDS = 60.0
"""The newest samples are still on their way."""
Counts = Mapping[float, float]
"""Observations up to each bound, the last one +Inf."""
ByWindow = Mapping[float, Counts]


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """The last so many windows of so many seconds."""

    count: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What Prometheus knows of both sides."""

    baseline: tuple[Run, ...]
    canary: tuple[Run, ...]
    metrics: tuple[Metric, ...]


def read(
    prometheus: Prometheus, model: str, selectors: tuple[str, str], windows: Windows, tolerances: Tolerances
) -> Found:
    """Return the runs of baseline and canary, and what can be compared.

    UsageError for a selector that is no PromQL, DataError when a side has no request at all, EnvironmentProblem when Prometheus
    does not answer.
    """
    end = prometheus.query("vector(time())")[0].value - _SETTLED_SECONDS
    ask = _Asker(prometheus=prometheus, model=model, end=end, windows=windows)
    sides = [{name: ask.buckets(signal, selector) for name, signal in _HISTOGRAMS.items()} for selector in selectors]
    metrics = [metric for name in _HISTOGRAMS for metric in _metrics(name, _pooled(sides[0][name]), tolerances)]
    runs = [
        _runs(side, ask.outcomes(selector), metrics, selector) for side, selector in zip(sides, selectors, strict=True)
    ]
    times = energy.Times(first=ask.first, last=end, seconds=windows.seconds)
    baseline, canary = (energy.read(prometheus, model, selector, times) for selector in selectors)
    spent, (old, new) = energy.added((baseline, canary), runs, tolerances)
    return Found(baseline=old, canary=new, metrics=(*metrics, errors(tolerances), *spent))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asker:
    """Asks how much counters grew in each window."""

    prometheus: Prometheus
    model: str
    end: float
    windows: Windows

    @property
    def first(self) -> float:
        """The end of the first window."""
        return self.end - (self.windows.count - 1) * self.windows.seconds

    def buckets(self, signal: Signal, selector: str) -> ByWindow:
        """Return a histogram of each window (by its end), +Inf included; windows without an observation are left out."""
        grown = self._grown("le", signal.series[0], selector)
        found = {at: {float(le): count for le, count in parts.items()} for at, parts in grown.items()}
        return {at: counts for at, counts in found.items() if counts.get(math.inf, 0) >= 1}

    def outcomes(self, selector: str) -> dict[float, dict[str, float]]:
        """Return how many requests ended how in each window, but for those that were cancelled."""
        return self._grown("outcome", s.REQUESTS.name, selector, f'outcome!="{_CANCELLED}"')

    def _grown(self, label: str, name: str, selector: str, *matchers: str) -> dict[float, dict[str, float]]:
        length = self.windows.seconds
        chosen = (f"{c.MODEL}={promql.quote(self.model)}", selector, *matchers)
        expr = promql.sum_by([label], promql.increase(name, promql.duration(length), *chosen))
        try:
            courses = self.prometheus.query_range(expr, self.first, self.end, length)
        except QueryRefused as refusal:
            raise UsageError(
                f"Prometheus does not take {selector!r}: {refusal.message}",
                next_step="give matchers as within the braces of PromQL, such as 'server=~\"new.*\"'",
            ) from refusal
        found: dict[float, dict[str, float]] = {}
        for course in courses:
            for at, value in zip(course.times, course.values, strict=True):
                found.setdefault(at, {})[course.labels.get(label, "")] = value
        return dict(sorted(found.items()))


def _pooled(windows: ByWindow) -> Counts:
    total: dict[float, float] = {}
    for counts in windows.values():
        for le, count in counts.items():
            total[le] = total.get(le, 0.0) + count
    return dict(sorted(total.items()))


def _metrics(name: str, pooled: Counts, tolerances: Tolerances) -> list[Metric]:
    """Return a metric for each bound that is worth comparing at."""
    found = dict.fromkeys(bound for share in _SHARES if (bound := _bound(pooled, share)) is not None)
    return [_metric(name, bound, pooled, tolerances) for bound in found]


def _bound(pooled: Counts, share: float) -> float | None:
    """Return the smallest bound that at most this share exceeds, but some do; None without one, or with none below it."""
    positive = [le for le in pooled if 0 < le < math.inf]
    fitting = [le for le in positive[1:] if 0 < _above(pooled, le) <= share]
    return fitting[0] if fitting else None


def _metric(name: str, bound: float, pooled: Counts, tolerances: Tolerances) -> Metric:
    usual = _above(pooled, bound)
    margin, detect = (_risen(pooled, bound, share) for share in (tolerances.margin, tolerances.detect))
    return Metric(
        key=_key(name, bound),
        title=f"{_TITLES[name]} slower than {promql.number(bound)} s",
        unit="share",
        scale=Scale.RARE,
        limits=Limits(margin=margin, detect=detect),
        fewest=math.ceil(FEWEST_BEYOND / usual),
        limit_words=f"{math.expm1(margin) * 100:+.3g} % (times {tolerances.margin * 100:+.3g} %)",
    )


def _risen(pooled: Counts, bound: float, slower: float) -> float:
    """Return by how much the logarithm of the share above `bound` rises when all requests take `slower` times longer (a share).

    At least as much as the times themselves: where no request is near the bound, the share would not move at all.
    """
    wanted = math.log(bound / (1 + slower))
    points = [
        (math.log(le), math.log(above)) for le in pooled if 0 < le < math.inf and (above := _above(pooled, le)) > 0
    ]
    for (x0, y0), (x1, y1) in pairwise(points):
        if wanted <= x1 and x0 < x1:
            share = y0 + (y1 - y0) * (max(wanted, x0) - x0) / (x1 - x0)
            return max(min(share, 0.0) - math.log(_above(pooled, bound)), math.log1p(slower))
    return math.log1p(slower)


def _above(counts: Counts, bound: float) -> float:
    """Return the share above a bound. A runtime's restart with other bounds leaves some out: the next smaller one is taken."""
    upto = max((count for le, count in counts.items() if le <= bound), default=0.0)
    return 1 - upto / counts[math.inf]


def _runs(
    side: Mapping[str, ByWindow],
    outcomes: Mapping[float, Mapping[str, float]],
    metrics: Sequence[Metric],
    selector: str,
) -> tuple[Run, ...]:
    moments = sorted(
        {at for windows in side.values() for at in windows} | {at for at in outcomes if sum(outcomes[at].values()) >= 1}
    )
    if not moments:
        raise DataError(
            f"Prometheus has no request of {selector!r} in these windows",
            next_step="check --model and the selector: labels of signals are server, host_name, k8s_pod_name, ...",
        )
    return tuple(_run(at, side, outcomes.get(at, {}), metrics) for at in moments)


def _run(at: float, side: Mapping[str, ByWindow], outcomes: Mapping[str, float], metrics: Sequence[Metric]) -> Run:
    readings = {}
    for metric in metrics:
        name, bound = _named(metric.key)
        if counts := side[name].get(at):
            readings[metric.key] = Reading(value=_above(counts, bound), of=round(counts[math.inf]))
    ended = sum(outcomes.values())
    if ended >= 1:
        readings[ERROR_SHARE] = Reading(value=1 - outcomes.get("ok", 0.0) / ended, of=round(ended))
    answered = [counts[math.inf] for windows in side.values() if (counts := windows.get(at))]
    name = f"window to {datetime.fromtimestamp(at, UTC):%H:%M} UTC"
    return Run(
        name=name, tool=TOOL, requests=round(max([ended, *answered])), readings=readings, began=at, planned=False
    )


def _key(name: str, bound: float) -> str:
    return f"{name}{_SLOWER}{promql.number(bound)}"


def _named(key: str) -> tuple[str, float]:
    name, _, bound = key.partition(_SLOWER)
    return name, float(bound)
