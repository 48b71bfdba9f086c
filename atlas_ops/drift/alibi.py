"""Detectors of alibi-detect, run by the same commands. The only module that imports it: an extra, `atlas-ops[alibi]`.

Called by `atlas-ops drift fit --detector alibi:NAME` and `drift check`. Signatures and results are those of alibi-detect 0.12 and
0.13. Its own saving and loading are not used at all: they unpickle whatever the files name. NaN makes its p-values NaN, which it takes
for no drift; a category that neither side has makes its chi-square test fail: rows with missing numbers are left out here, and
categories are numbered by those that there are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from atlas_ops.detect.features import Category, Feature, Numeric
from atlas_ops.detect.move import Move
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.drift import rows as stored
from atlas_ops.drift.check import Compared, Verdict
from atlas_ops.drift.reference import Detector, Reference
from atlas_ops.drift.standing import Standing
from atlas_ops.errors import DataError, EnvironmentProblem, UsageError

PREFIX = "alibi:"
LICENCE = """\
alibi-detect is not part of atlas-ops, and since 0.11.5 its licence is the Business Source License 1.1: use in production needs a licence
from Seldon Technologies; without one it is for tests, development and comparison alone. Its own load_detector() executes whatever
code lies in the files that it is given, so never load its artefacts from elsewhere; atlas-ops does not use it, and keeps a
sample of your rows beside the reference instead."""
ACCEPT = "--accept-alibi-licence"
FEWEST_ROWS = 200
"""Live rows from which on KSDrift with 20 features and p = 0.01 sees half a standard deviation (40 of 40 trials; 19 of 40 with 60 rows)."""
_SMALLEST = 1e-45
"""Below, its p-values (32-bit floats) are 0."""
_NUMBERS, _CATEGORIES, _PAIRS = "numbers", "categories", "categories with two values"
DETECTORS = {
    "KSDrift": (_NUMBERS,),
    "CVMDrift": (_NUMBERS,),
    "ChiSquareDrift": (_CATEGORIES,),
    "TabularDrift": (_NUMBERS, _CATEGORIES),
    "FETDrift": (_PAIRS,),
}
"""{name: features that it can test}. The others need PyTorch or TensorFlow, and most a model of one's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the user chose."""

    name: str
    p_value: float


def choice(text: str, p_value: float, *, accepted: bool) -> Choice:
    """Return the choice; UsageError when it is none of ours, or the licence is not accepted."""
    name = text.removeprefix(PREFIX)
    if not text.startswith(PREFIX) or name not in DETECTORS:
        raise UsageError(
            f"--detector: found {text!r}",
            next_step=f"expected one of {', '.join(PREFIX + known for known in DETECTORS)}",
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
        raise UsageError(LICENCE, next_step=f"if that is all right, give {ACCEPT}")


def tested(name: str, reference: Reference, rows: Floats) -> tuple[str, ...]:
    """Return the features that a detector tests; DataError when there is none."""
    kinds = DETECTORS[name]
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
        [f"{chosen.name} tests {' and '.join(DETECTORS[chosen.name])}; not tested: {', '.join(left)}"] if left else []
    )
    return replace(made, detector=detector, notes=(*made.notes, note, *others))


