"""Reads of a reference (`atlas-ops drift fit`) what counting needs, without numpy: bins, counts and embeddings. Called by `features`."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from atlas_ops.errors import ConfigError, EnvironmentProblem
from atlas_ops.instrument.bins import Bins, Numbers, Words

FORMAT, VERSION = "atlas-ops drift reference", 1
MOST_BYTES = 64 * 1024 * 1024
"""A larger file is none of ours: real ones have some hundred kilobytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedding:
    """An embedding whose features are counted for it: `<name>.topic`, `<name>.distance` and others."""

    seed: int
    centroids: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """What a server counts by."""

    model: str
    bins: Mapping[str, Bins]
    """{feature: its bins}."""
    counts: Mapping[str, tuple[int, ...]]
    """{feature: rows of the reference in each bin}."""
    embeddings: Mapping[str, Embedding]

    def shares(self, feature: str) -> tuple[float, ...]:
        """Return the share of each bin, half a row added to each: none is 0."""
        counts = self.counts[feature]
        total = sum(counts) + 0.5 * len(counts)
        return tuple((count + 0.5) / total for count in counts)


def read(path: Path, *, model: str = "") -> Reference:
    """Read a file; EnvironmentProblem when that cannot be done, ConfigError when it is none of ours, or of another `model`."""
    try:
        size, text = path.stat().st_size, path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be read: {error.strerror}", next_step="check the path") from error
    if size > MOST_BYTES:
        raise _wrong(path, f"it has {size} bytes, more than any reference")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"it is not JSON: {error}") from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise _wrong(path, f"expected a file whose `format` is {FORMAT!r}, found {found!r}")
    if document.get("version") != VERSION:
        raise _wrong(path, f"its version is {document.get('version')!r}; this atlas-ops reads version {VERSION}")
    try:
        reference = _reference(document)
    except (KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
        raise _wrong(path, f"it is damaged: {type(error).__name__}: {error}") from error
    if model and reference.model != model:
        raise _wrong(path, f"it is the reference of the model {reference.model!r}, not of {model!r}")
    return reference


def _wrong(path: Path, mistake: str) -> ConfigError:
    return ConfigError(str(path), [mistake], next_step="make the reference again with `atlas-ops drift fit`")


def _reference(document: dict[str, Any]) -> Reference:
    bins = {str(entry["name"]): _bins(entry) for entry in document["features"]}
    counts = {str(entry["name"]): tuple(map(int, entry["counts"])) for entry in document["features"]}
    for name, feature in bins.items():
        if len(counts[name]) != len(feature.labels) or min(counts[name]) < 0:
            raise ValueError(f"the counts of {name} do not fit its bins")
        "".join((name, *feature.labels)).encode()  # a page of metrics is UTF-8
    return Reference(
        model=str(document["model"]),
        bins=bins,
        counts=counts,
        embeddings={
            str(entry["name"]): Embedding(
                seed=int(entry["seed"]), centroids=tuple(tuple(map(float, row)) for row in entry["centroids"])
            )
            for entry in document["embeddings"]
        },
    )


def _bins(entry: dict[str, Any]) -> Bins:
    if entry["kind"] == "number":
        edges = tuple(map(float, entry["edges"]))
        if len(edges) < 2 or any(not low < high for low, high in pairwise(edges)):
            raise ValueError(f"the edges of {entry['name']} do not rise")
        return Numbers(edges)
    known = None if entry["known"] is None else base64.b64decode(entry["known"], validate=True)
    hashes = None if known is None else frozenset(hash_ for (hash_,) in struct.iter_unpack("<I", known))
    return Words({str(name): place for place, name in enumerate(entry["names"])}, hashes)
