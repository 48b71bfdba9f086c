"""The records that scenarios are made of. Written down in `simulator.scenarios`; played by `simulator.fleet`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from atlas_ops.catalog.model import Severity
from atlas_ops.simulator.effects import Effect


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A part of a scenario's course."""

    effect: Effect
    minutes: float = math.inf
    """How long it lasts; the course begins anew after its last phase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Something that can be switched on and off: a fault with the alert that it has to raise, or what only looks like one.

    Minutes are those of production; the demo profile shortens them as it shortens the windows of the rules.
    """

    name: str
    description: str
    """One sentence for people: what happens to whom."""
    expected_fault: str | None = None
    """The alert that it has to raise; None: it must raise none at all."""
    companions: Mapping[str, Severity] = field(default_factory=dict)
    """Alerts that may come along and are right, and how grave: other sides of the same fault that nothing inhibits."""
    look_alike_of: tuple[str, ...] = ()
    """The faults that it looks like."""
    course: tuple[Phase, ...]
    """What happens while it is switched on."""
    calm: Effect
    """What happens while it is not."""
    calm_minutes: float = 40.0
    """How much calm a rehearsal plays before it; windows and baselines of the rules look back on it."""
    active_minutes: float = 20.0
    after_minutes: float = 15.0
    history_days: float = 0.0
    """How many days of calm, by day and night, lie before: for rules that compare with other days."""
    servers: int = 2

    @property
    def touched(self) -> frozenset[int]:
        """Numbers of the servers and GPUs to which something is done that is not done to the others."""
        effects = [phase.effect for phase in self.course]
        return frozenset(
            index
            for index in range(self.servers)
            for effect in effects
            if effect.server(index) not in (effect.every_server, self.calm.server(index))
            or effect.gpu(index) != effect.every_gpu
        )

    def effect(self, active_seconds: float | None, *, scale: float = 1.0) -> Effect:
        """Return what it does after being switched on for `active_seconds` (None: it is off). `scale` shortens the phases."""
        if active_seconds is None:
            return self.calm
        whole = sum(phase.minutes for phase in self.course) * 60 * scale
        left = active_seconds % whole if math.isfinite(whole) else active_seconds
        for phase in self.course:
            left -= phase.minutes * 60 * scale
            if left < 0:
                return phase.effect
        return self.course[-1].effect
