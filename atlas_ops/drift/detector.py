"""A detector of another package that decides in place of a reference's own limits: chosen, kept with rows, and its verdict.

Called by `atlas-ops drift fit --detector alibi:NAME` and by `drift check`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from atlas_ops.detect.features import Feature, Numeric
from atlas_ops.detect.move import Move
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.drift import alibi
from atlas_ops.drift import rows as stored
from atlas_ops.drift.check import Compared, Verdict
from atlas_ops.drift.reference import Detector, Reference
from atlas_ops.drift.standing import Standing
from atlas_ops.errors import DataError, UsageError

PREFIX = "alibi:"
FEWEST_ROWS = 200
"""Live rows from which on KSDrift with 20 features and p = 0.01 sees half a standard deviation (40 of 40 trials; 19 of 40 with 60 rows)."""
_SMALLEST = 1e-45
"""Below, its p-values (32-bit floats) are 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the user chose."""

    name: str
    p_value: float


def choice(text: str, p_value: float, *, accepted: bool) -> Choice:
    """Return the choice; UsageError when it is none of ours, or the licence is not accepted."""
    name = text.removeprefix(PREFIX)
    if not text.startswith(PREFIX) or name not in alibi.DETECTORS:
        raise UsageError(
            f"--detector: found {text!r}",
            next_step=f"expected one of {', '.join(PREFIX + known for known in alibi.DETECTORS)}",
        )
    if not 0 < p_value < 1:
        raise UsageError(
            f"--p-value: found {p_value:g}, expected more than 0 and less than 1", next_step="such as 0.05"
        )
    agree(accepted)
    return Choice(name=name, p_value=p_value)


def agree(accepted: bool) -> None:
    """Raise UsageError, with what the licence says, unless it is accepted."""
    if not accepted:
        raise UsageError(alibi.LICENCE, next_step=f"if that is all right, give {alibi.ACCEPT}")


def tested(name: str, reference: Reference, rows: Floats) -> tuple[str, ...]:
    """Return the features that a detector tests; DataError when there is none."""
    kinds = alibi.DETECTORS[name]
    found = tuple(
        feature.name for place, feature in enumerate(reference.features) if _kind(feature, rows[:, place]) & set(kinds)
    )
    if not found:
        raise DataError(
            f"{name} tests {' and '.join(kinds)}, and no feature is such", next_step="choose another detector"
        )
    return found


def kept(made: Reference, chosen: Choice, rows: Floats, output: Path) -> Reference:
    """Write the rows beside the reference, and return it with the detector in it."""
    features = tested(chosen.name, made, rows)
    path = output.with_name(f"{output.stem}.rows.npz")
    left = [feature.name for feature in made.features if feature.name not in features]
    detector = Detector(
        name=chosen.name,
        p_value=chosen.p_value,
        features=features,
        rows_file=path.name,
        sha256=stored.write(rows, path),
    )
    note = f"judged by alibi-detect's {chosen.name}: {len(rows):,} of your rows lie in {path.name}, which has to stay beside this file"
    others = (
        [f"{chosen.name} tests {' and '.join(alibi.DETECTORS[chosen.name])}; not tested: {', '.join(left)}"]
        if left
        else []
    )
    return replace(made, detector=detector, notes=(*made.notes, note, *others))


def judged(verdict: Verdict, reference: Reference, path: Path, live: Floats) -> Verdict:
    """Return the verdict of the reference's detector on live rows; what our own comparison found stays as the explanation."""
    detector = reference.detector
    if detector is None:
        raise ValueError("the reference has no detector")
    names = [feature.name for feature in reference.features]
    places = [names.index(name) for name in detector.features]
    features = [reference.features[place] for place in places]
    kept = stored.read(path.with_name(detector.rows_file), detector.sha256, len(reference.features))
    then, now = (_whole(rows[:, places], features) for rows in (kept, live))
    verdict = replace(verdict, notes=(*verdict.notes, *_left_out(detector, len(live), len(live) - len(now))))
    for which, rows, needed in (("live", now, FEWEST_ROWS), ("reference", then, 0)):
        if len(rows) < FEWEST_ROWS:
            return _silent(verdict, f"too few {which} rows without a missing number for {detector.name}", needed)
    return _told(verdict, detector, alibi.predicted(detector, features, then, now), len(now))


def _whole(rows: Floats, features: Sequence[Feature]) -> Floats:
    """Return the rows in which no number is missing or infinite."""
    numbers = [place for place, feature in enumerate(features) if isinstance(feature, Numeric)]
    return np.asarray(rows[np.isfinite(rows[:, numbers]).all(axis=1)])


def _left_out(detector: Detector, rows: int, left: int) -> Iterator[str]:
    if left:
        yield f"{left:,} of {rows:,} sampled rows have a missing number and are left out of {detector.name}"


def _told(verdict: Verdict, detector: Detector, found: alibi.Found, rows: int) -> Verdict:
    """Return the verdict with what the detector found in so many rows in place of our own."""
    moved = sum(1 for p_value in found.p_values.values() if p_value < found.threshold)
    limit = f"(p below {found.threshold:.3g})"
    drift = f"{moved} of {len(found.p_values)} features differ by {detector.name} {limit}"
    none = f"no feature differs by {detector.name} {limit}, in {rows:,} rows"
    compared = (_compared(one, found, detector) for one in verdict.features)
    said = f"{detector.name} takes every row for independent of the others, and knows no hour of the week: the more rows, the more it finds"
    return replace(
        verdict,
        standing=Standing.DRIFT if found.drift else Standing.NO_DRIFT,
        why=drift if found.drift else none,
        needed=0,
        needed_span=0.0,
        needed_hours=0.0,
        features=tuple(sorted(compared, key=lambda one: -one.nearness)),
        notes=(*verdict.notes, said),
    )


def _compared(one: Compared, found: alibi.Found, detector: Detector) -> Compared:
    """Return a feature with the detector's p-value in place of our own movements."""
    p_value = found.p_values.get(one.feature.name)
    if p_value is None:
        return replace(one, nearness=0.0, moves=())
    score, limit = (-math.log10(max(value, _SMALLEST)) for value in (p_value, found.threshold))
    move = Move(
        statistic=Statistic(feature=one.feature.name, name=f"p-value of {detector.name}", weights=()),
        score=score,
        limit=limit,
        value=p_value,
        usual=found.threshold,
        since=None,
    )
    return replace(one, nearness=score / limit, moves=(move,) if p_value < found.threshold else ())


def _silent(verdict: Verdict, why: str, needed: int) -> Verdict:
    return replace(
        verdict,
        standing=Standing.CANNOT_TELL,
        why=why,
        needed=needed,
        needed_span=0.0,
        needed_hours=0.0,
        features=(),
    )


def _kind(feature: Feature, column: Floats) -> set[str]:
    if isinstance(feature, Numeric):
        return {alibi.NUMBERS}
    return {alibi.CATEGORIES, alibi.PAIRS} if len(np.unique(column)) == 2 else {alibi.CATEGORIES}
