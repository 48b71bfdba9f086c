"""A scenario in simulated time: calm, the fault, and the time after it, as Prometheus would have scraped it.

Called by `rehearse`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from atlas_ops.catalog.parameters import Timing
from atlas_ops.rehearsal.exporter import TARGET, Exporter, Others
from atlas_ops.rehearsal.replay import Evaluations
from atlas_ops.rehearsal.samples import Series, Sheet, Table
from atlas_ops.simulator import Fleet, Scenario
from atlas_ops.simulator.effects import Effect
from atlas_ops.simulator.fleet import DEFAULT_START

_DOWN = (Series("up", TARGET),)


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """What was scraped, when the rules are asked, and when the fault was on. Unix seconds."""

    table: Table
    evaluations: Evaluations
    began: float
    fault_from: float
    fault_to: float
    models: int = 1

    @property
    def minutes(self) -> float:
        """How long it lasted."""
        return (self.evaluations.end - self.began) / 60


@dataclass(kw_only=True)
class _Course:
    """The scraping of one run."""

    fleet: Fleet
    interval: float
    sheet: Sheet = field(default_factory=Sheet)
    away: list[tuple[float, float]] = field(default_factory=list)
    _restarting: bool = False

    def __post_init__(self) -> None:
        self._exporter = Exporter(self.fleet, epoch=DEFAULT_START)
        self._others = Others(self.fleet)

    def run(self, minutes: float) -> None:
        """Let time pass."""
        for _ in range(round(minutes * 60 / self.interval)):
            self.fleet.advance(self.interval)
            self._look(self.fleet.effect)

    def close(self) -> None:
        """Let go of the simulated driver."""
        self._exporter.close()

    def _look(self, effect: Effect) -> None:
        now = DEFAULT_START + self.fleet.now
        if effect.exporter_restarts and not self._restarting:
            self._exporter.close()
            self._exporter = Exporter(self.fleet, epoch=DEFAULT_START)
        self._restarting = effect.exporter_restarts
        if effect.prometheus_away:
            self.away.append((now - self.interval, now))
            return
        self.sheet.begin(round(now * 1000))
        if effect.scrape_lost:
            self.sheet.put(_DOWN, (0.0,))
        else:
            self._exporter.scrape(self.sheet, effect)
        self._others.scrape(self.sheet)


def play(scenario: Scenario, *, seed: int, timing: Timing) -> Play:
    """Play a scenario once. The same seed gives the same course."""
    fleet = Fleet(scenario=scenario, seed=seed, replicas=scenario.servers)
    course = _Course(fleet=fleet, interval=timing.scrape_seconds)
    with contextlib.closing(course):
        course.run(scenario.calm_minutes)
        fault_from = DEFAULT_START + fleet.now
        fleet.set_fault(active=True)
        course.run(scenario.active_minutes)
        fault_to = DEFAULT_START + fleet.now
        fleet.set_fault(active=False)
        course.run(scenario.after_minutes)
    # Rules are asked at another moment than targets; half an interval later is the mean of what happens.
    first = DEFAULT_START + timing.scrape_seconds + timing.evaluation_seconds / 2
    evaluations = Evaluations(
        start=first, end=DEFAULT_START + fleet.now, step=timing.evaluation_seconds, away=tuple(course.away)
    )
    return Play(
        table=course.sheet.table(),
        evaluations=evaluations,
        began=DEFAULT_START,
        fault_from=fault_from,
        fault_to=fault_to,
    )
