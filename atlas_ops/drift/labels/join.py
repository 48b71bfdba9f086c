"""Joins predictions with labels by the identifier of the request, in memory that does not grow with them. Called by `cli.drift_labels`.

An identifier that stands several times with one value counts once; with several values it is left out, since nothing says which one
holds, unless labels have times: then the latest does. All are counted, as are those without a partner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import word_of
from atlas_ops.drift.labels.side import MOST_CLASSES, PARTS, Rows, Side
from atlas_ops.drift.labels.tally import BINS, Slots, Tally
from atlas_ops.errors import DataError

_FEW = 20
"""Different whole numbers up to which labels are classes, as in `drift fit`."""


@dataclass(kw_only=True, slots=True)
class Identifiers:
    """What became of the identifiers of one side."""

    different: int = 0
    repeated: int = 0
    """Rows beyond the first of an identifier, all with its value."""
    conflicting: int = 0
    """Identifiers that are left out, because they stand with different values."""
    alone: int = 0
    """Identifiers without partner on the other side."""
    superseded: int = 0
    """Rows of labels before the latest of an identifier."""
    early: int = 0
    """Labels that are older than their predictions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """The counts, and what became of the rows."""

    tally: Tally
    predictions: Identifiers
    labels: Identifiers
    sides: tuple[Side, Side]


def join(
    predictions: Side, labels: Side, *, timed: bool, labels_timed: bool = False, kind: str | None = None
) -> Joined:
    """Join; DataError when nothing of one side is on the other. `kind` is `class` or `number`; None: by the values.

    `timed`, `labels_timed`: whether the rows of a side have times of their own.
    """
    for side in (predictions, labels):
        if not side.rows:
            raise DataError(
                f"{side.name}: it has no rows", next_step="wait for the first, or check the path or the query"
            )
        if side.span[0] > side.span[1]:
            raise DataError(
                f"{side.name}: none of its {side.rows:,} rows has an identifier, a value and a time",
                next_step="check the names of the columns",
            )
    classes = _classes(predictions, labels, kind)
    slots = Slots.of(predictions.span, timed=timed, width=3 * len(classes) or BINS)
    tally = Tally(slots=slots, classes=classes)
    codes = [_codes(side, classes) for side in (predictions, labels)]
    counted = Identifiers(), Identifiers()
    for number in range(PARTS):
        late = _latest(labels.part(number), counted[1]) if labels_timed else labels.part(number)
        sides = (_single(predictions.part(number), counted[0]), _single(late, counted[1]))
        _add(tally, sides, codes, counted, timed=timed and labels_timed)
    if not tally.labelled.sum():
        raise _strangers(predictions, labels)
    return Joined(tally=tally, predictions=counted[0], labels=counted[1], sides=(predictions, labels))


def _latest(rows: Rows, counted: Identifiers) -> Rows:
    """Return the rows of the latest time of each identifier."""
    if not len(rows):
        return rows
    rows = rows[np.lexsort((rows["at"], rows["key"]))]
    ends = np.flatnonzero(np.diff(rows["key"], append=rows["key"][-1] ^ 1))
    last = np.repeat(rows["at"][ends], np.diff(ends, prepend=-1))
    kept = rows["at"] == last
    counted.superseded += int((~kept).sum())
    return np.asarray(rows[kept])


def _single(rows: Rows, counted: Identifiers) -> Rows:
    """Return one row for each identifier, the earliest, in their order; those with different values are left out."""
    if not len(rows):
        return rows
    rows = rows[np.lexsort((rows["at"], rows["key"]))]
    starts = np.flatnonzero(np.diff(rows["key"], prepend=rows["key"][0] ^ 1))
    differing = np.minimum.reduceat(rows["value"], starts) != np.maximum.reduceat(rows["value"], starts)
    sizes = np.diff(starts, append=len(rows))
    counted.different += len(starts)
    counted.conflicting += int(differing.sum())
    counted.repeated += int((sizes[~differing] - 1).sum())
    return np.asarray(rows[starts[~differing]])


