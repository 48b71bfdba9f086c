"""Whether what a reference holds can be judged by: numbers that are numbers, in their ranges and shapes. Called by `drift.reference`.

A file may be edited, cut or merged by a hand or a tool; one not-a-number in it would make every score one, which never reaches a limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.batch import Limits
from atlas_ops.detect.calibration import Calibration
from atlas_ops.detect.features import Feature
from atlas_ops.detect.spread import Spread
from atlas_ops.detect.statistics import Floats
from atlas_ops.detect.windows import HORIZONS, STEP

if TYPE_CHECKING:
    from atlas_ops.drift.reference import Reference

_MOST_COUNT = 2**53
"""Greatest whole number that a float holds."""
_LEAST_TIME, _MOST_TIME = -62_135_596_800.0, 253_402_300_799.0
"""The years 1 and 9999 (Unix seconds)."""
_MOST = 1e12
"""Shares are at most 1, locations and scores some standard deviations: more is damage, and its square must not be infinite."""
_LEAST = 1e-12
"""Least variance or threshold: what is divided by."""
_MOST_EMBEDDED = 1e100


def number(value: Any, where: str, least: float = -math.inf, most: float = math.inf) -> float:
    """Return a finite number within bounds; ValueError otherwise."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not least <= value <= most:
        raise ValueError(f"{where}: expected a number{_within(least, most)}, found {_short(value)}")
    return float(value)


