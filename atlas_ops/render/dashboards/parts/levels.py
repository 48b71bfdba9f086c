"""The service levels as people read them: which there are, and what was promised for which models. Called by `slo` and `boards`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog.faults import burn
from atlas_ops.catalog.parameters import Objective, Parameters
from atlas_ops.render.dashboards.panels import Note
from atlas_ops.render.dashboards.parts import latency

DAYS = 30
"""The period of all objectives, which the factors of burn rates are made for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """One promise: what it is called, where it is recorded, and who watches it."""

    key: str
    """Stem of the keys of its panels."""
    title: str
    bad: str
    """What uses its budget up."""
    stem: str
    """As in the names of its recordings (`burn.Indicator`)."""
    target: Callable[[Objective], float]
    within: Callable[[Objective], float] | None
    """Seconds, of a promise about latency."""
    fault: str

    @property
    def recorded(self) -> burn.Indicator:
        """Its recordings by name; what they count is the fault's matter."""
        return burn.Indicator(stem=self.stem, every="", good="", target=self.target, minimum=())

    def promise(self, objective: Objective) -> str:
        """Return what an objective promises, in words."""
        share = _percent(self.target(objective))
        return f"{share} within {promql.number(self.within(objective))} s" if self.within else share


LEVELS = (
    Level(
        key="availability",
        title="Answered",
        bad="requests that failed, timed out or were rejected",
        stem="atlas_availability",
        target=lambda objective: objective.availability_target,
        within=None,
        fault="AvailabilitySloBurn",
    ),
    *(
        Level(
            key=wait.key,
            title=wait.title,
            bad=wait.late,
            stem=wait.signal.name.removesuffix("_seconds"),
            target=wait.target,
            within=wait.seconds,
            fault=wait.fault,
        )
        for wait in latency.PROMISED
    ),
)


def objectives(parameters: Parameters) -> Note:
    """Return what was promised, and for which models."""
    head = ("Models", *(level.title for level in LEVELS))
    lines = [
        (f"`{objective.model}`".replace("|", "\\|"), *(level.promise(objective) for level in LEVELS))
        for objective in parameters.objectives
    ]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *lines))
    return Note(
        key="objectives",
        title="What was promised",
        text=(
            f"Over {DAYS} days, by `objectives` in `atlas-ops.yaml`. The first line whose pattern fits a model is the one that "
            f"holds for it; `*` fits all.\n\n{table}"
        ),
        height=min(4 + len(lines), 12),
    )


def _percent(share: float) -> str:
    return f"{promql.number(round(share * 100, 6))} %"
