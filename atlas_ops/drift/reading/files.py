"""Opens data files and hands out their rows in batches. Called by `drift.survey`, `drift.fit` and `drift.live`.

One file is one part: parts are read on their own, on one machine or many. Whole numbers of CSV and JSON are read as floats, so
that a decimal point in the millionth row is no error; identifiers, which have more digits than a float, are read as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.json
import pyarrow.parquet

from atlas_ops.drift.reading.kinds import Kind, kind
from atlas_ops.errors import DataError

ENDINGS = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv", ".csv.gz": "csv",
    ".jsonl": "json", ".ndjson": "json", ".json": "json", ".jsonl.gz": "json", ".ndjson.gz": "json",
}  # fmt: skip
ROWS = 65_536
"""Rows of a batch: large enough that a batch costs little, small enough for a few megabytes."""
_BLOCK = 8 * 1024 * 1024
"""Bytes of CSV or JSON that are parsed at a time; the first of them tell the types."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One data file; `kinds` are its columns in their order."""

    path: Path
    form: str
    kinds: Mapping[str, Kind]
    exact: tuple[str, ...] = ()
    """Columns that are read as they are written: no whole number becomes a float, and of CSV everything is text."""
    secret: bool = False
    """Whether no message may hold a value of the file."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows in their order; DataError, with file and row, where they cannot be read."""
        try:
            yield from self._batches(list(columns))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _unreadable(self.path, self.form, error, secret=self.secret) from (None if self.secret else error)

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        if self.form != "parquet":
            dataset = _dataset(self.path, self.form, self.exact)
            yield from dataset.scanner(
                columns=columns, batch_size=ROWS, batch_readahead=2, fragment_readahead=1
            ).to_batches()
            return
        # Not by a scanner: of Parquet it reads as much ahead as there is, when the rows are taken slowly.
        with pyarrow.parquet.ParquetFile(self.path) as file:
            yield from file.iter_batches(batch_size=ROWS, columns=columns)


def find(paths: Sequence[Path], *, exact: Sequence[str] = (), secret: bool = False) -> tuple[File, ...]:
    """Return the data files that paths name, those of a folder by name, all with the same columns; DataError otherwise."""
    found = [file for path in paths for file in _inside(path)]
    files = tuple(open_file(path, exact=exact, secret=secret) for path in found)
    for place, file in enumerate(files[1:], start=1):
        _same(files[0].path, kinds_of(files[:place]), file)
    return files


def kinds_of(files: Sequence[File]) -> Mapping[str, Kind]:
    """Return the kind of each column; one that is empty in a file is of the kind that it has in others."""
    found: dict[str, Kind] = {}
    for file in files:
        found |= {name: of for name, of in file.kinds.items() if found.get(name, Kind.EMPTY) is Kind.EMPTY}
    return found


def open_file(path: Path, *, exact: Sequence[str] = (), secret: bool = False) -> File:
    """Open one file; DataError when it is of no known form, damaged or empty."""
    form = _form(path)
    if form is None:
        raise DataError(
            f"{path}: its ending is none that is known", next_step=f"name a file that ends in {', '.join(ENDINGS)}"
        )
    try:
        schema = _dataset(path, form, exact).schema
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, form, error, secret=secret) from (None if secret else error)
    twice = {name for name in schema.names if schema.names.count(name) > 1}
    if twice:
        raise DataError(f"{path}: two columns are called {sorted(twice)[0]!r}", next_step="rename one of them")
    kinds = {field.name: kind(field.type) for field in schema}
    return File(path=path, form=form, kinds=kinds, exact=tuple(exact), secret=secret)


def _form(path: Path) -> str | None:
    name = path.name.lower()
    return next((form for ending, form in ENDINGS.items() if name.endswith(ending)), None)


