"""Lets the charts of faults show what is chosen above their dashboard, as its other panels do.

The catalog, which knows no dashboards, writes them for everything (`parts.faults`). What a chart has no label for stays whole:
a budget of a model on the dashboard of one server. Called by `boards`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from atlas_ops.catalog.model import Catalog
from atlas_ops.expressions.judge import judge
from atlas_ops.expressions.labels import Labels
from atlas_ops.expressions.narrowing import narrowed
from atlas_ops.render.dashboards import variables as v
from atlas_ops.render.dashboards.panels import Board, Chart, Panel, of_fault

_OTHER_MEANING = {
    v.INSTANCE: ("atlas_pager_", "atlas_watch_", "atlas_drift_"),
    v.FEATURE: ("model:atlas_request_tokens",),
}
"""{variable: beginnings of series that have its label and mean something else by it}: not an exporter, no detector's feature."""

_ANOTHER = "while nothing that it is about is chosen"


def with_narrow_faults(board: Board, catalog: Catalog) -> Board:
    """Return a dashboard whose charts of faults ask for what is chosen."""
    labels, keys = judge(catalog).labels, frozenset(of_fault(fault) for fault in catalog.faults)
    names = {variable.name for variable in board.variables}
    matchers = {v.LABELS[name]: v.picked(name)[0] for name in v.LABELS if name in names - {v.CLUSTER}}

    def narrow(panel: Panel) -> Panel:
        return _narrow(panel, matchers, labels) if isinstance(panel, Chart) and panel.key in keys else panel

    rows = (replace(row, panels=tuple(map(narrow, row.panels))) for row in board.rows)
    return replace(board, rows=tuple(rows))


def _narrow(panel: Chart, matchers: Mapping[str, str], labels: Labels) -> Chart:
    asked = (
        replace(one, expr=narrowed(one.expr, _of(one.expr, matchers), labels, everywhere=v.picked(v.CLUSTER)[0]))
        for one in panel.queries
    )
    empty = panel.empty or (_ANOTHER if any(_is_of_some(one.expr, matchers) for one in panel.queries) else "")
    return replace(panel, queries=tuple(asked), empty=empty)


def _is_of_some(expr: str, matchers: Mapping[str, str]) -> bool:
    """Say whether an expression is about some values alone of a label that others can be chosen of."""
    return any(re.search(rf"\b{label}[=!]", expr.replace(matcher, "")) for label, matcher in matchers.items())


def _of(expr: str, matchers: Mapping[str, str]) -> Mapping[str, str]:
    other = {v.LABELS[name] for name, starts in _OTHER_MEANING.items() if any(start in expr for start in starts)}
    return {label: matcher for label, matcher in matchers.items() if label not in other}
