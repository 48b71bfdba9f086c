"""What is wrong with one expression of a dashboard: syntax, metrics, labels, windows, and whether it can ever give a result."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

import promql_parser as parser

from atlas_ops.catalog.model import Signal
from atlas_ops.check import rules
from atlas_ops.check.finding import did_you_mean
from atlas_ops.expressions.firing import BY_PROMETHEUS, Firing, nodes
from atlas_ops.expressions.judge import Judge
from atlas_ops.expressions.labels import Labels
from atlas_ops.expressions.placeholders import RANGE, RATE_INTERVAL, filled

EXTRA = frozenset({"cluster"})
"""What users attach to everything when they read several Prometheus servers together."""

_RATES = ("rate", "irate", "increase")
NO_LABEL = "mend the name: a label that is not there selects nothing, or everything"

Wrong = Iterator[tuple[str, str]]
"""(What is wrong, what to do)."""


def wrong(text: str, judged: Judge) -> Wrong:
    """Say what is wrong with an expression; what follows from a mistake is not told beside it."""
    try:
        expr = _tree(text)
    except ValueError as error:
        yield f"`{text}` is no PromQL: {error}", "mend the expression"
        return
    for found in (_metrics(expr, judged.firing), _labels(expr, judged.labels), _judged(expr, judged)):
        mistakes = list(found)
        yield from mistakes
        if mistakes:
            return


def left(text: str, judged: Judge) -> frozenset[str] | None:
    """Return the labels that a result of the expression may have; None where that cannot be said."""
    try:
        return judged.labels.left(_tree(text)) | EXTRA
    except (ValueError, KeyError):
        return None


@functools.lru_cache(maxsize=1024)
def _tree(text: str) -> parser.Expr:
    return parser.parse(filled(text))


def _metrics(expr: parser.Expr, firing: Firing) -> Wrong:
    known = frozenset({*firing.series, *firing.recorded, *firing.foreign, *BY_PROMETHEUS})
    for name in dict.fromkeys(str(node.name) for node in nodes(expr) if isinstance(node, parser.VectorSelector)):
        if name not in known:
            near = did_you_mean(name, known)
            yield (
                f"{name} is neither a signal of the contract nor a recording of the rules{near}",
                "mend the name; a new signal belongs in catalog/signals.py",
            )


def _labels(expr: parser.Expr, labels: Labels) -> Wrong:
    for node in nodes(expr):
        try:
            yield from _of_node(node, labels)
        except KeyError:
            continue  # a recording reads what nobody publishes, which `check.metrics` finds where it is recorded


def _of_node(node: parser.Expr, labels: Labels) -> Wrong:
    match node:
        case parser.VectorSelector():
            named = [matcher.name for matcher in node.matchers.matchers]
            yield from _strange(named, labels.left(node), f"{node.name} has")
        case parser.AggregateExpr() if node.modifier is not None:
            yield from _strange(node.modifier.labels, labels.left(node.expr), f"what {node.op} reads has")
        case parser.BinaryExpr() if node.modifier is not None and node.modifier.matching is not None:
            yield from _unlike(node, node.modifier.matching, labels)


def _unlike(node: parser.BinaryExpr, matching: parser.LabelModifier, labels: Labels) -> Wrong:
    sides = labels.left(node.lhs), labels.left(node.rhs)
    if matching.type == parser.LabelModifierType.Include:
        for side in sides:
            yield from _strange(matching.labels, side, f"a side of {node.op} has")
    else:
        yield from _strange(matching.labels, sides[0] | sides[1], f"what {node.op} compares has")


def _strange(named: list[str], known: frozenset[str], whose: str) -> Wrong:
    for label in dict.fromkeys(named):
        if label not in known | EXTRA:
            yield f"{whose} no label {label}{did_you_mean(label, known)}", NO_LABEL


def _judged(expr: parser.Expr, judged: Judge) -> Wrong:
    for node in nodes(expr):
        if isinstance(node, parser.Call) and node.func.name in _RATES:
            yield from _window(node, judged.firing.series)
    yield from rules.wrong(expr, judged)


def _window(call: parser.Call, series: Mapping[str, Signal]) -> Wrong:
    counted = call.args[0]
    if not isinstance(counted, parser.MatrixSelector):
        return
    signal = series.get(str(counted.vector_selector.name))
    if signal and counted.range not in (RATE_INTERVAL, RANGE):
        yield (
            f"{call.func.name}({signal}) has a window of {counted.range}, whatever is on the screen",
            "write [$__rate_interval], or [$__range] for all that is shown; other windows are what recordings are for",
        )