def whole(value: Any, where: str, most: int = _MOST_COUNT) -> int:
    """Return a whole number from 0 on; ValueError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{where}: expected a whole number from 0 to {most}, found {_short(value)}")
    return value


def text(value: Any, where: str) -> str:
    """Return a text that can be printed and published; ValueError otherwise."""
    if not isinstance(value, str):
        raise ValueError(f"{where}: expected a text, found {_short(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: expected a text in UTF-8, found {_short(value)}") from error
    return value


def moment(value: Any, where: str) -> float:
    """Return a time; ValueError otherwise."""
    return number(value, where, _LEAST_TIME, _MOST_TIME)


def threshold(value: Any, where: str) -> float:
    """Return a threshold; ValueError otherwise.

    None is one that is never reached. So is 0, of a history in which nothing had rows enough to score: nothing could be divided by it.
    """
    return math.inf if value is None or value == 0 else number(value, where, _LEAST, _MOST)


def counts(values: Any, where: str) -> NDArray[np.int64]:
    """Return a row of counts; ValueError otherwise."""
    if not isinstance(values, list):
        raise ValueError(f"{where}: expected a list of whole numbers, found {_short(values)}")
    return np.array([whole(value, f"{where}[{place}]") for place, value in enumerate(values)], dtype=np.int64)


def floats(values: Any, where: str, least: float = -_MOST, most: float = _MOST) -> Floats:
    """Return lists of numbers, in lists or not, as an array; ValueError when one is none, or they are of different lengths."""
    try:
        found = np.array(values)
    except ValueError as error:
        raise ValueError(f"{where}: expected lists of one length") from error
    if found.dtype.kind not in "if" or found.ndim == 0:
        raise ValueError(f"{where}: expected lists of numbers, found {_short(values)}")
    wrong = found[~((found >= least) & (found <= most))]
    if wrong.size:
        raise ValueError(f"{where}: expected numbers{_within(least, most)}, found {wrong.flat[0]:g}")
    return found.astype(np.float64)


def check(reference: Reference) -> None:
    """Raise ValueError, with what is wrong and where, when the parts of a reference do not fit each other."""
    if not reference.model:
        raise ValueError("model: expected a name, found none")
    if not reference.features:
        raise ValueError("features: there are none")
    _distinct((feature.name for feature in reference.features), "features")
    for feature in reference.features:
        _distinct(feature.bins, f"feature {feature.name}")
        _feature(reference, feature)
    _embeddings(reference)
    if reference.calibration is not None:
        _calibration(reference.calibration, len(reference.watched))
    if reference.limits is not None:
        _limits(reference.limits, len(reference.watched))
        if reference.limits.timed and reference.calibration is None:
            raise ValueError("limits: they are by the hour of the week, and there is no calibration")
    if reference.detector is not None and not {f.name for f in reference.features} >= set(reference.detector.features):
        raise ValueError("detector: it tests features that the reference does not have")


def _feature(reference: Reference, feature: Feature) -> None:
    """Check the counts of a feature: there has to be one for each of its bins."""
    for what, of in (("", reference.counts), ("accepted ", reference.accepted), ("weekends ", reference.weekends)):
        if of is None:
            continue
        if feature.name not in of:
            raise ValueError(f"{what.strip()}: the counts of feature {feature.name} are missing")
        _shape(of[feature.name], (len(feature.bins),), f"the {what}counts of feature {feature.name}")
    if reference.weekends is not None and (reference.weekends[feature.name] > reference.usual[feature.name]).any():
        raise ValueError(f"weekends: feature {feature.name} has more rows in them than altogether")


def _embeddings(reference: Reference) -> None:
    for one in reference.embeddings:
        where = f"embedding {one.name}"
        if one.centroids.ndim != 2 or not one.centroids.size:
            raise ValueError(f"{where}: expected centroids of one length, found the shape {one.centroids.shape}")
        floats(one.centroids, where, -_MOST_EMBEDDED, _MOST_EMBEDDED)
        made = one.values(one.centroids[:1])
        strange = [feature.name for feature in one.features if feature.name not in made]
        if strange:
            raise ValueError(f"{where}: {', '.join(strange)} cannot be made of it")


def _calibration(calibration: Calibration, watched: int) -> None:
    _shape(calibration.season.table, (2, 24, watched), "calibration.season")
    if calibration.season.added is not None:
        floats(calibration.season.added, "calibration.hours_of_week")
    _spread(calibration.spread, (len(HORIZONS), watched), "calibration")


def _limits(limits: Limits, watched: int) -> None:
    lengths = len(limits.lengths)
    if not lengths or (limits.timed and lengths != len(HORIZONS)):
        raise ValueError(f"limits.lengths: expected {len(HORIZONS)}, found {lengths}")
    if limits.timed and min(limits.lengths) < STEP:
        raise ValueError(f"limits.lengths: expected {STEP:.0f} seconds or more, found {min(limits.lengths):g}")
    _spread(limits.spread, (lengths, watched), "limits")
    for name, values in (("centre", limits.centre), ("scale", limits.scale), ("greatest", limits.greatest)):
        _shape(values, (lengths,), f"limits.{name}")
    if len(limits.parts) != lengths:
        raise ValueError(f"limits.parts: expected {lengths}, found {len(limits.parts)}")
    if any(math.isfinite(centre) and not parts for centre, parts in zip(limits.centre, limits.parts, strict=True)):
        raise ValueError("limits.parts: expected 1 or more where there is a centre, found 0")


def _spread(spread: Spread, shape: tuple[int, int], where: str) -> None:
    for name, values in (("wander", spread.wander), ("per_row", spread.per_row)):
        _shape(values, shape, f"{where}.{name}")
        floats(values, f"{where}.{name}", _LEAST)
    if spread.level is not None:
        _shape(spread.level, shape[1:], f"{where}.level")
        floats(spread.level, f"{where}.level", 0.0)


def _shape(values: NDArray[Any], shape: tuple[int, ...], where: str) -> None:
    if values.shape != shape:
        raise ValueError(f"{where}: expected {_times(shape)} numbers, found {_times(values.shape)}")


def _distinct(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{where}: {name} is there twice")
        seen.add(name)


def _times(shape: tuple[int, ...]) -> str:
    return " times ".join(map(str, shape))


def _within(least: float, most: float) -> str:
    return "" if math.isinf(least) and math.isinf(most) else f" from {least:g} to {most:g}"


def _short(value: Any) -> str:
    found = ascii(value)
    return found if len(found) <= 60 else f"{found[:59]}…"
