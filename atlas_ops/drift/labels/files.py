"""Predictions or labels out of files of any kind that `drift fit` reads. Called by `cli.drift_labels`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from atlas_ops.drift.labels.side import Columns
from atlas_ops.drift.reading.files import find
from atlas_ops.errors import DataError


class Files:
    """A file or a folder of files; DataError when it lacks a column."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.name = str(path)
        self._files = find([path], exact=(columns.key,), secret=True)
        kinds = self._files[0].kinds
        missing = [name for name in columns.all if name not in kinds]
        if missing:
            raise DataError(
                f"{self._files[0].path}: no column is called {', '.join(missing)}",
                next_step=f"it has {', '.join(kinds)}",
            )

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns in batches of rows; DataError, without any value, where they cannot be read."""
        for file in self._files:
            yield from file.batches(columns)
