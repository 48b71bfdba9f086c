"""PromQL as syntax trees: which labels an expression leaves, and for which runtimes it can give a result at all.

The one place that knows the parser's names; a tree is judged, never changed.
"""

from __future__ import annotations

import promql_parser as parser


def parsed(text: str) -> parser.Expr | None:
    """Return an expression as a tree; None when it does not parse."""
    try:
        return parser.parse(text)
    except ValueError:
        return None