def _add(
    tally: Tally,
    sides: tuple[Rows, Rows],
    codes: list[_Codes],
    counted: tuple[Identifiers, Identifiers],
    *,
    timed: bool,
) -> None:
    predictions, labels = sides
    _, one, other = np.intersect1d(predictions["key"], labels["key"], assume_unique=True, return_indices=True)
    counted[0].alone += len(predictions) - len(one)
    counted[1].alone += len(labels) - len(other)
    if timed:
        counted[1].early += int((labels["at"][other] < predictions["at"][one]).sum())
    tally.add_predictions(predictions["at"])
    at, predicted, actual = predictions["at"][one], predictions["value"][one], labels["value"][other]
    if tally.classes:
        tally.add_classes(at, codes[0].of(predicted), codes[1].of(actual))
    else:
        tally.add_numbers(at, predicted, actual)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Codes:
    """Turns what lies on disk into places of classes."""

    known: NDArray[np.float64]
    places: NDArray[np.int64]

    def of(self, found: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.asarray(self.places[np.searchsorted(self.known, found)])


def _codes(side: Side, classes: tuple[str, ...]) -> _Codes:
    place = {name: number for number, name in enumerate(classes)}
    if not classes:
        return _Codes(known=np.zeros(0), places=np.zeros(0, dtype=np.int64))
    pairs = sorted((value, place[word]) for word, value in _words(side).items())
    known, places = zip(*pairs, strict=True)
    return _Codes(known=np.array(known, dtype=np.float64), places=np.array(places, dtype=np.int64))


def _words(side: Side) -> Mapping[str, float]:
    """Return {class: what stands for it on disk}."""
    if side.words is not None:
        return side.words
    return {str(word_of(value)): value for value in side.different}


def _classes(predictions: Side, labels: Side, kind: str | None) -> tuple[str, ...]:
    """Return the classes of both sides; none: they are numbers."""
    text = [side for side in (predictions, labels) if side.words is not None]
    if kind == "number" and text:
        raise DataError(f"{text[0].name}: column {text[0].column} holds text", next_step="leave --kind number out")
    few = all(_is_few(side) for side in (predictions, labels))
    if kind == "number" or not (text or few or kind == "class"):
        _check_scores(predictions, labels, kind)
        return ()
    for side in (predictions, labels):
        if side.words is None and len(side.different) > MOST_CLASSES:
            raise DataError(
                f"{side.name}: column {side.column} has more than {MOST_CLASSES:,} different numbers, which are no classes",
                next_step="name a column of classes, or turn scores into classes with --threshold",
            )
    found = sorted({*_words(predictions), *_words(labels)})
    if not _words(predictions).keys() & _words(labels).keys():
        raise DataError(
            f"columns {predictions.column} and {labels.column} share no class: they hold {len(_words(predictions))} and "
            f"{len(_words(labels))} different ones",
            next_step="write classes in one way on both sides (1 and yes are two classes)",
        )
    return tuple(found)


def _is_few(side: Side) -> bool:
    return len(side.different) <= _FEW and all(value.is_integer() for value in side.different)


def _check_scores(predictions: Side, labels: Side, kind: str | None) -> None:
    if kind is None and labels.different <= {0.0, 1.0}:
        raise DataError(
            f"column {labels.column} holds 0 and 1, and {predictions.column} of {predictions.name} other numbers",
            next_step="turn scores into classes with --threshold, such as --threshold 0.5, or say --kind number",
        )


def _strangers(predictions: Side, labels: Side) -> DataError:
    like = " and ".join(f"the first of {side.name} is {side.like}" for side in (predictions, labels))
    return DataError(
        f"no identifier is on both sides: {like}", next_step="check --key and --label-key, and how they are written"
    )
