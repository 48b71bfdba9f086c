"""Check: every dialect in `exporters/` can be read, and speaks of signals of the contract alone."""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops.catalog import dialects
from atlas_ops.check import syntax
from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree
from atlas_ops.errors import ConfigError


def check(tree: Tree) -> Iterator[Finding]:
    """Find the mistakes of dialects; their reader knows the contract and names the nearest signal."""
    for path in tree.files("exporters/*.yaml"):
        try:
            dialects.read(tree.root / path)
        except ConfigError as error:
            yield from syntax.mistakes(error, path)
