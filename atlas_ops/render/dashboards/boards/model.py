"""`model`: how one model is doing."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Board, Row
from atlas_ops.render.dashboards.parts import cache, extras, queue, replicas, requests, serving, spread, tokens
from atlas_ops.settings import Settings

_BY = (c.MODEL,)
_PICKED = variables.picked(*variables.OF_MODELS)


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    del catalog
    return Board(
        name="model",
        title="Model",
        question="How is this model doing: how fast, how busy, how well, on which replicas?",
        variables=variables.opening_on_one(variables.MODEL, variables.of_models()),
        rows=(
            _glance(settings),
            *serving.rows(settings.parameters, _BY, *_PICKED),
            _extras(),
            _replicas(settings),
        ),
    )


def _glance(settings: Settings) -> Row:
    parameters = settings.parameters
    return Row(
        key="glance",
        title="At a glance",
        panels=(
            requests.per_second(_BY, *_PICKED),
            requests.answered(parameters, _BY, *_PICKED),
            tokens.first_in_time(parameters, _BY, *_PICKED),
            queue.waiting(_BY, *_PICKED),
            cache.fullest(_BY, *_PICKED),
            replicas.share_ready(parameters.timing, _BY, *_PICKED),
        ),
    )


def _extras() -> Row:
    return Row(
        key="extras",
        title="Speculation and adapters",
        panels=(extras.accepted(_BY, *_PICKED), extras.adapters(_BY, *_PICKED)),
    )


def _replicas(settings: Settings) -> Row:
    parameters = settings.parameters
    return Row(
        key="replicas",
        title="Replicas",
        panels=(
            replicas.table(parameters.timing, *_PICKED),
            replicas.count(parameters.timing, _BY, *_PICKED),
            spread.load(*_PICKED),
            spread.pace(*_PICKED),
            spread.slowness(parameters, *_PICKED),
        ),
    )
