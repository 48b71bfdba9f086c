"""What Prometheus 2.42 and 3 both have: `holt_winters` went, `mad_over_time` and others came. Called by `check.rules`."""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as parser

FUNCTIONS = frozenset({
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh", "avg_over_time", "ceil",
    "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh", "count_over_time", "day_of_month", "day_of_week",
    "day_of_year", "days_in_month", "deg", "delta", "deriv", "exp", "floor", "histogram_count",
    "histogram_fraction", "histogram_quantile", "histogram_sum", "hour", "idelta", "increase", "irate",
    "label_join", "label_replace", "last_over_time", "ln", "log10", "log2", "max_over_time", "min_over_time",
    "minute", "month", "pi", "predict_linear", "present_over_time", "quantile_over_time", "rad", "rate", "resets",
    "round", "scalar", "sgn", "sin", "sinh", "sort", "sort_desc", "sqrt", "stddev_over_time", "stdvar_over_time",
    "sum_over_time", "tan", "tanh", "time", "timestamp", "vector", "year",
})  # fmt: skip
AGGREGATIONS = frozenset({
    "avg", "bottomk", "count", "count_values", "group", "max", "min", "quantile", "stddev", "stdvar", "sum", "topk",
})  # fmt: skip


def foreign(node: parser.Expr) -> Iterator[tuple[str, str]]:
    """Say what in one part of an expression not every Prometheus knows, and what to write instead."""
    if isinstance(node, parser.Call) and node.func.name not in FUNCTIONS:
        yield f"not every Prometheus from 2.42 to 3 has {node.func.name}()", "write it with functions that both have"
    if isinstance(node, parser.AggregateExpr) and str(node.op) not in AGGREGATIONS:
        yield f"not every Prometheus from 2.42 to 3 has {node.op}", "write it with operators that both have"
    if isinstance(node, parser.VectorSelector):
        yield from _bounds(node)


def _bounds(node: parser.VectorSelector) -> Iterator[tuple[str, str]]:
    for matcher in node.matchers.matchers:
        if matcher.name == "le" and matcher.op == parser.MatchOp.Equal and matcher.value != "+Inf":
            yield (
                f'le="{matcher.value}" matches either in Prometheus 2 or in 3, which write bounds differently',
                f'write le=~"{matcher.value.removesuffix(".0")}(\\\\.0)?"',
            )
