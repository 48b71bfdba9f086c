"""The metrics of an expression are found whatever stands around them."""

from __future__ import annotations

import promql_parser
import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.check import metric_names


@pytest.mark.parametrize(
    ("expr", "metrics"),
    [
        ("up", ("up",)),
        ('up{job="a", path=~"b(c)[d]{2}"}', ("up",)),
        ("sum by (model, server) (rate(x_total[5m])) / y", ("x_total", "y")),
        ("sum(x) BY (model) > 5", ("x",)),
        ("a and on (model) b unless ignoring (x) c or d", ("a", "b", "c", "d")),
        ("a * on (uuid) group_left (pod) b", ("a", "b")),
        ("a * on (uuid) group_left b", ("a", "b")),
        ("x offset 5m > bool 1e3 + Inf - NaN", ("x",)),
        ("level:metric:op5m{a='it\\'s'} > 0x1F", ("level:metric:op5m",)),
        ("max_over_time(x[1h:30s] @ end())", ("x",)),
        ('{__name__="y", a="b"}', ("y",)),
        ('label_replace(x, "a", "$1 b", "c", "(.*) d")', ("x",)),
        ("a # not b\n+ c", ("a", "c")),
        ('x{a="#"} + y', ("x", "y")),
        ('sum(x{model=~"$model"}[$__rate_interval]) + ${y}', ("x",)),
        ("vector(1)", ()),
        ("time() - x", ("x",)),
        ("x_total / x_total", ("x_total",)),
    ],
)
def test_metrics_and_nothing_else_are_found(expr: str, metrics: tuple[str, ...]) -> None:
    assert metric_names.metrics(expr) == metrics


def test_a_parser_finds_the_same_metrics_in_every_expression_of_the_catalog() -> None:
    for fault in build_catalog().faults:
        for expr in (*(rule.expr for rule in fault.rules), *(recording.expr for recording in fault.recordings)):
            assert set(metric_names.metrics(expr)) == set(_parsed(promql_parser.parse(expr))), expr


def _parsed(node: object) -> list[str]:
    if isinstance(node, promql_parser.VectorSelector):
        return [str(node.name)]
    inner = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "vs")]
    inner += list(getattr(node, "args", None) or ())
    return [name for part in inner if part is not None for name in _parsed(part)]
