"""Leaves out of a dashboard what the settings say that nobody tells, and says so at its end.

Which runtimes there are is known where every server names its own: then what asks for a signal that they do not tell would be
empty for ever, and so would what asks for probes if no server has one. It is judged as alerts are that cannot fire
(`expressions`). Called by the package.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import ascii_uppercase

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog, Signal
from atlas_ops.expressions import parsed, placeholders
from atlas_ops.expressions.judge import judge
from atlas_ops.render.dashboards import panels as p
from atlas_ops.render.dashboards.grid import full_lines
from atlas_ops.settings import Settings

KEY = "left-out"
_OF_GPUS, _OF_PROBES = f"{c.PREFIX}gpu_", f"{c.PREFIX}probe"
_LABEL = re.compile(r"\{\{.*?\}\}")
Reasons = tuple[str, ...]
Why = Callable[[p.Query], Reasons]
"""Says why a query has nothing to show; nothing where it may have."""
Lacking = list[tuple[str, Reasons]]
"""What was left out, for people, and why."""


def covered(boards: Sequence[p.Board], catalog: Catalog, settings: Settings) -> tuple[p.Board, ...]:
    """Return the dashboards without what cannot be shown with these settings."""
    runtimes = _runtimes(settings)
    off = _off(catalog, settings, known=bool(runtimes))
    if not runtimes and not off:
        return tuple(boards)
    judged = judge(catalog, dialects=settings.exporter.dialects)
    supplies = [
        dataclasses.replace(supply, off=off)
        for supply in judged.supplies
        if not runtimes or supply.dialect.runtime in runtimes
    ]

    def why(query: p.Query) -> Reasons:
        expr = parsed(placeholders.filled(query.expr))
        reasons = () if expr is None else judged.firing.silent(expr, supplies)
        # What is switched off is reason enough.
        return tuple(reason for reason in reasons if reason in off.values()) or reasons

    linked = frozenset(p.of_fault(fault) for fault in catalog.faults)
    return tuple(_board(board, why, linked) for board in boards)


def _runtimes(settings: Settings) -> frozenset[str]:
    """Return the runtimes of all servers; none where there may be others."""
    found = {server.runtime for server in settings.servers} | {native.runtime for native in settings.native}
    others = "" in found or settings.discovery.files or settings.discovery.kubernetes
    return frozenset() if others else frozenset(found)


def _off(catalog: Catalog, settings: Settings, *, known: bool) -> Mapping[Signal, str]:
    """Return what nobody tells, whatever the runtime; `known`: there are no servers but those of the settings."""
    off: dict[Signal, str] = {}
    if not settings.exporter.gpus:
        of_gpus = (one for one in catalog.signals if c.GPU in one.labels or one.name.startswith(_OF_GPUS))
        off |= dict.fromkeys(of_gpus, "`exporter.gpus` is false")
    if known and not any(server.probes for server in settings.servers):
        probes = (one for one in catalog.signals if one.name.startswith(_OF_PROBES))
        off |= dict.fromkeys(probes, "no server has `probes`")
    return off


def _board(board: p.Board, why: Why, linked: frozenset[str]) -> p.Board:
    lacking: Lacking = []
    rows = [row for whole in board.rows if (row := _row(whole, why, linked, lacking)).panels]
    if not lacking:
        return dataclasses.replace(board, rows=tuple(rows))
    rows.append(p.Row(key=f"{KEY}-row", title="Left out", panels=(_note(lacking),)))
    return dataclasses.replace(board, rows=tuple(rows), variables=_used(board.variables, rows))


def _used(variables: Sequence[p.Variable], rows: Sequence[p.Row]) -> tuple[p.Variable, ...]:
    """Return the variables that something still depends on, be it a variable after them."""
    asked = [query.expr for row in rows for panel in row.panels for query in p.queries(panel)]
    names = {row.repeat for row in rows}.union(*map(placeholders.variables, asked))
    kept: list[p.Variable] = []
    for variable in reversed(variables):
        if variable.name in names:
            names.update(placeholders.variables(variable.metric))
            kept.insert(0, variable)
    return tuple(kept)


def _row(row: p.Row, why: Why, linked: frozenset[str], lacking: Lacking) -> p.Row:
    panels = tuple(left for panel in row.panels if (left := _panel(panel, why, linked, lacking)) is not None)
    return dataclasses.replace(row, panels=panels if len(panels) == len(row.panels) else full_lines(panels))


def _panel(panel: p.Panel, why: Why, linked: frozenset[str], lacking: Lacking) -> p.Panel | None:
    asked = [(query, why(query)) for query in p.queries(panel)]
    kept = [place for place, (_, reasons) in enumerate(asked) if not reasons]
    if len(kept) == len(asked):
        return panel
    silent = tuple(dict.fromkeys(reason for _, reasons in asked for reason in reasons))
    if kept:
        lacking += [(f"{panel.title}: {_name(query)}", reasons) for query, reasons in asked if reasons]
        return _with(panel, kept)
    if panel.key in linked:
        # Alerts link to it, so there has to be something to see.
        text = f"Nothing to show here, because {_because(silent)}."
        return p.Note(key=panel.key, title=panel.title, text=text, width=panel.width, height=panel.height)
    lacking.append((panel.title, silent))
    return None


def _with(panel: p.Panel, kept: Sequence[int]) -> p.Panel:
    """Return a panel with some of its queries; only kinds with several come here."""
    assert isinstance(panel, p.Chart | p.States | p.Table)
    queries = tuple(panel.queries[place] for place in kept)
    if isinstance(panel, p.Table):
        return dataclasses.replace(panel, queries=queries, columns=tuple(_columns(panel.columns, kept)))
    return dataclasses.replace(panel, queries=queries)


def _columns(columns: Sequence[p.Column], kept: Sequence[int]) -> Iterator[p.Column]:
    values = {_value(old): _value(new) for new, old in enumerate(kept)}
    for column in columns:
        if column.source in values or not column.source.startswith("Value #"):
            yield dataclasses.replace(column, source=values.get(column.source, column.source))


def _value(place: int) -> str:
    return f"Value #{ascii_uppercase[place]}"


def _name(query: p.Query) -> str:
    """Return what a legend says beside the labels, such as `waiting`."""
    return " ".join(_LABEL.sub("", query.legend).split()) or query.legend


def _because(reasons: Reasons) -> str:
    """Return the reasons as one, with all that a runtime does not tell behind its name."""
    by_start: dict[str, list[str]] = {}
    for reason in reasons:
        start, between, signal = reason.partition(" does not tell ")
        by_start.setdefault(start + between, []).extend([signal] if signal else [])
    return "; ".join(start + " or ".join(signals) for start, signals in by_start.items())


def _note(lacking: Lacking) -> p.Note:
    by_reason: dict[Reasons, list[str]] = {}
    for what, reasons in lacking:
        by_reason.setdefault(reasons, []).append(what)
    lines = [f"- {', '.join(what)}, because {_because(reasons)}." for reasons, what in by_reason.items()]
    text = "\n".join(("Left out, as nobody can tell it with these settings:", "", *lines))
    return p.Note(key=KEY, title="Left out", text=text, height=2 + len(lines))
