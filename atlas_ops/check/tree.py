"""The tree under check: its files, and the catalog and settings that they are checked against.

Made by `check.run` and handed to every check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from atlas_ops.catalog.model import Catalog
from atlas_ops.document import Document
from atlas_ops.errors import ConfigError
from atlas_ops.settings import Settings

Which = Callable[[str], str | None]
"""Finds a program: its path, or None when it is not installed (`shutil.which`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """One text or number in a YAML or JSON file."""

    path: tuple[str | int, ...]
    """The keys and positions that lead to it, such as `("groups", 0, "rules", 3, "expr")`."""
    value: str
    line: int
    last_line: int

    @property
    def key(self) -> str | int:
        """The key that it stands under."""
        return self.path[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A folder that holds alerts, dashboards, runbooks and exporters, and in a checkout tests and documents."""

    root: Path
    catalog: Catalog
    settings: Settings
    config: str
    """Where the settings stand, for people."""
    generated: Mapping[str, str]
    """Every generated file as it should be: path and text."""
    facts: Mapping[str, str]
    """The facts block of every runbook as it should be: path and text."""
    which: Which

    def files(self, *patterns: str) -> tuple[str, ...]:
        """Return the paths of all files that match a glob pattern, from the top of the tree, sorted."""
        found = {path for pattern in patterns for path in self.root.glob(pattern) if path.is_file()}
        return tuple(sorted(path.relative_to(self.root).as_posix() for path in found))

    def has(self, path: str) -> bool:
        """Say whether there is such a file or folder."""
        return (self.root / path).exists()

    def text(self, path: str) -> str:
        """Return the text of a file; what is no UTF-8 becomes replacement characters."""
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def leaves(self, path: str) -> tuple[Leaf, ...]:
        """Return all leaves of a YAML or JSON file in its order; none when it is neither, which `check.syntax` finds."""
        try:
            return tuple(_leaves(Document(self.text(path), path).root.node, ()))
        except ConfigError:
            return ()

    def line_of(self, path: str, leaf: Leaf, word: str) -> int:
        """Return the line on which a word of a leaf stands, whatever style of YAML it is written in."""
        lines = self.text(path).splitlines()
        return next((line for line in range(leaf.line, leaf.last_line + 1) if word in lines[line - 1]), leaf.line)


def _leaves(node: yaml.Node, path: tuple[str | int, ...]) -> Iterator[Leaf]:
    if isinstance(node, yaml.ScalarNode):
        # A block ends at the start of the line after it, everything else on its own last line.
        last = node.end_mark.line + (1 if node.end_mark.column else 0)
        yield Leaf(path=path, value=str(node.value), line=node.start_mark.line + 1, last_line=last)
    else:
        for key, inner in _children(node):
            yield from _leaves(inner, (*path, key))


def _children(node: yaml.Node) -> Sequence[tuple[str | int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        return [(str(key.value), value) for key, value in node.value]
    return list(enumerate(node.value))
