"""Check: the texts of an alert name only labels that its expression leaves on the result."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as parser

from atlas_ops.catalog.faults.blindness.unseen import PAGES_UNSEEN
from atlas_ops.check.finding import Finding, did_you_mean
from atlas_ops.check.rule_files import WrittenRule
from atlas_ops.check.rules import judge_of
from atlas_ops.check.tree import Tree
from atlas_ops.expressions.firing import nodes

_LABEL = re.compile(r"\$labels\.(\w+)")


def check(tree: Tree) -> Iterator[Finding]:
    """Find `$labels.x` that would be printed as nothing."""
    written, judged = judge_of(tree)
    for rule in written:
        if rule.alert:
            try:
                labels = judged.labels.left(_measured(rule.expr))
            except KeyError:
                continue  # a metric that nobody publishes is what `check.metrics` finds
            yield from _rule(tree, rule, labels)


def _measured(expr: parser.Expr) -> parser.Expr:
    """Return the expression without what a page held when sight was lost: that has every label that is asked for."""
    if isinstance(expr, parser.BinaryExpr):
        read = [node.name for node in nodes(expr.rhs) if isinstance(node, parser.VectorSelector)]
        return expr.lhs if PAGES_UNSEEN in read else expr
    return expr


def _rule(tree: Tree, rule: WrittenRule, labels: frozenset[str]) -> Iterator[Finding]:
    for text in rule.texts:
        for label in _LABEL.findall(text.value):
            if label not in labels:
                yield Finding(
                    file=rule.file,
                    line=tree.line_of(rule.file, text, f"$labels.{label}"),
                    message=f"{text.key} of {rule.name} names the label {label!r}, which its expression does not leave"
                    + did_you_mean(label, labels),
                    next_step=f"use one of {', '.join(sorted(labels)) or 'no labels at all'}",
                )
