"""Decides what each column becomes: a number, a category, an embedding, or nothing, and says so. Called by `drift.fit`.

Numbers with at most 20 different values, all of them whole, are categories, as are text and yes-or-no; other numbers get bins of equal
shares. Text that hardly ever repeats is an identifier or prose, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlas_ops.detect.embedding import Embedding, embedding
from atlas_ops.detect.features import LONGEST_NAME, OTHER, Category, Feature, category, numeric
from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.reading import values
from atlas_ops.drift.reading.kinds import Kind
from atlas_ops.drift.survey import Range, Survey
from atlas_ops.errors import DataError

FEW = 20
"""Different whole numbers up to which a column of numbers is one of categories."""
_LEAST_REPEATED = 0.1
"""Share of the rows that the 20 most frequent words of a text have to cover."""
_SEED = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """What is watched, and in sentences what is not and why."""

    features: tuple[Feature, ...]
    embeddings: tuple[Embedding, ...]
    notes: tuple[str, ...]


def choose(kinds: Mapping[str, Kind], found: Survey, columns: Sequence[str]) -> Chosen:
    """Return what becomes of these columns."""
    features: list[Feature] = []
    embeddings: list[Embedding] = []
    notes: list[str] = []
    for name in columns:
        made = _of_column(name, kinds[name], found)
        if isinstance(made, str):
            notes.append(f"column {name} is not watched: {made}")
        elif isinstance(made, Embedding):
            embeddings.append(made)
            features.extend(made.features)
        else:
            features.append(made)
        notes.extend(_cut(name, made, found))
    _check_names(features, embeddings)
    return Chosen(features=tuple(features), embeddings=tuple(embeddings), notes=tuple(notes))


def _cut(name: str, made: Feature | Embedding | str, found: Survey) -> Iterator[str]:
    """Tell that long words have no bin of their own."""
    words = [] if not isinstance(made, Category) else values.words(_sampled(found, name))[0]
    if any(word and len(word) > LONGEST_NAME for word in words):
        yield f"column {name}: values of more than {LONGEST_NAME} characters count as {OTHER}"


def _check_names(features: Sequence[Feature], embeddings: Sequence[Embedding]) -> None:
    """Raise DataError when a column is called like a feature that is made of an embedding."""
    names = [feature.name for feature in features]
    for one in embeddings:
        twice = [feature.name for feature in one.features if names.count(feature.name) > 1]
        if twice:
            raise DataError(
                f"column {twice[0]} is called like a feature that is made of the embedding {one.name}",
                next_step="rename one of the two columns, or leave one out with --columns",
            )


def _of_column(name: str, kind: Kind, found: Survey) -> Feature | Embedding | str:
    """Return what a column becomes, or why nothing."""
    if kind is Kind.NUMBER:
        return _number(name, values.numbers(_sampled(found, name)), found.ranges.get(name))
    if kind is Kind.TEXT:
        return _text(name, _sampled(found, name))
    if kind is Kind.YES_NO:
        return category(name, _sampled(found, name).to_pylist()) or "all its values are missing"
    if kind is Kind.VECTOR:
        return _vector(name, _sampled(found, name))
    if kind is Kind.TIME:
        return "it holds times (name it with --time if rows are to be told by it)"
    return f"it holds {kind.value}"


def _sampled(found: Survey, name: str) -> pa.Array:
    return found.sample.column(name).combine_chunks()


def _number(name: str, sample: Floats, span: Range | None) -> Feature | str:
    if span is None:
        return "all its values are missing or infinite"
    if span[0] == span[1]:
        return f"it is constant ({span[0]:g})"
    finite = sample[np.isfinite(sample)]
    different = np.unique(np.append(finite, span))
    if len(different) <= FEW and bool((different == np.floor(different)).all()):
        return category(name, np.append(finite, span)) or "all its values are missing"
    return numeric(name, np.append(finite, span)) or "it is constant"


def _text(name: str, sample: pa.Array) -> Feature | str:
    tally = pc.value_counts(sample.drop_null())
    times = np.sort(np.asarray(tally.field("counts")))[::-1]
    rows, different = int(times.sum()), len(times)
    if rows == 0:
        return "all its values are missing"
    if different > FEW and (times[:FEW].sum() < _LEAST_REPEATED * rows or different > rows / 2):
        return f"it looks like an identifier or prose: {different:,} different values in {rows:,} rows"
    made = category(name, sample.to_pylist())
    return made if made and made.names else f"all its values have more than {LONGEST_NAME} characters"


def _vector(name: str, sample: pa.Array) -> Embedding | str:
    found = values.lengths(sample)
    lengths = np.unique(found[found > 0]).tolist()
    if len(lengths) != 1:
        return (
            f"its lists have {len(lengths)} different lengths; an embedding has one"
            if lengths
            else "all its values are missing or empty lists"
        )
    return (
        embedding(name, values.vectors(sample, lengths[0]), seed=_SEED) or "its vectors are all missing or all the same"
    )
