"""Runs out of Prometheus: each window of time is a run of both sides, so what the hour brings hits both alike. Called by the command.

A histogram tells exactly how many requests were slower than one of its bounds, and only guesses at a quantile between two. So the
share of requests slower than a bound is compared: at the smallest bound that at most half, a tenth and a hundredth of the baseline's
requests exceed, of the bounds that all servers of both sides have. The margin is turned into such a share by the baseline's own
histogram (logarithms, a straight line between two bounds): how much would the share rise if every request were 5 % slower? Where no
bound lies among the bulk of the requests, their mean is compared as well, which needs none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from itertools import pairwise

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.detect.gate import Limits
from atlas_ops.errors import DataError
from atlas_ops.gate import energy
from atlas_ops.gate.metrics import FEWEST_BEYOND, Metric, Scale, Tolerances, errors, mean
from atlas_ops.gate.runs import ERROR_SHARE, FIRST_TOKEN, INTER_TOKEN, LATENCY, MEAN, Reading, Run
from atlas_ops.gate.windows import Asker, Counts, Histogram, Windows, nothing
from atlas_ops.prometheus import Prometheus

TOOL = "Prometheus"
_HISTOGRAMS = {LATENCY: s.REQUEST_DURATION, FIRST_TOKEN: s.TIME_TO_FIRST_TOKEN, INTER_TOKEN: s.INTER_TOKEN_LATENCY}
_TITLES = {LATENCY: "requests", FIRST_TOKEN: "first tokens", INTER_TOKEN: "tokens"}
_SLOWER = "_slower_than_"
_CANCELLED = "cancelled"
_SHARES = (0.5, 0.1, 0.01)
_BULK = 0.1
"""A bound that fewer exceed says nothing of the bulk of the requests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What Prometheus knows of both sides."""

    baseline: tuple[Run, ...]
    canary: tuple[Run, ...]
    metrics: tuple[Metric, ...]
    doubts: tuple[str, ...]
    """Why there can be no pass, as `judge` takes them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """One side, by the ends of windows."""

    histograms: Mapping[str, Mapping[float, Histogram]]
    outcomes: Mapping[float, Mapping[str, float]]
    """But for what was cancelled."""
    cancelled: Mapping[float, float]
    servers: Mapping[float, float]

    @classmethod
    def asked(cls, ask: Asker, selector: str) -> _Side:
        outcomes = ask.outcomes(selector)
        return cls(
            histograms={name: ask.histograms(signal, selector) for name, signal in _HISTOGRAMS.items()},
            outcomes={
                at: {how: count for how, count in of.items() if how != _CANCELLED} for at, of in outcomes.items()
            },
            cancelled={at: of.get(_CANCELLED, 0.0) for at, of in outcomes.items()},
            servers=ask.servers(selector),
        )

    @property
    def moments(self) -> frozenset[float]:
        """The windows with a request."""
        ended = {at for at, outcomes in self.outcomes.items() if sum(outcomes.values()) >= 1}
        return frozenset(ended.union(*self.histograms.values()))

    def given_up(self, moments: Sequence[float]) -> float:
        """Return the share of the requests that were cancelled."""
        cancelled = sum(self.cancelled.get(at, 0.0) for at in moments)
        every = cancelled + sum(sum(self.outcomes.get(at, {}).values()) for at in moments)
        return cancelled / every if every else 0.0


def read(
    prometheus: Prometheus, model: str, selectors: tuple[str, str], windows: Windows, tolerances: Tolerances
) -> Found:
    """Return the runs of baseline and canary, and what can be compared.

    UsageError for a selector that is no PromQL or shares series with the other, DataError when a side has no request at all or no
    window has some of both, EnvironmentProblem when Prometheus does not answer.
    """
    ask = Asker.now(prometheus, model, windows)
    ask.check_apart(*selectors)
    sides = [_Side.asked(ask, selector) for selector in selectors]
    moments = _moments(sides, selectors)
    metrics = [metric for name in _HISTOGRAMS for metric in _metrics(name, sides, moments, tolerances)]
    runs = [[_run(at, side, metrics, windows.seconds) for at in moments] for side in sides]
    times = energy.Times(first=ask.first, last=ask.end, seconds=windows.seconds)
    baseline, canary = (energy.read(prometheus, model, selector, times) for selector in selectors)
    spent, (old, new) = energy.added((baseline, canary), runs, tolerances)
    return Found(
        baseline=old,
        canary=new,
        metrics=(*metrics, errors(tolerances), *spent),
        doubts=(*_silent(sides, moments), *_given_up(sides, moments, tolerances)),
    )


