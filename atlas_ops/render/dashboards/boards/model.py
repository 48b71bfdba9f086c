"""`model`: how one model is doing."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Board, Row
from atlas_ops.render.dashboards.parts import requests
from atlas_ops.settings import Settings

_BY = (c.MODEL,)


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    del catalog, settings
    picked = variables.picked(*variables.OF_MODELS)
    return Board(
        name="model",
        title="Model",
        question="How is this model doing: how fast, how busy, how well, on which replicas?",
        variables=variables.of_models(),
        rows=(
            Row(
                key="requests",
                title="Requests",
                panels=(requests.by_outcome(_BY, *picked), requests.present(_BY, *picked)),
            ),
        ),
    )
