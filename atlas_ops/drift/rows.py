"""A random sample of rows as numbers, for detectors that want rows and not counts: taken, kept beside a reference, and read again.

Called by `drift.alibi`. What is kept is an array of floats in NumPy's own format, read without pickle, and only when its SHA-256 is the
one that the reference has: nothing that somebody else wrote is opened.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from atlas_ops.detect.features import Numeric
from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.counting import Counting, places
from atlas_ops.drift.reading import values
from atlas_ops.drift.reading.files import File
from atlas_ops.drift.survey import merge, survey
from atlas_ops.errors import DataError

_MOST_BYTES = 256 * 1024 * 1024
"""Twenty thousand rows of a thousand features have 160 MB."""


def sample(files: Sequence[File], counting: Counting, told: Callable[[int], None]) -> Floats:
    """Return up to 20,000 rows, shape (rows, features): numbers as they are, categories as the place of their bin."""
    parts = [survey(file, place, counting.columns, None, told) for place, file in enumerate(files)]
    found = parts[0]
    for part in parts[1:]:
        found = merge(found, part)
    if not found.rows:
        return np.zeros((0, len(counting.features)))
    batch = found.sample.combine_chunks().to_batches()[0]
    columns = zip(counting.features, counting.feature_columns(batch), strict=True)
    return np.column_stack(
        [
            values.numbers(column) if isinstance(feature, Numeric) else places(feature, column)
            for feature, column in columns
        ]
    ).astype(np.float64)


def write(rows: Floats, path: Path) -> str:
    """Write the rows, and return the SHA-256 of the file."""
    packed = io.BytesIO()
    np.savez_compressed(packed, rows=rows)
    path.write_bytes(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()


def read(path: Path, sha256: str, features: int) -> Floats:
    """Return the rows; DataError when the file is missing or is not the one that was written with the reference."""
    again = "make the reference again with `atlas-ops drift fit`, and keep both files together"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} has more bytes than any rows of a reference", next_step=again)
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}, the rows of the reference, cannot be read: {error.strerror}", next_step=again
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            f"{path} is not the file that was written with the reference (its SHA-256 differs)", next_step=again
        )
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            rows = np.asarray(stored["rows"], dtype=np.float64)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} holds no rows: {error}", next_step=again) from error
    if rows.ndim != 2 or rows.shape[1] != features:
        raise DataError(f"{path} holds an array of shape {rows.shape}, not of {features} features", next_step=again)
    return rows