def _moments(sides: Sequence[_Side], selectors: Sequence[str]) -> list[float]:
    """Return the windows in which both sides had requests; the others compare one hour with another."""
    for side, selector in zip(sides, selectors, strict=True):
        if not side.moments:
            raise nothing(selector)
    if not (both := sides[0].moments & sides[1].moments):
        raise DataError(
            "there is no window in which both sides had requests",
            next_step="let both serve at the same time, or give longer windows (--run-minutes)",
        )
    return sorted(both)


def _silent(sides: Sequence[_Side], moments: Sequence[float]) -> tuple[str, ...]:
    """Return the doubt of windows without a request of the canary, from its first on, while the baseline had some."""
    if not (silent := [at for at in sides[0].moments - sides[1].moments if at > moments[0]]):
        return ()
    of = len(moments) + len(silent)
    told = f"the canary had no request in {len(silent)} of {of} windows in which the baseline had: it was down, or gets too little traffic"
    return (f"{told}; give longer windows (--run-minutes)",)


def _given_up(sides: Sequence[_Side], moments: Sequence[float], tolerances: Tolerances) -> tuple[str, ...]:
    """Return the doubt of clients that give up on the canary: answers that nobody waits for are in no histogram."""
    old, new = (side.given_up(moments) for side in sides)
    if new - old <= tolerances.error_detect:
        return ()
    told = f"{100 * new:.3g} % of the canary's requests were cancelled, of the baseline's {100 * old:.3g} %"
    return (f"{told}: clients that give up on slow answers hide them",)


def _metrics(name: str, sides: Sequence[_Side], moments: Sequence[float], tolerances: Tolerances) -> list[Metric]:
    """Return a metric for each bound that is worth comparing at, and the mean where these say nothing of the bulk."""
    told = [one for side in sides for at in moments if (one := side.histograms[name].get(at))]
    baseline = [one.counts for at in moments if (one := sides[0].histograms[name].get(at))]
    if not baseline:
        return []
    common = reduce(frozenset.intersection, (frozenset(one.counts) for one in told))
    pooled = {le: sum(counts[le] for counts in baseline) for le in sorted(common)}
    bounds = list(dict.fromkeys(bound for share in _SHARES if (bound := _bound(pooled, share)) is not None))
    found = [_metric(name, bound, pooled, tolerances) for bound in bounds]
    bulk = bounds and _above(pooled, bounds[0]) >= _BULK
    return found if bulk else [mean(name, tolerances), *found]


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
    """Return the share above one of the bounds."""
    return 1 - counts[bound] / counts[math.inf]


def _run(at: float, side: _Side, metrics: Sequence[Metric], seconds: float) -> Run:
    readings = {metric.key: told for metric in metrics if (told := _reading(metric.key, side, at))}
    outcomes = side.outcomes.get(at, {})
    ended = sum(outcomes.values())
    if ended >= 1:
        readings[ERROR_SHARE] = Reading(value=1 - outcomes.get("ok", 0.0) / ended, of=round(ended))
    answered = [one.observations for windows in side.histograms.values() if (one := windows.get(at))]
    requests, servers = max([ended, *answered]), side.servers.get(at, 0.0)
    return Run(
        name=f"window to {datetime.fromtimestamp(at, UTC):%H:%M} UTC", tool=TOOL, requests=round(requests), readings=readings,
        began=at, planned=False, load=requests / servers / seconds if servers else None,
    )  # fmt: skip


def _reading(key: str, side: _Side, at: float) -> Reading | None:
    name, slower, bound = key.partition(_SLOWER)
    of = side.histograms[name.removesuffix(MEAN)].get(at)
    if of is None:
        return None
    value = _above(of.counts, float(bound)) if slower else of.seconds / of.observations
    return None if math.isnan(value) else Reading(value=value, of=round(of.observations))


def _key(name: str, bound: float) -> str:
    return f"{name}{_SLOWER}{promql.number(bound)}"
