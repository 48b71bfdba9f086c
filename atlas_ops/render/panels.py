"""What a dashboard consists of, in our own words: charts, numbers, notes and rows, and where they lie on the grid.

Filled by `render.overview`; turned into Grafana's JSON by `render.dashboards`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

GRID_WIDTH = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One PromQL expression and the name of its series."""

    expr: str
    legend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Values over time, with a red line at `limit` (in the chart's unit)."""

    id: int
    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str
    """Grafana's unit id, such as `s`, `percentunit`, `short`."""
    limit: float | None = None
    width: int = 8
    height: int = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """One value of now: green, and red from `limit` on."""

    id: int
    title: str
    description: str
    query: Query
    unit: str
    limit: float | None = None
    width: int = 4
    height: int = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Text for the reader, in Markdown."""

    id: int
    title: str
    description: str
    text: str
    width: int = GRID_WIDTH
    height: int = 4


Panel = Chart | Number | Note


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A heading and the panels below it, in reading order."""

    id: int
    title: str
    panels: tuple[Panel, ...]


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
