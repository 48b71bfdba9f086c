"""The tables of how the rules of others did. Called by `atlas_ops.cli.rehearse`."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from atlas_ops.rehearsal.foreign import ALL, STOCK, Heard, never
from atlas_ops.rehearsal.report import MINUTES_OF_A_MONTH, Grid, listed, rate, span, time
from atlas_ops.rehearsal.rules import Rule

_TOLD = {STOCK: "a stock installation", ALL: "every signal"}


def grids(heard: Sequence[Heard], rules: Sequence[Rule]) -> tuple[Grid, ...]:
    """Return what was noticed of each fault, the false alarms, and the rules that can never fire."""
    found = (_faults(heard), _alarms(heard), _never(heard, rules))
    return tuple(grid for grid in found if grid.rows)


def _of(heard: Iterable[Heard], installation: str, scenario: str = "") -> list[Heard]:
    return [one for one in heard if one.installation == installation and scenario in ("", one.scenario)]


def _faults(heard: Sequence[Heard]) -> Grid:
    faults = {one.scenario: one.expected for one in heard if one.expected}
    notes = [f"with {_TOLD[kind]} {_noticed(heard, kind)}" for kind in _TOLD]
    return Grid(
        title="What the rules notice",
        head=("fault", "scenario", *(f"{column}, {kind}" for kind in _TOLD for column in ("woken", "after", "by"))),
        rows=tuple(
            (fault or "", scenario, *(cell for kind in _TOLD for cell in _cells(_of(heard, kind, scenario))))
            for scenario, fault in faults.items()
        ),
        numbers=frozenset((2, 3, 5, 6)),
        note=f"Somebody was woken: {'; '.join(notes)}.",
    )


def _noticed(heard: Sequence[Heard], kind: str) -> str:
    runs = [one for one in _of(heard, kind) if one.expected]
    return f"in {sum(one.after is not None for one in runs)} of {len(runs)} runs"


def _cells(runs: Sequence[Heard]) -> tuple[str, str, str]:
    times = [one.after for one in runs if one.after is not None]
    names = dict.fromkeys(name for one in runs for name in one.noticed)
    others = dict.fromkeys(f"({name})" for one in runs for name in one.others)
    return (
        f"{len(times)} of {len(runs)}",
        time(statistics.median(times)) if times else "-",
        ", ".join((*names, *others)) or "-",
    )


def _alarms(heard: Sequence[Heard]) -> Grid:
    calm = [one for one in heard if not one.expected]
    months = sum(one.model_minutes for one in _of(calm, STOCK)) / MINUTES_OF_A_MONTH
    kinds = _TOLD if calm else ()
    notes = [
        f"With {_TOLD[kind]}: {rate(sum(len(one.false) for one in _of(calm, kind)), months, 'pages')}" for kind in kinds
    ]
    return Grid(
        title="What wakes somebody for nothing",
        head=("scenario", *(f"false pages, {kind}" for kind in _TOLD)),
        rows=tuple(
            (scenario, *(listed(name for one in _of(calm, kind, scenario) for name in one.false) for kind in _TOLD))
            for scenario in dict.fromkeys(one.scenario for one in calm)
        ),
        note=f"{'. '.join(notes)}; in {span(months)}." if calm else "",
    )


def _never(heard: Sequence[Heard], rules: Sequence[Rule]) -> Grid:
    lacking = {kind: never(rules, _of(heard, kind)) for kind in _TOLD}
    names = dict.fromkeys(name for kind in _TOLD for name in lacking[kind])
    return Grid(
        title="What can never fire",
        head=("alert", *(f"lacks, {kind}" for kind in _TOLD)),
        rows=tuple(
            (name, *(", ".join(sorted(lacking[kind].get(name, ()))) or "-" for kind in _TOLD)) for name in names
        ),
        note="None of the metrics of these alerts was there in any run.",
    )
