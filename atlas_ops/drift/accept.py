"""Takes a change for what is usual from now on: the level of a reference moves to the traffic since a time. Called by `atlas-ops drift accept`.

How much the traffic may wander stays what the history taught (`detect.rebase`). What was before that time is not held against the new
level: it would be drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from atlas_ops.detect.batch import Limits
from atlas_ops.detect.calibration import Calibration
from atlas_ops.detect.cold import LEAST_ROWS_EACH, in_weekends
from atlas_ops.detect.distances import smoothed
from atlas_ops.detect.features import Counts
from atlas_ops.detect.move import Move
from atlas_ops.detect.rebase import rebased
from atlas_ops.detect.statistics import Floats
from atlas_ops.detect.windows import STEP, Windows, observe
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.words import counted, moment, moved
from atlas_ops.errors import DataError

NOTE = "accepted as usual: "
"""How the note of an acceptance begins; the next one takes its place."""
_WORTH_LOCATION, _WORTH_SHARE = 0.1, 0.02
"""What is told of a moved level: a tenth of a standard deviation, two points of a share."""
_MOST_TOLD = 10


def accept(reference: Reference, windows: Windows) -> Reference:
    """Return the reference with the level of this traffic; DataError when there is too little of it."""
    if not len(windows.times):
        raise DataError("no whole five minutes lie between --since and --until", next_step="give an earlier --since")
    since, end = float(windows.times[0]) - STEP, float(windows.times[-1])
    counts = {name: of.sum(axis=0, dtype=np.int64) for name, of in windows.counts.items()}
    if not any(of.any() for of in counts.values()):
        raise DataError(
            f"Prometheus has no counts of {reference.model!r} from {moment(since)} to {moment(end)}",
            next_step="check the model's name, and that its servers count their features or tell their lengths",
        )
    calibration = reference.calibration
    if calibration is not None:
        calibration = _rebased(reference, calibration, windows)
    if calibration is None or not calibration.pages:
        _check_rows(reference, counts)
    before = reference.weekends or {name: np.zeros_like(of) for name, of in counts.items()}
    rows = max(int(of.sum()) for of in counts.values())
    note = f"{NOTE}{counted(rows, 'request')} from {moment(since)} to {moment(end)}"
    return replace(
        reference,
        calibration=calibration,
        limits=_limits(reference, calibration),
        accepted_since=since,
        accepted={name: of if of.any() else reference.usual[name] for name, of in counts.items()},
        weekends={name: of if counts[name].any() else before[name] for name, of in in_weekends(windows).items()},
        notes=(*(one for one in reference.notes if not one.startswith(NOTE)), note),
    )


def told(before: Reference, after: Reference) -> list[str]:
    """Return how the level has moved, in words, the most first."""
    moves = [
        (_size(move), f"{move.statistic.feature}: {moved(feature, move)}")
        for move in _moves(before, after)
        if (feature := before.feature(move.statistic.feature)) is not None and _size(move) >= 1
    ]
    ordered = sorted(moves, key=lambda one: -one[0])
    rest = [f"and {counted(len(ordered) - _MOST_TOLD, 'other')}"] if len(ordered) > _MOST_TOLD else []
    return [*(text for _, text in ordered[:_MOST_TOLD]), *rest]


def _rebased(reference: Reference, calibration: Calibration, windows: Windows) -> Calibration:
    try:
        return rebased(calibration, observe(windows, reference.watched), reference.watched)
    except ValueError as error:
        raise DataError(
            f"the new traffic is too short: {error}", next_step="give an earlier --since, or wait for more traffic"
        ) from error


def _limits(reference: Reference, calibration: Calibration | None) -> Limits | None:
    """Return by what files are judged: those that know the hour of the week by the new level's spread, which knows how short it is."""
    limits = reference.limits
    if limits is None or calibration is None or not limits.timed:
        return limits
    return replace(limits, spread=calibration.spread)


def _check_rows(reference: Reference, counts: dict[str, Counts]) -> None:
    """Raise DataError when no feature has the rows that PSI needs, which is all there is before two weeks of history."""
    needed = {feature.name: LEAST_ROWS_EACH * len(feature.bins) for feature in reference.features}
    if all(counts[name].sum() < least for name, least in needed.items()):
        rows = max(int(of.sum()) for of in counts.values())
        raise DataError(
            f"the new traffic has {counted(rows, 'request')}; a level needs {min(needed.values()):,}",
            next_step="give an earlier --since, or wait for more traffic",
        )


def _moves(before: Reference, after: Reference) -> Iterator[Move]:
    watched, old, new = before.watched, _level(before), _level(after)
    for statistic, was, is_ in zip(watched, old, new, strict=True):
        yield Move(statistic=statistic, score=0.0, limit=1.0, value=float(is_), usual=float(was), since=None)


def _level(reference: Reference) -> Floats:
    """Return the usual value of each statistic, over all hours."""
    if reference.calibration is not None:
        return np.asarray(reference.calibration.season.table.mean(axis=(0, 1)))
    return np.array([np.asarray(one.weights) @ smoothed(reference.usual[one.feature]) for one in reference.watched])


def _size(move: Move) -> float:
    """Return how far a level has moved, in what is worth telling."""
    return abs(move.value - move.usual) / (_WORTH_SHARE if move.statistic.is_share else _WORTH_LOCATION)
