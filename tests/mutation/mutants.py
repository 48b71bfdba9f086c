"""Makes the mutants of a rule: copies that differ from it in one thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import promql_parser as parser

from atlas_ops import promql
from atlas_ops.expressions.firing import nodes

Rule = dict[str, Any]
_TURNED = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}
_STRETCH = 4
"""How many times as long a window or an offset becomes."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A rule that is wrong in one thing."""

    kind: str
    """What was changed: `for`, `comparison`, `threshold`, `matcher`, `window`, `condition` ..."""
    change: str
    """For people: what it was, and what it is now."""
    rule: Rule


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Yield every mutant of a rule."""
    for key in ("for", "keep_firing_for"):
        if key in rule:
            yield Mutant(
                kind=key, change=f"no {key}", rule={name: value for name, value in rule.items() if name != key}
            )
    expr = parser.parse(rule["expr"])
    for kind, change, mutated in _expressions(expr):
        yield Mutant(kind=kind, change=change, rule={**rule, "expr": mutated.prettify()})


def _expressions(expr: parser.Expr) -> Iterator[tuple[str, str, parser.Expr]]:
    parts = list(nodes(expr))
    for place, node in enumerate(parts):
        # The selector of a range is changed together with its range, which comes right after it.
        if not isinstance(parts[min(place + 1, len(parts) - 1)], parser.MatrixSelector):
            for kind, change, text in _changes(node):
                yield kind, change, _replaced(expr, place, _as_node(node, text))


def _changes(node: parser.Expr) -> Iterator[tuple[str, str, str]]:
    """Yield what can be changed in one node: kind, change, and the new text of the node."""
    if isinstance(node, parser.BinaryExpr):
        yield from _of_pair(node)
    elif isinstance(node, parser.VectorSelector):
        yield from _of_selector(node, "")
    elif isinstance(node, parser.MatrixSelector):
        longer = promql.duration(node.range.total_seconds() * _STRETCH)
        yield (
            "window",
            f"[{promql.duration(node.range.total_seconds())}] becomes [{longer}]",
            _matrix(node.vector_selector, longer),
        )
        yield from _of_selector(node.vector_selector, promql.duration(node.range.total_seconds()))


def _of_pair(node: parser.BinaryExpr) -> Iterator[tuple[str, str, str]]:
    left, right, operator = node.lhs.prettify(), node.rhs.prettify(), str(node.op)
    if operator in ("and", "unless"):
        yield "condition", f"without `{operator} {_short(right)}`", left
    elif operator == "or":
        yield "alternative", f"without `or {_short(right)}`", left
        yield "alternative", f"without `{_short(left)} or`", right
    elif operator in _TURNED:
        yield (
            "comparison",
            f"{operator} becomes {_TURNED[operator]} before {_short(right)}",
            f"({left}) {_TURNED[operator]} ({right})",
        )
        if isinstance(node.rhs, parser.NumberLiteral):
            for other in {node.rhs.val * 2, node.rhs.val / 2} - {node.rhs.val} or {1.0}:
                number = promql.number(other)
                yield (
                    "threshold",
                    f"{operator} {promql.number(node.rhs.val)} becomes {number}",
                    f"({left}) {operator} {number}",
                )


def _of_selector(node: parser.VectorSelector, window: str) -> Iterator[tuple[str, str, str]]:
    matchers = list(node.matchers.matchers)
    for position, matcher in enumerate(matchers):
        rest = [*matchers[:position], *matchers[position + 1 :]]
        change = f"{node.name} without its matcher of {matcher.name}"
        yield "matcher", change, _selector(node, rest, node.offset, window)
    if node.offset:
        change = f"{node.name} without its offset"
        yield "offset", change, _selector(node, matchers, None, window)


def _selector(
    node: parser.VectorSelector, matchers: list[parser.Matcher], offset: timedelta | None, window: str
) -> str:
    words = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    inside = ", ".join(f"{m.name}{words[str(m.op).rpartition('.')[2]]}{promql.quote(m.value)}" for m in matchers)
    ranged = f"[{window}]" if window else ""
    shifted = f" offset {promql.duration(offset.total_seconds())}" if offset else ""
    return f"{node.name}{{{inside}}}{ranged}{shifted}"


def _matrix(node: parser.VectorSelector, window: str) -> str:
    return _selector(node, list(node.matchers.matchers), node.offset, window)


def _as_node(old: parser.Expr, text: str) -> parser.Expr:
    """Parse the new text of a node; a range alone is no expression, so it is parsed inside of a function."""
    if isinstance(old, parser.MatrixSelector):
        call = parser.parse(f"last_over_time({text})")
        assert isinstance(call, parser.Call)
        new: parser.Expr = call.args[0]
        return new
    return parser.parse(f"({text})") if isinstance(old, parser.BinaryExpr) else parser.parse(text)


def _replaced(expr: parser.Expr, place: int, new: parser.Expr) -> parser.Expr:
    """Return the expression with its node number `place`, counted innermost first, replaced."""
    seen = iter(range(10**6))

    def visit(node: parser.Expr) -> parser.Expr | None:
        return new if next(seen) == place else None

    return parser.transform(expr, None, visit)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) < 60 else f"{flat[:57]}..."
