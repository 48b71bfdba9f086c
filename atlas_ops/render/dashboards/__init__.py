"""Prints `dashboards/*.json`: a dashboard for each question that people have.

`panels` are the words, `parts` what can be shown, `boards` the dashboards, which `narrowing` and `pacing` go over; `coverage` leaves
out what cannot be shown with the user's settings; `shapes` and `grafana` make Grafana's JSON of it, with the colours of `colours`.
Called by `render`.
"""

from __future__ import annotations

from atlas_ops.catalog.model import Catalog
from atlas_ops.render.dashboards import boards, coverage, grafana
from atlas_ops.render.dashboards.descriptions import describer
from atlas_ops.settings import Settings


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return the file of each dashboard."""
    describe = describer(catalog, settings)
    return {
        f"dashboards/{board.name}.json": grafana.text(board, describe, settings)
        for board in coverage.covered(boards.build(catalog, settings), catalog, settings)
    }
