"""Check: every rule can fire. Its metrics and labels exist on a runtime, its sides can match, and Prometheus 2.42 and 3 know it."""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as parser

from atlas_ops.check.finding import Finding
from atlas_ops.check.rule_files import WrittenRule, rules
from atlas_ops.check.tree import Tree
from atlas_ops.expressions import subset
from atlas_ops.expressions.firing import nodes
from atlas_ops.expressions.judge import Judge, judge, recorded
from atlas_ops.expressions.labels import Labels, is_scalar, matched


def judge_of(tree: Tree) -> tuple[tuple[WrittenRule, ...], Judge]:
    """Return the rules of a tree, and the judge that knows their recordings."""
    written = rules(tree)
    known = recorded((rule.name, rule.expr) for rule in written if not rule.alert)
    return written, judge(tree.catalog, known, tree.settings.exporter.dialects)


def check(tree: Tree) -> Iterator[Finding]:
    """Find rules that can never fire, or that an older or newer Prometheus does not know."""
    written, judged = judge_of(tree)
    for rule in written:
        for message, next_step in wrong(rule.expr, judged):
            yield Finding(file=rule.file, line=rule.leaf.line, message=f"{rule.name}: {message}", next_step=next_step)


def wrong(expr: parser.Expr, judged: Judge) -> Iterator[tuple[str, str]]:
    """Say what is wrong with an expression, and what to do: of a rule, or of a panel (`check.dashboards`)."""
    for node in nodes(expr):
        yield from subset.foreign(node)
        if isinstance(node, parser.BinaryExpr):
            yield from _unmatched(node, judged.labels)
    for part, reasons in judged.firing.dead(expr, judged.supplies):
        yield (
            f"`{_short(part)}` never gives a result: {'; '.join(reasons)}",
            "mend it, or leave it out: exporters/README.md says which runtime tells what, and how well",
        )


def _unmatched(node: parser.BinaryExpr, labels: Labels) -> Iterator[tuple[str, str]]:
    if str(node.op) == "or" or is_scalar(node.lhs) or is_scalar(node.rhs):
        return
    try:
        left, right = labels.left(node.lhs), labels.left(node.rhs)
    except KeyError:
        return  # a metric that nobody publishes is what `check.metrics` finds
    matching = node.modifier.matching if node.modifier else None
    if matching is not None:
        left, right = matched(left, matching), matched(right, matching)
    if left != right:
        alone = ", ".join(sorted(left ^ right))
        yield (
            f"the sides of `{_short(node)}` never match: only one of them has {alone}",
            "aggregate both by the same labels, or say on() which of them have to agree",
        )


def _short(expr: parser.Expr) -> str:
    text = " ".join(expr.prettify().split())
    return text if len(text) <= 120 else f"{text[:117]}..."
