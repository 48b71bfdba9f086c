"""Whether an expression can give a result at all on the servers of a runtime, and why not. Called by `judge` and `check`.

An expression may give a result when every part that it needs may: both sides of arithmetic, comparisons and `and`, one
side of `or`, the left one of `unless`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import promql_parser as parser

from atlas_ops.catalog import by_prometheus
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Signal
from atlas_ops.expressions.supply import Supply, accepts

_ALWAYS = ("absent", "absent_over_time", "time", "vector")
"""Functions that give a result where their argument has none."""
BY_PROMETHEUS = (*by_prometheus.ALERTS, *by_prometheus.SERIES)
"""Series that nobody has to publish."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Firing:
    """Judges expressions. `series` maps names of series to their signals, `recorded` recordings to their expressions.

    `foreign` are metrics that others publish, such as autoscalers.
    """

    series: Mapping[str, Signal]
    recorded: Mapping[str, parser.Expr]
    foreign: frozenset[str] = frozenset()
    _judged: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _circles: list[str] = field(default_factory=list)
    """Recordings that were met on the way to themselves."""

    def lacking(self, expr: parser.Expr, supply: Supply) -> tuple[str, ...]:
        """Return why `expr` never gives a result on a runtime, each reason once; none when it may give one."""
        return tuple(dict.fromkeys(self._lacking(expr, supply, ())))

    def dead(self, expr: parser.Expr, supplies: Sequence[Supply]) -> Iterator[tuple[parser.Expr, tuple[str, ...]]]:
        """Yield the alternatives of `expr` that give a result on no runtime, with the reasons of the nearest one."""
        for part in _alternatives(expr):
            # The first runtime that can give one ends the search: few expressions are dead.
            reasons = list(itertools.takewhile(bool, (self.lacking(part, supply) for supply in supplies)))
            if len(reasons) == len(supplies):
                yield part, min(reasons, key=len)

    def silent(self, expr: parser.Expr, supplies: Sequence[Supply]) -> tuple[str, ...]:
        """Return why `expr` says nothing on any of these runtimes, each reason once; none when it may say something on one.

        What is left of `x or vector(0)` where nobody tells `x` is a result that says nothing.
        """
        reading = [part for part in _alternatives(expr) if any(map(_is_selector, nodes(part)))]
        found: list[str] = []
        for supply in supplies:
            missing = [self.lacking(part, supply) for part in reading]
            reasons = self.lacking(expr, supply) or (
                [reason for part in missing for reason in part] if missing and all(missing) else ()
            )
            if not reasons:
                return ()
            found += reasons
        return tuple(dict.fromkeys(found))

    def signals(self, expr: parser.Expr) -> tuple[Signal, ...]:
        """Return the signals that `expr` reads, by itself or through recordings, each once."""
        return tuple(dict.fromkeys(self._signals(expr, ())))

    def _signals(self, expr: parser.Expr, within: tuple[str, ...]) -> Iterator[Signal]:
        for node in nodes(expr):
            name = str(node.name) if isinstance(node, parser.VectorSelector) else ""
            if name in self.series:
                yield self.series[name]
            elif name in self.recorded and name not in within:
                yield from self._signals(self.recorded[name], (*within, name))

    def _lacking(self, expr: parser.Expr, supply: Supply, within: tuple[str, ...]) -> tuple[str, ...]:
        """Judge a part; `within` are the recordings that it is part of."""
        match expr:
            case parser.VectorSelector():
                return self._of_selector(expr, supply, within)
            case parser.MatrixSelector():
                return self._lacking(expr.vector_selector, supply, within)
            case parser.ParenExpr() | parser.UnaryExpr() | parser.SubqueryExpr() | parser.AggregateExpr():
                return self._lacking(expr.expr, supply, within)
            case parser.Call():
                parts = () if expr.func.name in _ALWAYS else expr.args
                return tuple(reason for part in parts for reason in self._lacking(part, supply, within))
            case parser.BinaryExpr():
                return self._of_pair(expr, supply, within)
        return ()

    def _of_selector(self, expr: parser.VectorSelector, supply: Supply, within: tuple[str, ...]) -> tuple[str, ...]:
        name, matchers = str(expr.name), expr.matchers.matchers
        if name in BY_PROMETHEUS or name in self.foreign:
            return ()
        if name in within:
            self._circles.append(name)
            return (f"{name} is read before it was ever recorded",)
        if name in self.recorded:
            inner = self._of_recording(name, supply, within)
            meant = accepts(matchers, c.RUNTIME, (supply.dialect.runtime,))
            return inner if meant else (f"not for {supply.dialect.runtime}",)
        if name not in self.series:
            return (f"nothing publishes {name}",)
        return tuple(supply.lacking(self.series[name], name, matchers))

    def _of_recording(self, name: str, supply: Supply, within: tuple[str, ...]) -> tuple[str, ...]:
        """Judge a recording once for each runtime, unless it is part of a circle: then what it lacks depends on the way to it."""
        key, circles = (name, supply.dialect.runtime), len(self._circles)
        if key not in self._judged:
            found = tuple(dict.fromkeys(self._lacking(self.recorded[name], supply, (*within, name))))
            if len(self._circles) > circles:
                return found
            self._judged[key] = found
        return self._judged[key]

    def _of_pair(self, expr: parser.BinaryExpr, supply: Supply, within: tuple[str, ...]) -> tuple[str, ...]:
        left = self._lacking(expr.lhs, supply, within)
        if str(expr.op) == "unless":
            return left
        right = self._lacking(expr.rhs, supply, within)
        if str(expr.op) == "or":
            return (*left, *right) if left and right else ()
        return (*left, *right)


def _alternatives(expr: parser.Expr) -> Iterator[parser.Expr]:
    """Yield the sides of every `or` in an expression, innermost first; the expression itself when it has none."""
    found = False
    for node in nodes(expr):
        if isinstance(node, parser.BinaryExpr) and str(node.op) == "or":
            found = True
            yield from (side for side in (node.lhs, node.rhs) if not _is_or(side))
    if not found:
        yield expr


def _is_selector(expr: parser.Expr) -> bool:
    return isinstance(expr, parser.VectorSelector)


def _is_or(expr: parser.Expr) -> bool:
    return isinstance(expr, parser.BinaryExpr) and str(expr.op) == "or"


def nodes(expr: parser.Expr) -> Iterator[parser.Expr]:
    """Yield every part of an expression, innermost first, itself last."""
    match expr:
        case parser.MatrixSelector():
            inner: Sequence[parser.Expr] = (expr.vector_selector,)
        case parser.ParenExpr() | parser.UnaryExpr() | parser.SubqueryExpr():
            inner = (expr.expr,)
        case parser.AggregateExpr():
            inner = (expr.expr,) if expr.param is None else (expr.param, expr.expr)
        case parser.Call():
            inner = expr.args
        case parser.BinaryExpr():
            inner = (expr.lhs, expr.rhs)
        case _:
            inner = ()
    for part in inner:
        yield from nodes(part)
    yield expr
