"""A model without two weeks of history: PSI of a day against the reference, and until when. Called by `watch.judge`."""

from __future__ import annotations

import math

import numpy as np

from atlas_ops.catalog import conventions as c
from atlas_ops.detect.calibration import LEAST_DAYS
from atlas_ops.detect.cold import COLD_PSI, LEAST_ROWS_EACH, cold
from atlas_ops.detect.course import Course, course
from atlas_ops.detect.features import Counts, Feature
from atlas_ops.detect.move import Move
from atlas_ops.detect.season import DAY
from atlas_ops.detect.statistics import Statistic
from atlas_ops.detect.windows import STEP, Observed, Windows, observe
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.words import counted, moment
from atlas_ops.watch.finding import Finding, at_the_end

_DAY = round(DAY / STEP)
_MOST_MOVES = 3
"""Statistics by which a great PSI is explained."""
_LEAST_VARIANCE = 1e-3
"""Of one row of a share, at the least: a bin that was hardly there before does not outdo everything else."""


def findings(reference: Reference, windows: Windows, observed: Observed) -> tuple[Finding, ...]:
    """Return what PSI says of each feature of which a whole day was seen, with rows enough."""
    courses, covers = cold(windows, reference.usual, reference.weekends), observed.covers(DAY)
    found = []
    for feature in reference.features:
        if covers[-1] and not lacking_rows(reference, windows, feature):
            of = course(windows.times, np.where(covers, courses[feature.name].share, 0.0))
            found.append(at_the_end(feature, c.COLD, of, _explained(reference, windows, of, feature)))
    return tuple(found)


def last_day(windows: Windows, feature: Feature) -> Counts:
    """Return the values of a feature in each bin, over the last day."""
    return np.asarray(windows.counts[feature.name][-_DAY:].sum(axis=0))


def lacking_rows(reference: Reference, windows: Windows, feature: Feature) -> str:
    """Return which rows PSI lacks; "" when it has enough."""
    least = LEAST_ROWS_EACH * len(feature.bins)
    if (rows := int(last_day(windows, feature).sum())) < least:
        return f"{counted(rows, 'value')} in the last day, {least:,} are needed"
    if (rows := int(reference.usual[feature.name].sum())) < least:
        return f"{counted(rows, 'value')} in the reference, {least:,} are needed: make it of more"
    return ""


def _explained(reference: Reference, windows: Windows, of: Course, feature: Feature) -> tuple[Move, ...]:
    """Return the statistics that are furthest from the reference, by how far they lie in standard deviations of one row."""
    watched = [statistic for statistic in reference.watched if statistic.feature == feature.name]
    now, before = (
        observe(Windows(np.array([STEP]), {feature.name: counts[None]}), watched).values[0]
        for counts in (last_day(windows, feature), reference.usual[feature.name])
    )
    moves = [_move(*one, of.rising_since) for one in zip(watched, now.tolist(), before.tolist(), strict=True)]
    return tuple(sorted(moves, key=lambda one: -one.score)[:_MOST_MOVES])


def _move(statistic: Statistic, value: float, usual: float, since: float | None) -> Move:
    deviation = math.sqrt(max(usual * (1 - usual), _LEAST_VARIANCE)) if statistic.is_share else 1.0
    score = abs(value - usual) / deviation
    return Move(statistic=statistic, score=score, limit=COLD_PSI, value=value, usual=usual, since=since)


def until(reference: Reference, windows: Windows) -> str:
    """Say until when nothing better than PSI is known."""
    begun = reference.start if reference.start is not None else _first_counted(reference, windows)
    at, most = begun + LEAST_DAYS * DAY, "" if reference.start is not None else " at the latest"
    then = "now" if at <= windows.times[-1] else "then"
    when = f", until {moment(at)}{most}" if then == "then" else ""
    return (
        f"cold start{when}: only great shifts are seen, and only tickets come of them. Make the reference again {then}, of two "
        f"weeks of counts: atlas-ops drift fit --prometheus URL --model {reference.model} --bins REFERENCE --output REFERENCE"
    )


def _first_counted(reference: Reference, windows: Windows) -> float:
    rows = sum(windows.counts[feature.name].sum(axis=1) for feature in reference.features)
    busy = np.flatnonzero(rows)
    return float(windows.times[busy[0]] if busy.size else windows.times[-1])
