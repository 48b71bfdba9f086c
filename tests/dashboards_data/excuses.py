"""Why a query may have no answer: its panel says so, or no server that it asks tells what it reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import promql_parser as parser

from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.samples import Sample
from atlas_ops.expressions import parsed, placeholders
from atlas_ops.expressions.firing import Firing
from atlas_ops.expressions.judge import judge
from atlas_ops.expressions.supply import Supply, accepts
from atlas_ops.render.dashboards.panels import Board, Note, panel_id
from tests.render.dashboards.built import CATALOG

JUDGE = judge(CATALOG)


def may_be_empty(board: Board) -> frozenset[int]:
    """Return the ids of the panels that say why they may be empty."""
    panels = (panel for row in board.rows for panel in row.panels if not isinstance(panel, Note))
    return frozenset(panel_id(panel.key) for panel in panels if panel.empty)


def promised(runtime: str) -> Supply:
    """Return what the dialect of a runtime promises."""
    return next(supply for supply in JUDGE.supplies if supply.dialect.runtime == runtime)


@dataclass(frozen=True, kw_only=True, slots=True)
class OfPages(Supply):
    """What some pages really tell. Only `le` is compared of the matchers: a wrong label in a query is no excuse."""

    bounds: Mapping[str, Collection[str]]
    """{name of a series: the values of its `le`, or one that is empty}."""

    @classmethod
    def of(cls, runtime: str, samples: Iterable[Sample]) -> OfPages:
        found: dict[str, set[str]] = {}
        for sample in samples:
            found.setdefault(f"{sample.signal}{sample.part}", set()).add(dict(sample.labels).get("le", ""))
        return cls(dialect=promised(runtime).dialect, bounds=found)

    def lacking(self, signal: Signal, series: str, matchers: Sequence[parser.Matcher]) -> Iterator[str]:
        if not accepts(matchers, "le", self.bounds.get(series, ())):
            yield f"no page tells {signal}"


def untold(expr: str, supply: Supply) -> bool:
    """Say whether a query has no answer from servers that tell this."""
    found = parsed(placeholders.filled(expr))
    assert found is not None, expr
    # A judge of its own: it remembers what it found of a runtime.
    firing = Firing(series=JUDGE.firing.series, recorded=JUDGE.firing.recorded, foreign=JUDGE.firing.foreign)
    return bool(firing.silent(found, [supply]))
