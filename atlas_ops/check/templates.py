"""Check: the texts of an alert name only labels that its expression leaves on the result."""

from __future__ import annotations

import re
from collections.abc import Iterator

from atlas_ops.check.finding import Finding, did_you_mean
from atlas_ops.check.tree import Leaf, Tree

_LABEL = re.compile(r"\$labels\.(\w+)")


def check(tree: Tree) -> Iterator[Finding]:
    """Find `$labels.x` that would be printed as nothing."""
    for family in {fault.family for fault in tree.catalog.faults}:
        path = f"alerts/{family.value}.yaml"
        if tree.has(path):
            yield from _file(tree, path)


def _file(tree: Tree, path: str) -> Iterator[Finding]:
    leaves = tree.leaves(path)
    seen: dict[str, int] = {}
    for leaf in leaves:
        if leaf.key == "alert":
            number = seen.get(leaf.value, 0)
            seen[leaf.value] = number + 1
            fault = tree.catalog.fault(leaf.value)
            # More rules than the catalog has, or other ones, is what `check.generated` finds.
            if fault is not None and number < len(fault.rules):
                texts = [text for text in leaves if text.path[:-1] == (*leaf.path[:-1], *text.path[-2:-1])]
                yield from _rule(tree, path, leaf.value, fault.rules[number].labels, texts)


def _rule(tree: Tree, path: str, alert: str, labels: tuple[str, ...], texts: list[Leaf]) -> Iterator[Finding]:
    for text in texts:
        for label in _LABEL.findall(text.value):
            if label not in labels:
                yield Finding(
                    file=path,
                    line=tree.line_of(path, text, f"$labels.{label}"),
                    message=f"{text.key} of {alert} names the label {label!r}, which its expression does not leave"
                    + did_you_mean(label, labels),
                    next_step=f"use one of {', '.join(labels) or 'no labels at all'}",
                )