def judged(verdict: Verdict, reference: Reference, path: Path, live: Floats) -> Verdict:
    """Return the verdict of the reference's detector on live rows; what our own comparison found stays as the explanation."""
    detector = reference.detector
    if detector is None:
        raise ValueError("the reference has no detector")
    before = stored.read(path.with_name(detector.rows_file), detector.sha256, len(reference.features))
    names = [feature.name for feature in reference.features]
    places = [names.index(name) for name in detector.features]
    features = [reference.features[place] for place in places]
    numbers = [place for place, feature in zip(places, features, strict=True) if isinstance(feature, Numeric)]
    whole = np.isfinite(live[:, numbers]).all(axis=1)
    then, now = before[np.isfinite(before[:, numbers]).all(axis=1)][:, places], live[whole][:, places]
    left = int((~whole).sum())
    notes = (
        [f"{left:,} of {len(live):,} sampled rows have a missing number and are left out of {detector.name}"]
        if left
        else []
    )
    if len(now) < FEWEST_ROWS or len(then) < FEWEST_ROWS:
        short = "live" if len(now) < FEWEST_ROWS else "reference"
        why = f"too few {short} rows without a missing number for {detector.name}"
        return _silent(verdict, why, notes, 0 if short == "reference" else FEWEST_ROWS)
    found = _predicted(detector, features, then, now)
    compared = tuple(
        sorted((_compared(one, found, detector) for one in verdict.features), key=lambda one: -one.nearness)
    )
    moved = sum(1 for p_value in found.p_values.values() if p_value < found.threshold)
    drift = found.drift
    why = (
        f"{moved} of {len(found.p_values)} features differ by {detector.name} (p below {found.threshold:.3g})"
        if drift
        else f"no feature differs by {detector.name} (p below {found.threshold:.3g}), in {len(now):,} rows"
    )
    standing = Standing.DRIFT if drift else Standing.NO_DRIFT
    said = f"{detector.name} takes every row for independent of the others, and knows no hour of the week: the more rows, the more it finds"
    return replace(
        verdict,
        standing=standing,
        why=why,
        needed=0,
        needed_hours=0.0,
        features=compared,
        notes=(*verdict.notes, *notes, said),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What a detector says: for each feature its p-value, below which threshold is drift, and whether it calls that drift."""

    p_values: dict[str, float]
    threshold: float
    drift: bool


def _predicted(detector: Detector, features: Sequence[Feature], then: Floats, now: Floats) -> _Found:
    categories = [place for place, feature in enumerate(features) if isinstance(feature, Category)]
    then, now = then.copy(), now.copy()
    sizes = {}
    for place in categories:
        known, codes = np.unique(np.concatenate([then[:, place], now[:, place]]), return_inverse=True)
        then[:, place], now[:, place] = np.split(codes, [len(then)])
        sizes[place] = len(known)
        if detector.name == "FETDrift" and len(known) > 2:
            raise DataError(
                f"column {features[place].name} has more than two values now, and {detector.name} tests two",
                next_step="choose alibi:ChiSquareDrift",
            )
    options: dict[str, Any] = {"p_val": detector.p_value}
    if detector.name in ("ChiSquareDrift", "TabularDrift") and sizes:
        options["categories_per_feature"] = sizes
    if detector.name == "FETDrift":
        options["alternative"] = "two-sided"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the many packages that it imports
        said = getattr(_module(), detector.name)(then, **options).predict(now)["data"]
    p_values = [float(one) for one in np.atleast_1d(said["p_val"])]
    named = dict(zip((feature.name for feature in features), p_values, strict=True))
    return _Found(p_values=named, threshold=float(said["threshold"]), drift=bool(said["is_drift"]))


def _module() -> Any:
    try:
        from alibi_detect import cd  # noqa: PLC0415 - 250 MB of memory
    except ImportError as error:
        raise EnvironmentProblem(
            f"alibi-detect cannot be imported: {error}", next_step="pip install 'atlas-ops[alibi]'"
        ) from error
    return cd


def _compared(one: Compared, found: _Found, detector: Detector) -> Compared:
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


def _silent(verdict: Verdict, why: str, notes: Sequence[str], needed: int) -> Verdict:
    return replace(
        verdict,
        standing=Standing.CANNOT_TELL,
        why=why,
        needed=needed,
        needed_hours=0.0,
        features=(),
        notes=(*verdict.notes, *notes),
    )


def _kind(feature: Feature, column: Floats) -> set[str]:
    if isinstance(feature, Numeric):
        return {_NUMBERS}
    return {_CATEGORIES, _PAIRS} if len(np.unique(column)) == 2 else {_CATEGORIES}
