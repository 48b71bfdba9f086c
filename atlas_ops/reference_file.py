"""The outside of a reference of drift: one JSON file, told from others by its format, its version and its model.

Read by `drift.reference`, which takes all of it, and by `instrument.reference`, which takes the bins, without numpy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atlas_ops.errors import ConfigError

FORMAT, VERSION = "atlas-ops drift reference", 1
MOST_BYTES = 64 * 1024 * 1024
"""A larger file is none of ours: real ones have some hundred kilobytes."""


def load(path: Path, *, model: str = "") -> dict[str, Any]:
    """Return what a file holds; ConfigError when it is none of ours or of another `model` than the one named, OSError as usual."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise wrong(path, f"it has {size} bytes, more than any reference")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise wrong(path, f"it is not JSON: {error}") from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise wrong(path, f"expected a file whose `format` is {FORMAT!r}, found {found!r}")
    if document.get("version") != VERSION:
        raise wrong(path, f"its version is {document.get('version')!r}; this atlas-ops reads version {VERSION}")
    if model and document.get("model") != model:
        raise wrong(path, f"it is the reference of the model {document.get('model')!r}, not of {model!r}")
    if mistake := next(_endless(document), ""):
        raise wrong(path, f"it is damaged: {mistake}")
    return dict(document)


def _endless(value: object, where: str = "") -> Iterator[str]:
    """Yield where a value holds a number that is none: NaN, or an infinite one."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: expected a number, found {value}"
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _endless(inner, f"{where}[{place}]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _endless(inner, f"{where}.{name}" if where else name)


def wrong(path: Path, mistake: str) -> ConfigError:
    """Return the error for a file that cannot be used."""
    return ConfigError(str(path), [mistake], next_step="make the reference again with `atlas-ops drift fit`")


def damaged(path: Path, error: Exception) -> ConfigError:
    """Return the error for a file of ours that does not hold what it should."""
    what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
    return wrong(path, f"it is damaged: {what}")
