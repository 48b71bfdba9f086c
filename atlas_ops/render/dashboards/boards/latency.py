"""`latency`: how long users wait, where the time goes, and whether it is longer than usual."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog, Family
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Board, Row
from atlas_ops.render.dashboards.parts import faults, latency, regression, workload
from atlas_ops.settings import Settings

_BY = (c.MODEL,)
_QUARTER = 6
"""Width of one of four: each column is one part of the wait."""


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    picked = variables.picked(*variables.OF_MODELS)
    return Board(
        name="latency",
        title="Latency",
        question="How long do users wait, for what, and is it longer than was promised or than is usual?",
        variables=variables.of_models(),
        rows=(
            *_waits(settings, picked),
            _slower(settings, picked),
            _work(settings, picked),
            faults.row(Family.LATENCY, catalog),
        ),
    )


def _waits(settings: Settings, picked: tuple[str, ...]) -> tuple[Row, ...]:
    waits, parameters = latency.WAITS, settings.parameters
    within = (
        *(latency.within_of_models(wait, parameters, _BY, *picked, width=_QUARTER) for wait in latency.PROMISED),
        latency.within(latency.IN_QUEUE, parameters, _BY, *picked, width=_QUARTER),
    )
    means = tuple(latency.mean(wait, _BY, *picked, width=_QUARTER) for wait in waits)
    heatmaps = tuple(latency.heatmap(wait, *picked, width=_QUARTER) for wait in waits)
    return (
        Row(key="within", title="As fast as promised?", panels=within),
        Row(key="means", title="On average", panels=means),
        Row(key="heatmaps", title="How the times are spread", panels=heatmaps),
    )


def _slower(settings: Settings, picked: tuple[str, ...]) -> Row:
    limits = settings.parameters.limits
    return Row(
        key="slower",
        title="Slower than usual?",
        panels=(
            regression.slow_now(limits, *picked),
            regression.against_usual(limits, *picked),
            regression.times_usual(limits, *picked),
            regression.of_canary(limits, *picked),
            regression.of_means(*picked),
            regression.explained(*picked),
        ),
    )


def _work(settings: Settings, picked: tuple[str, ...]) -> Row:
    return Row(
        key="work",
        title="Is it the work?",
        panels=(
            workload.tokens_per_request(*picked),
            workload.requests(settings.parameters.timing, _BY, *picked),
            workload.queue_share(_BY, *picked),
        ),
    )
