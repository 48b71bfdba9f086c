"""Reads of a reference (`atlas-ops drift fit`) what counting needs, without numpy: bins, counts and embeddings. Called by `features`."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from atlas_ops import reference_file
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.instrument.bins import Bins, Numbers, Words


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
    shares: Mapping[str, tuple[float, ...]]
    """{feature: share of each bin, half a row added to each, so that none is 0}."""
    usual: Mapping[str, tuple[float, ...]]
    """The same, or those of the traffic that somebody has accepted instead (`drift accept`)."""
    embeddings: Mapping[str, Embedding]


def read(path: Path, *, model: str = "") -> Reference:
    """Read a file; EnvironmentProblem when that cannot be done, ConfigError when it is none of ours, or of another `model`."""
    try:
        document = reference_file.load(path, model=model)
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be read: {error.strerror}", next_step="check the path") from error
    try:
        return _reference(document)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, struct.error) as error:
        raise reference_file.damaged(path, error) from error


def _reference(document: dict[str, Any]) -> Reference:
    bins = {str(entry["name"]): _bins(entry) for entry in document["features"]}
    shares = {str(entry["name"]): _shares(bins[str(entry["name"])], entry["counts"]) for entry in document["features"]}
    accepted = document.get("accepted") or {}
    for name, feature in bins.items():
        "".join((name, *feature.labels)).encode()  # a page of metrics is UTF-8
    return Reference(
        model=str(document["model"]),
        bins=bins,
        shares=shares,
        usual=shares | {name: _shares(bins[name], counts) for name, counts in accepted.items()},
        embeddings={
            str(entry["name"]): Embedding(
                seed=int(entry["seed"]), centroids=tuple(tuple(map(float, row)) for row in entry["centroids"])
            )
            for entry in document["embeddings"]
        },
    )


def _shares(bins: Bins, counts: Sequence[int]) -> tuple[float, ...]:
    if len(counts) != len(bins.labels) or min(counts) < 0:
        raise ValueError(f"{len(counts)} counts do not fit {len(bins.labels)} bins")
    total = sum(counts) + 0.5 * len(counts)
    return tuple((count + 0.5) / total for count in counts)


def _bins(entry: dict[str, Any]) -> Bins:
    if entry["kind"] == "number":
        edges = tuple(map(float, entry["edges"]))
        if len(edges) < 2 or any(not low < high for low, high in pairwise(edges)):
            raise ValueError(f"the edges of {entry['name']} do not rise")
        return Numbers(edges)
    known = None if entry["known"] is None else base64.b64decode(entry["known"], validate=True)
    hashes = None if known is None else frozenset(hash_ for (hash_,) in struct.iter_unpack("<I", known))
    return Words({str(name): place for place, name in enumerate(entry["names"])}, hashes)
