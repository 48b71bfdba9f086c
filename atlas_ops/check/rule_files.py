"""Reads the rule files of a tree: every rule with its expression as a syntax tree. Called by the checks of rules and `explain`.

A rule that does not parse is left out; promtool says what is wrong with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import promql_parser as parser

from atlas_ops.check.tree import Leaf, Tree
from atlas_ops.expressions import parsed

FILES = "alerts/*.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenRule:
    """One rule of a file."""

    file: str
    name: str
    """Of the alert or of the recording."""
    alert: bool
    expr: parser.Expr
    leaf: Leaf
    """Where the expression stands."""
    texts: tuple[Leaf, ...]
    """The texts of its annotations and labels."""


def rules(tree: Tree) -> tuple[WrittenRule, ...]:
    """Return every rule of the tree, file by file."""
    return tuple(rule for path in tree.files(FILES) for rule in _file(path, tree.leaves(path)))


def _file(path: str, leaves: Iterable[Leaf]) -> Iterator[WrittenRule]:
    by_rule: dict[tuple[str | int, ...], list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        if leaf.path[2:3] == ("rules",):
            by_rule[leaf.path[:4]].append(leaf)
    for parts in by_rule.values():
        told = {leaf.path[4]: leaf for leaf in parts if len(leaf.path) == 5}
        name = told.get("alert") or told.get("record")
        expr = parsed(told["expr"].value) if "expr" in told else None
        if name and expr is not None:
            yield WrittenRule(
                file=path,
                name=name.value,
                alert="alert" in told,
                expr=expr,
                leaf=told["expr"],
                texts=tuple(leaf for leaf in parts if len(leaf.path) == 6),
            )
