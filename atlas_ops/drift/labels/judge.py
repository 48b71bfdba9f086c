"""Whether a model is worse than it was, or than a stated number. Called by the command.

Worse: with certainty (1 % error, all metrics together) by more than the margin, in accuracy (or the mean or median error), or in the
precision or recall of a class. No worse: accuracy (or the mean error) is not worse by `detect` (5 % error). Else it cannot be told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from atlas_ops.detect.student import t_quantile
from atlas_ops.drift.labels.intervals import Estimate, difference, stated
from atlas_ops.drift.labels.quality import ACCURACY, BIAS, Measured, Quality, is_share, logarithm, words

WORSE, NO_WORSE = 0.01, 0.05
"""Errors of the two verdicts, for all metrics together and for the first of them."""
FEWEST_LABELS = 30
"""Labels of a metric without which it is not judged."""

_TOLD = 4
"""Metrics that the verdict names."""


class Standing(Enum):
    """What came of it; the value is the exit code."""

    NO_WORSE = 0
    WORSE = 1
    CANNOT_TELL = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerances:
    """What is allowed (`margin`), and what has to be excluded (`detect`): points of a share, or a relative rise of an error."""

    margin: float
    detect: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One metric on both sides. `least` and `most` bound by how much worse it is (1 % error): points, or a relative rise."""

    metric: str
    baseline: Estimate
    live: Estimate
    least: float
    most: float
    worse: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Needed:
    """What it would take to tell: so many labels of the live time, or so many days of them, and labels of the baseline; 0: these will do."""

    labels: int = 0
    days: int = 0
    baseline: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is told. `changes` has the first metric first, then the worst."""

    standing: Standing
    why: str
    needed: Needed
    changes: tuple[Change, ...]
    tolerances: Tolerances


def judge(baseline: Quality | float, live: Quality, tolerances: Tolerances) -> Verdict:
    """Return the verdict on `live`. A stated number is accuracy, or the mean absolute error."""
    first = next(iter(live.metrics), ACCURACY)
    known = {first: stated(baseline)} if isinstance(baseline, float) else _estimates(baseline)
    judged = dict(_judged(known, live))
    if not judged:
        few = live.labels < FEWEST_LABELS
        fewest = f"{'the live time' if few else 'the baseline'} has less than {FEWEST_LABELS} labels"
        needed = Needed(labels=FEWEST_LABELS) if few else Needed(baseline=FEWEST_LABELS)
        return Verdict(standing=Standing.CANNOT_TELL, why=fewest, needed=needed, changes=(), tolerances=tolerances)
    # Half of the error is the first metric's, so that many classes do not hide it.
    others = 2 * max(len(judged) - 1, 1)
    changes = [
        _change(key, *pair, tolerances, 1 - WORSE / (2 if key == first else others)) for key, pair in judged.items()
    ]
    worse = [change for change in changes if change.worse]
    excluded = first in judged and _worse_by(first, *judged[first], 1 - NO_WORSE)[1] < tolerances.detect
    ordered = (*changes[:1], *sorted(changes[1:], key=lambda one: -one.least))
    if worse:
        standing, why = Standing.WORSE, _said([change for change in ordered if change.worse])
    elif excluded:
        standing, why = Standing.NO_WORSE, f"{words(first)} is not worse by {_amount(first, tolerances.detect)}"
    else:
        standing, why = Standing.CANNOT_TELL, f"a loss of {_amount(first, tolerances.detect)} cannot be excluded"
    needed = Needed() if worse or excluded else _needed(baseline, live, first, tolerances)
    return Verdict(standing=standing, why=why, needed=needed, changes=ordered, tolerances=tolerances)


def _estimates(quality: Quality) -> Mapping[str, Estimate]:
    return {key: one.estimate for key, one in quality.metrics.items()}


def _judged(baseline: Mapping[str, Estimate], live: Quality) -> Iterator[tuple[str, tuple[Estimate, Estimate]]]:
    for key, one in live.metrics.items():
        then = baseline.get(key)
        enough = then is not None and one.estimate.of >= FEWEST_LABELS and (then.of >= FEWEST_LABELS or not then.of)
        if then is not None and enough and key != BIAS:
            yield key, (then, one.estimate)


def _worse_by(key: str, baseline: Estimate, live: Estimate, probability: float) -> tuple[float, float]:
    """Return the bounds of how much worse the live time is: points of a share, or the relative rise of an error."""
    if is_share(key):
        return difference(baseline, live, probability)
    low, high = difference(logarithm(live), logarithm(baseline), probability)
    return math.expm1(min(low, 700.0)), math.expm1(min(high, 700.0))


def _change(key: str, baseline: Estimate, live: Estimate, tolerances: Tolerances, probability: float) -> Change:
    least, most = _worse_by(key, baseline, live, probability)
    return Change(metric=key, baseline=baseline, live=live, least=least, most=most, worse=least > tolerances.margin)


def _said(worse: Sequence[Change]) -> str:
    told = [f"{words(one.metric)} is worse by at least {_amount(one.metric, one.least)}" for one in worse[:_TOLD]]
    return "; ".join([*told, *([f"and {len(worse) - _TOLD} more"] if len(worse) > _TOLD else [])])


def _amount(metric: str, size: float) -> str:
    return f"{size * 100:.3g} points" if is_share(metric) else f"{size * 100:.3g} %"


def _needed(baseline: Quality | float, live: Quality, first: str, tolerances: Tolerances) -> Needed:
    """Return what it would take, if the live time goes on as it is, and the share of its days stays."""
    now = live.metrics[first]
    then = None if isinstance(baseline, float) else baseline.metrics[first]
    off, unit = _off(first, baseline if isinstance(baseline, float) else None, then, now)
    margin, detect = (
        (tolerances.margin, tolerances.detect)
        if is_share(first)
        else map(math.log1p, (tolerances.margin, tolerances.detect))
    )
    ways = [(detect - off, 1 - NO_WORSE), (off - margin, 1 - WORSE / 2)]
    found = [_amount_needed(room, probability, then, now, unit) for room, probability in ways if room > 0]
    return min(found, key=lambda one: (one.days, one.labels + one.baseline))


def _off(first: str, number: float | None, then: Measured | None, now: Measured) -> tuple[float, float]:
    """Return how much worse it looks, and by what a standard deviation is divided to be on that scale."""
    before = number if then is None else then.estimate.value
    if before is None:
        raise ValueError("a baseline is a number or a time")
    if is_share(first):
        return before - now.estimate.value, 1.0
    return math.log(max(now.estimate.value, 1e-12) / max(before, 1e-12)), max(now.estimate.value, 1e-12)


def _amount_needed(room: float, probability: float, then: Measured | None, now: Measured, unit: float) -> Needed:
    """Return the labels, or else the days, with which a standard error leaves so much room."""
    allowed = (room * unit / t_quantile(probability, now.spread.freedom)) ** 2
    baseline = 0
    if then is not None and then.spread.variance > allowed / 2:
        # Both sides have to become more certain; each gets half of the room.
        baseline, allowed = math.ceil(2 * then.estimate.of * then.spread.variance / allowed), allowed / 2
    elif then is not None:
        allowed -= then.spread.variance
    wander = now.spread.wander / now.spread.days
    labels = now.estimate.of
    clumped = max(now.spread.variance - wander, now.per_label / labels) * labels
    if allowed > wander:
        enough = math.ceil(clumped / (allowed - wander))
        return Needed(labels=enough if enough > labels else 0, baseline=baseline)
    days = math.ceil((now.spread.wander + clumped / max(labels / now.spread.days, 1.0)) / allowed)
    return Needed(days=days, baseline=baseline)
