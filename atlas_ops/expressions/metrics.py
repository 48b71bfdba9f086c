"""Which metrics an expression reads. Called by `rehearsal.foreign` and `render.dashboards.pacing`."""

from __future__ import annotations

import promql_parser as parser

from atlas_ops.expressions import parsed
from atlas_ops.expressions.firing import nodes


def metrics(text: str) -> frozenset[str]:
    """Return their names; none when the text does not parse, or when it picks metrics by a pattern alone."""
    expr = parsed(text)
    selectors = (node for node in nodes(expr) if isinstance(node, parser.VectorSelector)) if expr is not None else ()
    return frozenset(str(selector.name) for selector in selectors if selector.name)
