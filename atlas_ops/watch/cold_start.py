"""A model without two weeks of history: PSI of a day against the reference, and until when. Called by `watch.judge`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from atlas_ops.catalog import conventions as c
from atlas_ops.detect.calibration import LEAST_DAYS
from atlas_ops.detect.cold import COLD_PSI, LEAST_ROWS_EACH, cold
from atlas_ops.detect.course import Course, course
from atlas_ops.detect.distances import smoothed
from atlas_ops.detect.features import Counts, Feature
from atlas_ops.detect.move import Move
from atlas_ops.detect.season import DAY
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import STEP, Observed, Windows
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.words import counted, moment
from atlas_ops.watch.finding import Finding, at_the_end

_DAY = round(DAY / STEP)
_MOST_MOVES = 3
"""Statistics by which a great PSI is explained."""


def findings(reference: Reference, windows: Windows, observed: Observed) -> tuple[Finding, ...]:
    """Return what PSI says of each feature of which a whole day was seen, with rows enough."""
    courses, covers = cold(windows, _usual(reference)), observed.covers(DAY)
    found = []
    for feature in reference.features:
        if covers[-1] and not lacking_rows(reference, windows, feature):
            of = course(windows.times, np.where(covers, courses[feature.name].share, 0.0))
            found.append(at_the_end(feature, c.COLD, of, _explained(reference, windows, of, feature)))
    return tuple(found)


def _usual(reference: Reference) -> Mapping[str, Counts]:
    return reference.counts if reference.accepted is None else reference.accepted


def last_day(windows: Windows, feature: Feature) -> Counts:
    """Return the values of a feature in each bin, over the last day."""
    return np.asarray(windows.counts[feature.name][-_DAY:].sum(axis=0))


def lacking_rows(reference: Reference, windows: Windows, feature: Feature) -> str:
    """Return which rows PSI lacks; "" when it has enough."""
    least = LEAST_ROWS_EACH * len(feature.bins)
    if (rows := int(last_day(windows, feature).sum())) < least:
        return f"{counted(rows, 'value')} in the last day, {least:,} are needed"
    if (rows := int(_usual(reference)[feature.name].sum())) < least:
        return f"{counted(rows, 'value')} in the reference, {least:,} are needed: make it of more"
    return ""


def _explained(reference: Reference, windows: Windows, of: Course, feature: Feature) -> tuple[Move, ...]:
    """Return the statistics that are furthest from the reference, by how far they lie in standard deviations of one row."""
    now, before = smoothed(last_day(windows, feature)), smoothed(_usual(reference)[feature.name])
    moves = [_move(statistic, now, before, of) for statistic in reference.watched if statistic.feature == feature.name]
    return tuple(sorted(moves, key=lambda one: -one.score)[:_MOST_MOVES])


def _move(statistic: Statistic, now: Floats, before: Floats, of: Course) -> Move:
    weights = np.asarray(statistic.weights)
    value, usual = float(weights @ now), float(weights @ before)
    deviation = math.sqrt(max(float(weights**2 @ before) - usual**2, 1e-12))
    score = abs(value - usual) / deviation
    return Move(statistic=statistic, score=score, limit=COLD_PSI, value=value, usual=usual, since=of.rising_since)


def until(reference: Reference, windows: Windows) -> str:
    """Say until when nothing better than PSI is known."""
    if reference.start is not None:
        when = f"until {moment(reference.start + LEAST_DAYS * DAY)}"
    else:
        rows = sum(windows.counts[feature.name].sum(axis=1) for feature in reference.features)
        busy = np.flatnonzero(rows)
        first = float(windows.times[busy[0]]) if busy.size else float(windows.times[-1])
        when = f"until {moment(first + LEAST_DAYS * DAY)} at the latest"
    return (
        f"cold start, {when}: only great shifts are seen, and only tickets come of them. Then make the reference again "
        f"of two weeks of counts: atlas-ops drift fit --prometheus URL --model {reference.model} --bins REFERENCE"
    )
