"""What expressions are judged by: the signals and recordings of a catalog, and what each runtime tells.

Called by `check` and `render.coverage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import promql_parser as parser

from atlas_ops.catalog import autoscalers, by_prometheus, conventions
from atlas_ops.catalog.dialects import load
from atlas_ops.catalog.model import Catalog
from atlas_ops.expressions.firing import Firing
from atlas_ops.expressions.labels import ATTACHED, Labels
from atlas_ops.expressions.supply import Supply

_OF_ALERTS = (
    "alertname",
    "alertstate",
    conventions.SEVERITY,
    conventions.FAMILY,
    conventions.VARIANT,
    conventions.OBJECTIVE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """What the rules of a tree are judged by."""

    firing: Firing
    labels: Labels
    supplies: tuple[Supply, ...]


def judge(catalog: Catalog, written: Mapping[str, parser.Expr] | None = None, dialects: str = "") -> Judge:
    """Return the judge for a catalog; `written` are the recordings in force, else the catalog's own are."""
    own = [(recording.name, parser.parse(recording.expr)) for fault in catalog.faults for recording in fault.recordings]
    known = recorded(own) if written is None else written
    # A signal that is recorded of others' metrics is a signal all the same.
    known = {name: expr for name, expr in known.items() if name not in {signal.name for signal in catalog.signals}}
    series = {name: signal for signal in catalog.signals for name in signal.series}
    published = {
        name: frozenset(signal.labels) | ({"le"} if name.endswith("_bucket") else frozenset())
        for name, signal in series.items()
    }
    published |= {name: frozenset(labels) for name, labels in autoscalers.FOREIGN.items()}
    published |= {name: ATTACHED | {*labels} for name, labels in by_prometheus.SERIES.items()}
    # What an alert may carry: every label of every signal, and its own.
    carried = frozenset[str]().union(*published.values(), conventions.ALERT_LABELS, _OF_ALERTS)
    published |= dict.fromkeys(by_prometheus.ALERTS, carried)
    return Judge(
        firing=Firing(series=series, recorded=known, foreign=frozenset(autoscalers.FOREIGN)),
        labels=Labels(published, known),
        supplies=tuple(Supply(dialect=dialect) for dialect in load(dialects)),
    )


def recorded(found: Iterable[tuple[str, parser.Expr]]) -> Mapping[str, parser.Expr]:
    """Return recordings by name; one that several rules record is either of theirs."""
    known: dict[str, parser.Expr] = {}
    for name, expr in found:
        known[name] = parser.parse(f"({known[name].prettify()}) or ({expr.prettify()})") if name in known else expr
    return known
