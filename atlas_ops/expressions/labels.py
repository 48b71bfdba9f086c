"""Which labels an expression may leave on its result, by PromQL's rules. Called by `check.rules`."""

from __future__ import annotations

from collections.abc import Mapping

import promql_parser as parser

ATTACHED = frozenset({"job", "instance"})
"""Labels that Prometheus attaches to everything it scrapes."""

_KEEPS_NOTHING = ("absent", "absent_over_time", "scalar", "time", "vector")


class Labels:
    """Knows the labels of every metric: `published` maps names of series to theirs, `recorded` recordings to expressions."""

    def __init__(self, published: Mapping[str, frozenset[str]], recorded: Mapping[str, parser.Expr]) -> None:
        self._published, self._recorded = published, recorded
        self._known: dict[str, frozenset[str]] = {}
        self._expanding: list[str] = []
        """The recordings that are being looked into: one that reads itself adds no label that its other side has not."""

    def left(self, expr: parser.Expr) -> frozenset[str]:
        """Return the labels that may be on a result of `expr`; KeyError for a metric that nobody publishes."""
        match expr:
            case parser.VectorSelector():
                return self._of_metric(str(expr.name))
            case parser.MatrixSelector():
                return self.left(expr.vector_selector)
            case parser.ParenExpr() | parser.UnaryExpr() | parser.SubqueryExpr():
                return self.left(expr.expr)
            case parser.AggregateExpr():
                return self._of_aggregation(expr)
            case parser.Call():
                return self._of_call(expr)
            case parser.BinaryExpr():
                return self._of_pair(expr)
        return frozenset()

    def _of_metric(self, name: str) -> frozenset[str]:
        if name in self._expanding:
            return frozenset()
        if name in self._known:
            return self._known[name]
        if name in self._recorded:
            self._expanding.append(name)
            try:
                found = self.left(self._recorded[name])
            finally:
                self._expanding.pop()
            if not self._expanding:
                self._known[name] = found
            return found
        return self._published[name] | ATTACHED

    def _of_aggregation(self, expr: parser.AggregateExpr) -> frozenset[str]:
        inner = self.left(expr.expr)
        if str(expr.op) in ("topk", "bottomk"):
            return inner
        if expr.modifier is None:
            return frozenset()
        named = frozenset(expr.modifier.labels)
        return named & inner if expr.modifier.type == parser.AggModifierType.By else inner - named

    def _of_call(self, expr: parser.Call) -> frozenset[str]:
        if expr.func.name in _KEEPS_NOTHING:
            selector = expr.args[0] if expr.args else None
            # absent() gives the labels of its equality matchers.
            matchers = selector.matchers.matchers if isinstance(selector, parser.VectorSelector) else ()
            return frozenset(matcher.name for matcher in matchers if matcher.op == parser.MatchOp.Equal)
        labels = frozenset[str]().union(*(self.left(part) for part in expr.args))
        if expr.func.name in ("label_replace", "label_join"):
            return labels | {_text(expr.args[1])}
        return labels - {"le"} if expr.func.name == "histogram_quantile" else labels

    def _of_pair(self, expr: parser.BinaryExpr) -> frozenset[str]:
        left, right = self.left(expr.lhs), self.left(expr.rhs)
        operator, modifier = str(expr.op), expr.modifier
        if operator == "or":
            return left | right
        if operator in ("and", "unless") or is_scalar(expr.rhs):
            return left
        if is_scalar(expr.lhs):
            return right
        if modifier is None:
            return left
        if modifier.card == parser.VectorMatchCardinality.ManyToOne:
            return left | frozenset(modifier.group_labels or ())
        if modifier.card == parser.VectorMatchCardinality.OneToMany:
            return right | frozenset(modifier.group_labels or ())
        return left if modifier.matching is None else matched(left, modifier.matching)


def matched(labels: frozenset[str], matching: parser.LabelModifier) -> frozenset[str]:
    """Return those of `labels` that an `on` or `ignoring` compares."""
    named = frozenset(matching.labels)
    return labels & named if matching.type == parser.LabelModifierType.Include else labels - named


def is_scalar(expr: parser.Expr) -> bool:
    """Say whether an expression is a number, not a vector."""
    if isinstance(expr, parser.ParenExpr | parser.UnaryExpr):
        return is_scalar(expr.expr)
    if isinstance(expr, parser.BinaryExpr):
        return is_scalar(expr.lhs) and is_scalar(expr.rhs)
    return isinstance(expr, parser.NumberLiteral) or (
        isinstance(expr, parser.Call) and expr.func.name in ("time", "scalar")
    )


def _text(expr: parser.Expr) -> str:
    return expr.val if isinstance(expr, parser.StringLiteral) else ""
