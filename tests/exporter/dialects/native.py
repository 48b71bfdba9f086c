"""Pages of runtimes and versions that nobody captured, made from the names that their own sources have."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from atlas_ops.catalog.reading import Version
from tests.exporter.pages import histogram, series

_FILE = Path(__file__).with_name("native_names.yaml")
OLD = "old"
"""In place of a version: what was there before a change whose release is not known."""


@dataclass(frozen=True)
class Native:
    """One native metric."""

    name: str
    type: str
    labels: dict[str, list[str]]
    since: str
    until: str
    bounds: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Its names on a page."""
        if self.type in ("histogram", "summary"):
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)

    def in_version(self, version: str) -> bool:
        """Whether a version has it; `old` for what stood before an unknown release, empty for the newest."""
        if not version or version == OLD:
            return self.until == "" if not version else True
        after = not self.since or _number(self.since) <= _number(version)
        return after and self.until != OLD and (not self.until or _number(version) < _number(self.until))

    def text(self) -> str:
        """Its series, one for each combination of its label values."""
        rows = itertools.product(*self.labels.values())
        return f"# TYPE {self.name} {self.type}\n" + "".join(
            self._one(dict(zip(self.labels, row, strict=True)), number) for number, row in enumerate(rows, 1)
        )

    def _one(self, labels: dict[str, str], number: int) -> str:
        if self.type == "histogram":
            return histogram(self.name, self.bounds or (0.5, 1, 2), **labels)
        if self.type == "summary":
            return series(f"{self.name}_sum", 9, **labels) + series(f"{self.name}_count", 4, **labels)
        return series(self.name, number, **labels)


def _number(text: str) -> Version:
    version = Version.parse(text)
    assert version is not None
    return version


@cache
def natives(runtime: str) -> tuple[Native, ...]:
    """Every native metric of a runtime that is known, of whatever version."""
    rows: dict[str, list[list[Any]]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(
        Native(name, kind, labels, since, until, tuple(bounds))
        for name, kind, labels, since, until, bounds in rows[runtime]
    )


@cache
def versions(runtime: str) -> tuple[str, ...]:
    """The versions in which something came or went, and the newest as the empty text."""
    found = {text for native in natives(runtime) for text in (native.since, native.until) if text not in ("", OLD)}
    return (*sorted(found, key=_number), "")


def page(runtime: str, version: str = "", *, without: Sequence[str] = ()) -> str:
    """The page of a version; `without` are names that begin with one of these texts."""
    found = (native for native in natives(runtime) if native.in_version(version))
    return "".join(native.text() for native in found if not native.name.startswith(tuple(without)))
