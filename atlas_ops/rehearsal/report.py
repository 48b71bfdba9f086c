"""The tables of a rehearsal, as text for a terminal and as Markdown for the docs. Called by `atlas_ops.cli.rehearse`."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atlas_ops.rehearsal.verdict import Verdict

MINUTES_OF_A_MONTH = 30 * 24 * 60.0
_RULE_OF_THREE = 3.0
"""Of what was not seen once in n, there is with 95 % certainty no more than 3 in n."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table of texts; columns of numbers are marked, to stand to the right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    note: str = ""


def grids(verdicts: Sequence[Verdict]) -> tuple[Grid, ...]:
    """Return the table of the faults, and that of what only looks like one."""
    faults = _by_scenario(verdict for verdict in verdicts if verdict.expected)
    calm = _by_scenario(verdict for verdict in verdicts if not verdict.expected)
    return tuple(grid for grid in (_faults(faults), _calm(calm)) if grid.rows)


def _by_scenario(verdicts: Iterable[Verdict]) -> list[list[Verdict]]:
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.scenario, []).append(verdict)
    return [sorted(group, key=lambda verdict: verdict.seed) for group in groups.values()]


def _faults(groups: Sequence[Sequence[Verdict]]) -> Grid:
    rows = tuple(_fault(group) for group in groups)
    detected = sum(verdict.told_after is not None for group in groups for verdict in group)
    wrong = sum(len(verdict.pages) for group in groups for verdict in group)
    runs = sum(map(len, groups))
    return Grid(
        title="Faults",
        head=(
            "fault",
            "scenario",
            "told as",
            "detected",
            "after, median",
            "at worst",
            "wrong pages",
            "wrong tickets",
            "again",
        ),
        rows=rows,
        numbers=frozenset((3, 4, 5, 8)),
        note=f"{detected} of {runs} runs detected, {wrong} wrong pages.",
    )


def _fault(group: Sequence[Verdict]) -> tuple[str, ...]:
    times = [verdict.told_after for verdict in group if verdict.told_after is not None]
    return (
        group[0].expected or "",
        group[0].scenario,
        "/".join(sorted({verdict.severity for verdict in group if verdict.severity})) or "-",
        f"{len(times)} of {len(group)}",
        time(statistics.median(times)) if times else "-",
        time(max(times)) if times else "-",
        listed(name for verdict in group for name in verdict.pages),
        listed(name for verdict in group for name in verdict.tickets),
        str(sum(verdict.repeats for verdict in group)),
    )


def _calm(groups: Sequence[Sequence[Verdict]]) -> Grid:
    every = [verdict for group in groups for verdict in group]
    months = sum(verdict.model_minutes for verdict in every) / MINUTES_OF_A_MONTH
    pages, tickets = (
        (sum(len(names) for names in found) for found in zip(*((v.pages, v.tickets) for v in every), strict=True))
        if every
        else (0, 0)
    )
    return Grid(
        title="What only looks like a fault",
        head=("scenario", "runs", "false pages", "false tickets"),
        rows=tuple(
            (
                group[0].scenario,
                str(len(group)),
                listed(name for verdict in group for name in verdict.pages),
                listed(name for verdict in group for name in verdict.tickets),
            )
            for group in groups
        ),
        numbers=frozenset((1,)),
        note=f"{rate(pages, months, 'pages')}, {rate(tickets, months, 'tickets')}, in {span(months)}." if every else "",
    )


def rate(count: int, months: float, what: str) -> str:
    """Return how many false pages or tickets there were, and in a model-month."""
    if not count:
        return f"no false {what} (at most {_RULE_OF_THREE / months:.3g} in a model-month, with 95 % certainty)"
    return f"{count} false {what} ({count / months:.3g} in a model-month)"


def span(months: float) -> str:
    """Return a time of one model for people."""
    return f"{months:.2f} model-months" if months >= 0.1 else f"{months * 720:.1f} model-hours"


def listed(names: Iterable[str]) -> str:
    """Return names with how often each is there."""
    counts = Counter(names)
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "-"


def time(seconds: float) -> str:
    """Return a time for people."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def text(found: Iterable[Grid]) -> str:
    """Return the tables for a terminal."""
    return "\n\n".join(_plain(grid) for grid in found) + "\n"


def _plain(grid: Grid) -> str:
    widths = [max(len(row[place]) for row in (grid.head, *grid.rows)) for place in range(len(grid.head))]
    lines = ["  ".join(_padded(row, widths, grid.numbers)).rstrip() for row in (grid.head, *grid.rows)]
    return "\n".join((grid.title, *lines, grid.note))


def _padded(row: Sequence[str], widths: Sequence[int], numbers: frozenset[int]) -> list[str]:
    cells = zip(row, widths, strict=True)
    return [cell.rjust(width) if place in numbers else cell.ljust(width) for place, (cell, width) in enumerate(cells)]


def markdown(found: Iterable[Grid], *, heading: str, preface: str) -> str:
    """Return the tables as a page of the docs."""
    return "\n\n".join((f"# {heading}", preface, *(_table(grid) for grid in found))) + "\n"


def _table(grid: Grid) -> str:
    rules = ["---:" if place in grid.numbers else "---" for place in range(len(grid.head))]
    rows = [" | ".join(row) for row in (grid.head, rules, *grid.rows)]
    return "\n\n".join((f"## {grid.title}", "\n".join(f"| {row} |" for row in rows), grid.note))