def _inside(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder", next_step="check the path")
    found = [one for one in sorted(path.rglob("*")) if one.is_file() and _form(one) and not _hidden(one, path)]
    if not found:
        raise DataError(
            f"{path}: no data file in this folder", next_step=f"known endings are {', '.join(dict.fromkeys(ENDINGS))}"
        )
    return found


def _hidden(path: Path, folder: Path) -> bool:
    """Say whether a part of the path begins with . or _: writers keep their own notes in such files."""
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def _same(first: Path, kinds: Mapping[str, Kind], other: File) -> None:
    mistakes = [
        f"{name}: {kind.value} there, {other.kinds[name].value if name in other.kinds else 'missing'} here"
        for name, kind in kinds.items()
        if other.kinds.get(name) is not kind
        and (name not in other.kinds or Kind.EMPTY not in (kind, other.kinds[name]))
    ]
    mistakes += [f"{name}: not there, {kind.value} here" for name, kind in other.kinds.items() if name not in kinds]
    if mistakes:
        raise DataError(
            f"{other.path}: its columns are not those of {first}: {'; '.join(mistakes)}",
            next_step="give files of one kind, or make a reference for each",
        )


def _dataset(path: Path, form: str, exact: Sequence[str] = ()) -> Any:
    if form == "parquet":
        return pyarrow.dataset.dataset(str(path), format="parquet")
    if path.stat().st_size == 0:
        raise pa.ArrowInvalid("the file is empty")
    schema = pyarrow.dataset.dataset(str(path), format=_text_format(form)).schema
    wide = pa.schema([pa.field(field.name, _read_as(field, form, exact)) for field in schema])
    if form == "csv" and any(pa.types.is_binary(field.type) for field in wide):
        raise pa.ArrowInvalid("invalid UTF8 data")
    for place, field in enumerate(wide):
        if pa.types.is_null(field.type):
            wide = wide.set(place, field.with_type(_later(path, form, wide, place)))
    return pyarrow.dataset.dataset(str(path), format=_text_format(form, wide), schema=wide)


def _text_format(form: str, schema: pa.Schema | None = None) -> Any:
    if form == "json":
        return pyarrow.dataset.JsonFileFormat(
            read_options=pyarrow.json.ReadOptions(block_size=_BLOCK),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
            if schema
            else None,
        )
    return pyarrow.dataset.CsvFileFormat(
        read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={field.name: field.type for field in schema} if schema else None, strings_can_be_null=True
        ),
    )


def _read_as(field: pa.Field, form: str, exact: Sequence[str]) -> pa.DataType:
    if field.name in exact:
        return pa.string() if form == "csv" or pa.types.is_null(field.type) else field.type
    return _wide(field.type)


def _later(path: Path, form: str, schema: pa.Schema, place: int) -> pa.DataType:
    """Return the type of a column without values in the first block: what all of it can be read as."""
    field = schema.field(place)
    for of in (pa.null(), pa.float64()):
        tried = schema.set(place, field.with_type(of))
        dataset = pyarrow.dataset.dataset(str(path), format=_text_format(form, tried), schema=tried)
        with suppress(pa.ArrowInvalid):
            for _ in dataset.scanner(columns=[field.name], batch_readahead=2, fragment_readahead=1).to_batches():
                pass
            return of
    return pa.string()


def _wide(of: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(of):
        return pa.float64()
    if pa.types.is_list(of) and pa.types.is_integer(of.value_type):
        return pa.list_(pa.float64())
    return of


def _unreadable(path: Path, form: str, error: Exception, *, secret: bool) -> DataError:
    if isinstance(error, UnicodeDecodeError) or "invalid UTF8" in str(error):
        return DataError(f"{path}: it is not written in UTF-8", next_step="convert it: iconv -f LATIN1 -t UTF-8")
    words = (
        str(error).rsplit("Invalid: ", 1)[-1].rsplit("?: ", 1)[-1]
    )  # without Arrow's preface, which names the file twice
    if form == "json":
        words = re.sub(r" in row \d+", "", words)  # counted from the beginning of a block, not of the file
    if secret:
        words = re.sub(r"(, got \d+): .*", r"\1", re.sub("'.*'", "'...'", words, flags=re.DOTALL), flags=re.DOTALL)
    return DataError(f"{path}: it cannot be read as {form}: {words.strip()}", next_step=_ADVICE[form])


_ADVICE = {
    "parquet": "was it written to its end? copy it again",
    "csv": "every row needs as many fields as the head line, and a column values of one kind; mend the row",
    "json": "expected one JSON object on each line, with values of one kind for each key; mend the line",
}
