"""`drift`: whether what comes in and goes out is still what the models were made for."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog, Family
from atlas_ops.render.dashboards import variables as v
from atlas_ops.render.dashboards.panels import Board, Row
from atlas_ops.render.dashboards.parts import drift, faults, workload
from atlas_ops.settings import Settings


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    parameters = settings.parameters
    # Tokens and latency have no feature that a detector knows.
    of_features, of_models = v.picked(*v.OF_DRIFT), v.picked(v.CLUSTER, v.MODEL)
    return Board(
        name="drift",
        title="Drift",
        question="Are inputs, answers and embeddings still like the reference, and requests like those of the day before?",
        variables=v.of_drift(),
        rows=(
            Row(
                key="drift-now",
                title="What the detectors find",
                panels=(
                    drift.drifted(*of_features),
                    drift.watched(*of_features),
                    drift.last_round(parameters),
                    drift.verdicts(*of_features),
                    drift.scores(*of_features),
                    drift.features(*of_features),
                    drift.bins(parameters, *of_features),
                    drift.models(*of_models),
                    drift.references(*of_models),
                ),
            ),
            Row(
                key="drift-workload",
                title="What is asked, against the day before",
                panels=(
                    workload.tokens_per_request(*of_models),
                    drift.mix_shift(parameters, *of_models),
                    drift.mix_slowdown(parameters, *of_models),
                    workload.ends((c.MODEL,), *of_models),
                ),
            ),
            faults.row(Family.DRIFT, catalog),
        ),
        hours=24,
    )
