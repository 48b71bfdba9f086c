"""Where panels lie on Grafana's grid. Called by `grafana`, and by what makes rows of a number of panels not known before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from atlas_ops.render.dashboards.panels import GRID_WIDTH, Panel, Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A rectangle on Grafana's grid: `x` and `width` in columns of 24, `y` and `height` in units of 30 pixels."""

    x: int
    y: int
    width: int
    height: int


def placed(rows: tuple[Row, ...]) -> Iterator[tuple[Row | Panel, Place]]:
    """Lay rows and panels out like text: left to right, a new line where the next panel does not fit."""
    y = 0
    for row in rows:
        yield row, Place(x=0, y=y, width=GRID_WIDTH, height=1)
        y += 1
        x = line = 0
        for panel in row.panels:
            if x + panel.width > GRID_WIDTH:
                x, y, line = 0, y + line, 0
            yield panel, Place(x=x, y=y, width=panel.width, height=panel.height)
            x, line = x + panel.width, max(line, panel.height)
        y += line


def full_lines(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    """Return the panels of a row, widened where they would not fill a line."""
    return tuple(panel for line in _lines(panels) for panel in _full(line))


def _lines(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    line: list[Panel] = []
    for panel in panels:
        if sum(one.width for one in (*line, panel)) > GRID_WIDTH:
            yield line
            line = []
        line.append(panel)
    yield line


def _full(line: Sequence[Panel]) -> Iterator[Panel]:
    each, rest = divmod(GRID_WIDTH - sum(panel.width for panel in line), max(len(line), 1))
    for place, panel in enumerate(line):
        yield replace(panel, width=panel.width + each + (place < rest))
