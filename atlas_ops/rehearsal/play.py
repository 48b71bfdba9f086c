"""A scenario in simulated time: calm, the fault, and the time after it, as Prometheus would have scraped it.

Called by `rehearse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atlas_ops.catalog.parameters import Timing
from atlas_ops.rehearsal.exporter import TARGET, Exporter, Others
from atlas_ops.rehearsal.history import with_history
from atlas_ops.rehearsal.native import NativePages
from atlas_ops.rehearsal.replay import Evaluations
from atlas_ops.rehearsal.samples import Series, Sheet, Table
from atlas_ops.simulator import Fleet, Scenario
from atlas_ops.simulator.effects import Effect
from atlas_ops.simulator.fleet import DEFAULT_START
from atlas_ops.simulator.trace import Trace

TICK_SECONDS = 1.0
"""Of simulated time: short against the patience of clients and the inertia of heat."""
_DOWN = (Series("up", TARGET), Series("scrape_duration_seconds", TARGET))
_TIMEOUT_SECONDS = 10.0
"""How long Prometheus waits for a target that hangs, unless it is told otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """What was scraped, when the rules are asked, and when the fault was on. Unix seconds."""

    table: Table
    evaluations: Evaluations
    """Of the alerts."""
    recordings: Evaluations
    """The same, and in the days before."""
    began: float
    fault_from: float
    fault_to: float

    @property
    def minutes(self) -> float:
        """How long it lasted."""
        return (self.evaluations.end - self.began) / 60


class Course:
    """The calm before a scenario, to be gone on with once. Scenarios that begin alike can share it (see `begins_like`).

    The same seed gives the same course, and so do the same `traces`, from which requests are taken if there are any.
    `native`: what Prometheus gets without atlas-ops is there as well.
    """

    def __init__(
        self, scenario: Scenario, *, seed: int, timing: Timing, traces: Sequence[Trace] = (), native: bool = False
    ) -> None:
        self._timing = timing
        self._fleet = Fleet(scenario=scenario, seed=seed, replicas=scenario.servers, tick=TICK_SECONDS, traces=traces)
        self._exporter, self._restarts = Exporter(self._fleet, epoch=DEFAULT_START), 0
        self._others = Others(self._fleet)
        self._native = NativePages(self._fleet) if native else None
        self._sheet = Sheet()
        self._away: list[tuple[float, float]] = []
        self._pass(scenario.calm_minutes)
        self._seed, self._calm = seed, len(self._sheet.times)

    def finish(self, scenario: Scenario) -> Play:
        """Let the scenario happen, and be over."""
        self._fleet.choose(scenario)
        fault_from = self._now
        self._fleet.set_fault(active=True)
        self._pass(scenario.active_minutes)
        fault_to = self._now
        self._fleet.set_fault(active=False)
        self._pass(scenario.after_minutes)
        self._exporter.close()
        table = self._sheet.table()
        if scenario.history_days:
            table = with_history(table, calm=self._calm, days=scenario.history_days, seed=self._seed)
        return Play(
            table=table,
            evaluations=self._evaluations(DEFAULT_START + self._timing.scrape_seconds),
            recordings=self._evaluations(float(table.times[0]) / 1000),
            began=DEFAULT_START,
            fault_from=fault_from,
            fault_to=fault_to,
        )

    def _evaluations(self, first_scrape: float) -> Evaluations:
        # Rules are asked at another moment than targets; half an interval later is the mean of what happens.
        step = self._timing.evaluation_seconds
        return Evaluations(start=first_scrape + step / 2, end=self._now, step=step, away=tuple(self._away))

    @property
    def _now(self) -> float:
        return DEFAULT_START + self._fleet.now

    def _pass(self, minutes: float) -> None:
        for _ in range(round(minutes * 60 / self._timing.scrape_seconds)):
            self._fleet.advance(self._timing.scrape_seconds)
            self._look(self._fleet.effect)

    def _look(self, effect: Effect) -> None:
        if self._fleet.exporter_restarts != self._restarts:
            self._restarts = self._fleet.exporter_restarts
            self._exporter.close()
            self._exporter = Exporter(self._fleet, epoch=DEFAULT_START)
        if effect.prometheus_away:
            self._away.append((self._now - self._timing.scrape_seconds, self._now))
            return
        self._sheet.begin(round(self._now * 1000))
        if effect.scrape_lost:
            self._sheet.put(_DOWN, (0.0, _TIMEOUT_SECONDS))
        else:
            gpus = self._exporter.scrape(self._sheet)
            if self._native is not None:
                self._native.scrape(self._sheet, gpus)
        self._others.scrape(self._sheet)


def begins_like(one: Scenario, other: Scenario) -> bool:
    """Say whether the calm before two scenarios is the same."""
    return (one.calm, one.calm_minutes, one.servers, one.history_days) == (
        other.calm, other.calm_minutes, other.servers, other.history_days,
    )  # fmt: skip
