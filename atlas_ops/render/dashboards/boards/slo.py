"""`slo`: what was promised, how much of the budgets is left, and how fast they burn."""

from __future__ import annotations

from atlas_ops.catalog.model import Catalog
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Board, Row
from atlas_ops.render.dashboards.parts import levels, slo
from atlas_ops.settings import Settings

_QUARTER, _HALF = 6, 12


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    del catalog
    parameters, picked = settings.parameters, variables.picked(*variables.OF_MODELS)
    courses = (slo.budget_course(level, parameters, slo.BY, *picked, width=_QUARTER) for level in levels.LEVELS)
    burns = (
        Row(
            key=f"burns-{level.key}",
            title=f"{level.title}: how fast does the budget burn?",
            panels=tuple(slo.burn_rate(level, pair, parameters, slo.BY, *picked, width=_HALF) for pair in slo.BURNS),
        )
        for level in levels.LEVELS
    )
    return Board(
        name="slo",
        title="Service levels",
        question="Are the promises kept, how much may still go wrong, and how fast is it going?",
        variables=variables.of_models(),
        rows=(
            Row(key="promised", title="What was promised?", panels=(levels.objectives(parameters),)),
            Row(
                key="budgets",
                title="How much may still go wrong?",
                panels=(slo.budgets_left(parameters, *picked), *courses),
            ),
            *burns,
        ),
        hours=24,
    )
