"""Where panels lie: within Grafana's grid, none on another, each with an id of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from atlas_ops.check.dashboards.reading import Dashboard, Mistake, Part, named
from atlas_ops.render.dashboards.panels import GRID_WIDTH

_PLACE = f"x, y >= 0, w, h >= 1, x + w <= {GRID_WIDTH}"


def check(dashboard: Dashboard) -> Iterator[Mistake]:
    """Find panels that cover each other, leave the grid, or share an id."""
    outer = dashboard.root.parts("panels")
    for group in (outer, *(row.parts("panels") for row in outer)):
        placed = [panel for panel in group if _fits(panel)]
        for panel in group:
            if panel not in placed:
                found = dict(panel.part("gridPos").body)
                told = f"{named(panel)} has no place on the grid: found {found}, expected whole numbers {_PLACE}"
                yield panel.mistake("gridPos", told, "give it a place, or less width")
        yield from _overlaps(placed)
    yield from _ids(dashboard.panels)


def _box(panel: Part) -> tuple[int, int, int, int]:
    place = panel.part("gridPos")
    x, y, width, height = (-1 if (value := place.number(key)) is None else value for key in "xywh")
    return x, y, width, height


def _fits(panel: Part) -> bool:
    x, y, width, height = _box(panel)
    return x >= 0 and y >= 0 and width >= 1 and height >= 1 and x + width <= GRID_WIDTH


def _overlaps(panels: Sequence[Part]) -> Iterator[Mistake]:
    for one, other in itertools.combinations(panels, 2):
        (x, y, width, height), (x2, y2, width2, height2) = _box(one), _box(other)
        if x < x2 + width2 and x2 < x + width and y < y2 + height2 and y2 < y + height:
            yield other.mistake("gridPos", f"{named(other)} lies on {named(one)}", "move one of them")


def _ids(panels: Sequence[Part]) -> Iterator[Mistake]:
    seen: dict[int, Part] = {}
    for panel in panels:
        number = panel.number("id")
        if number is None or number < 1:
            told = f"{named(panel)} has no id: found {panel.body.get('id')!r}, expected a whole number from 1 on"
            yield panel.mistake("id", told, "give it one that never changes: links to the panel name it")
        elif number in seen:
            yield panel.mistake("id", f"{named(panel)} has the id of {named(seen[number])}", "give it one of its own")
        else:
            seen[number] = panel
