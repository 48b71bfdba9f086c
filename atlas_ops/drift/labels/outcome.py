"""Everything that is told about predictions and their labels. Made here, shown by `text`, `document` and `page`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from atlas_ops.detect.season import DAY
from atlas_ops.drift.labels import arrival
from atlas_ops.drift.labels.arrival import Age
from atlas_ops.drift.labels.join import Identifiers, Joined
from atlas_ops.drift.labels.judge import Standing, Tolerances, Verdict, judge
from atlas_ops.drift.labels.quality import ACCURACY, MEAN_ERROR, Mask, Per, Quality, measure, windows
from atlas_ops.drift.labels.tally import Slots
from atlas_ops.drift.words import counted, moment
from atlas_ops.errors import DataError

CLASSES, NUMBERS = Tolerances(margin=0.01, detect=0.05), Tolerances(margin=0.05, detect=0.20)
"""What is allowed where the user says nothing: points of accuracy, and a rise of the error."""
_CONFLICTING = 0.05
"""From this share of the identifiers on, those with different values may hide a loss."""
Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What the user asked for."""

    baseline: float | Span | None = None
    """A number, or a time from which (Unix seconds) and up to which predictions are the baseline."""
    since: float | None = None
    settled: float = 0.0
    """Seconds that a prediction has to be old."""
    per: Per = Per.DAY
    margin: float | None = None
    detect: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of it. `verdict` is None where there was nothing to compare with."""

    joined: Joined
    live: Quality
    baseline: Quality | float | None
    verdict: Verdict | None
    windows: tuple[Quality, ...]
    ages: tuple[Age, ...]
    notes: tuple[str, ...]

    @property
    def first(self) -> str:
        """The metric that decides."""
        return ACCURACY if self.joined.tally.classes else MEAN_ERROR


def outcome(joined: Joined, wish: Wish) -> Outcome:
    """Judge joined predictions; DataError where a time has none."""
    tally = joined.tally
    if tally.classes and isinstance(wish.baseline, float) and wish.baseline > 1:
        raise DataError(
            f"--baseline: {wish.baseline:g} is no accuracy, which is a share", next_step="write it as 0.97 or as 97%"
        )
    before, after = _masks(tally.slots, wish)
    for which, mask in (("baseline", before), ("compared", after)):
        if mask is not None and not tally.predicted[mask].any():
            raise DataError(
                f"no prediction is of the time that is {which}; all are of {_told(tally.slots.first, tally.slots.last)}",
                next_step="check --baseline, --since and --settled (times without a zone are UTC)",
            )
    then = measure(tally, before) if before is not None else wish.baseline
    earlier = then if isinstance(then, Quality) else None
    live = measure(tally, after, earlier)
    verdict = None if then is None or isinstance(then, tuple) else judge(then, live, _tolerances(wish, joined))
    verdict = verdict and _doubted(verdict, joined)
    ages = arrival.by_age(tally)
    late = arrival.warning(earlier, live, ages)
    return Outcome(
        joined=joined,
        live=live,
        baseline=None if isinstance(then, tuple) else then,
        verdict=verdict,
        windows=windows(tally, wish.per, earlier or live),
        ages=ages,
        notes=(*_notes(joined), *_few_days(live, earlier), *([late] if late else [])),
    )


def _tolerances(wish: Wish, joined: Joined) -> Tolerances:
    usual = CLASSES if joined.tally.classes else NUMBERS
    margin = usual.margin if wish.margin is None else wish.margin
    detect = usual.detect if wish.detect is None else wish.detect
    if not margin < detect:
        raise DataError(
            f"a margin of {margin:.1%} is not below the loss of {detect:.1%} that has to be excluded",
            next_step="give --detect above --margin",
        )
    return Tolerances(margin=margin, detect=detect)


def _masks(slots: Slots, wish: Wish) -> tuple[Mask | None, Mask]:
    """Return the slots of the baseline, where it is a time, and those that are compared with it."""
    starts = slots.starts
    settled = starts + slots.seconds <= slots.last + 1 - wish.settled if wish.settled else starts > -np.inf
    span = wish.baseline if isinstance(wish.baseline, tuple) else None
    before = (starts >= span[0]) & (starts < span[1]) & settled if span else None
    from_ = wish.since if wish.since is not None else span[1] if span else -np.inf
    return before, (starts >= from_) & settled & ~(before if before is not None else starts == np.inf)


def _doubted(verdict: Verdict, joined: Joined) -> Verdict:
    """Return the verdict, or that it cannot be told where a loss may lie in what had to be left out."""
    shares = [of.conflicting / max(of.different, 1) for of in (joined.predictions, joined.labels)]
    if verdict.standing is not Standing.NO_WORSE or max(shares) < _CONFLICTING:
        return verdict
    place = shares.index(max(shares))
    why = f"{shares[place]:.0%} of the identifiers of {joined.sides[place].name} stand with different values, and which of them holds is not known"
    cure = "; --label-time lets the latest label hold" if place else ""
    return replace(verdict, standing=Standing.CANNOT_TELL, why=f"{why}{cure}")


def _notes(joined: Joined) -> Iterator[str]:
    for side, identifiers in zip(joined.sides, (joined.predictions, joined.labels), strict=True):
        yield from _left_out(side.name, side.without_key, side.without_value, side.untimed, identifiers)
    if joined.predictions.alone:
        yield f"{counted(joined.predictions.alone, 'prediction')} of {joined.predictions.different:,} have no label (yet)"
    if joined.labels.alone:
        yield f"{counted(joined.labels.alone, 'label')} of {joined.labels.different:,} belong to no prediction"
    if joined.labels.early:
        yield f"{counted(joined.labels.early, 'label')} are older than their predictions: look for another time zone (without one it is UTC)"


def _left_out(name: str, keyless: int, empty: int, untimed: int, identifiers: Identifiers) -> Iterator[str]:
    parts = [
        (keyless, "have no identifier"),
        (empty, "have no value"),
        (untimed, "have no time"),
    ]
    lacking = [f"{number:,} {what}" for number, what in parts if number]
    if lacking:
        yield f"{name}: left out are rows of which {', '.join(lacking)}"
    if identifiers.superseded:
        yield f"{name}: {counted(identifiers.superseded, 'row')} have a later one of their identifier, which counts"
    if identifiers.repeated:
        yield f"{name}: {counted(identifiers.repeated, 'row')} repeat an identifier with the same value, and count once"
    if identifiers.conflicting:
        yield f"{name}: {counted(identifiers.conflicting, 'identifier')} with different values are left out"


def _few_days(live: Quality, baseline: Quality | None) -> Iterator[str]:
    first = next(iter(live.metrics.values()), None)
    if first is None or live.start is None:
        return
    known = max(
        first.spread.known_days, *(one.spread.known_days for one in (baseline.metrics.values() if baseline else ())), 0
    )
    if known < 5:
        yield (
            f"{counted(known, 'day')} with labels do not tell how much days differ by themselves: an interval may be too narrow"
        )


def _told(first: float, last: float) -> str:
    return f"{moment(first)} to {moment(last)}" if last > DAY else "unknown time"
