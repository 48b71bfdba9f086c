"""A fleet that does not exist: model servers, their GPUs, and the fault that a scenario brings.

Called by `simulator.server`, and by rehearsals, tests and benchmarks that want simulated time without HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from atlas_ops.simulator.drivers import DEFAULT_DRIVER, driver_by_name
from atlas_ops.simulator.effects import Answer, Effect
from atlas_ops.simulator.engine import EngineConfig
from atlas_ops.simulator.outside import Outside, OutsideSample
from atlas_ops.simulator.profiles import DEFAULT_PROFILE, profile_by_name
from atlas_ops.simulator.replica import Replica
from atlas_ops.simulator.scenario import Scenario
from atlas_ops.simulator.scenarios import SCENARIOS
from atlas_ops.simulator.state import GpuState
from atlas_ops.simulator.trace import Trace, TracePlayer

TICK_SECONDS = 0.1
"""The fleet moves in whole ticks, so that its course does not depend on how a span is cut into calls of `advance`. Effects
begin and end, clients hang up, and clocks follow the temperature from tick to tick. Rehearsals take longer ones: a second is
short against patience and heat, and costs a tenth."""
DEFAULT_START = 1_767_225_600.0
"""2026-01-01 00:00 UTC: a start time for runs that have to be the same every time."""


class Fleet:
    """`replicas` servers of one model, each with its GPU. The same seed and the same calls give the same pages.

    `started_at` is when the servers say that their processes started, in Unix seconds. `gpu_profile` and `driver` are names
    of `simulator.profiles` and `simulator.drivers`; UsageError when there are no such ones. `scale` shortens the minutes of
    scenarios and effects, as the demo profile shortens the windows of the rules. With `traces`, requests come as in one of
    them, which the seed chooses; each server plays it from another place on. Not safe for threads: whoever shares it
    holds a lock.
    """

    def __init__(
        self,
        *,
        scenario: Scenario = SCENARIOS[0],
        seed: int = 0,
        replicas: int = 2,
        config: EngineConfig | None = None,
        started_at: float = DEFAULT_START,
        gpu_profile: str = DEFAULT_PROFILE,
        driver: str = DEFAULT_DRIVER,
        scale: float = 1.0,
        tick: float = TICK_SECONDS,
        traces: Sequence[Trace] = (),
    ) -> None:
        part = profile_by_name(gpu_profile)
        driver_by_name(driver)
        self.config = config or EngineConfig()
        self.scenario = scenario
        self.fault_since: float | None = None
        """Simulated second at which the fault was switched on; None while it is off."""
        self.replicas = tuple(
            Replica(
                index,
                effect=scenario.effect(None, scale=scale).server(index),
                config=self.config,
                seed=seed,
                profile=part,
                driver=driver,
                epoch=started_at,
                trace=_player(traces, seed, index, replicas, scenario),
            )
            for index in range(replicas)
        )
        self.exporter_restarts = 0
        """How often the exporter was to start anew."""
        self._before: Effect | None = None
        self._outside = Outside(self.replicas, model=self.config.model_name, epoch=started_at, scale=scale)
        self._scale, self._tick = scale, tick
        self._ticks = 0
        self._unspent = 0.0

    @property
    def now(self) -> float:
        """Simulated seconds since the start."""
        return self._ticks * self._tick

    @property
    def effect(self) -> Effect:
        """What is done to it now."""
        active = None if self.fault_since is None else self.now - self.fault_since
        return self.scenario.effect(active, scale=self._scale)

    def set_fault(self, *, active: bool) -> None:
        """Switch the scenario's fault on or off."""
        if not active:
            self.fault_since = None
        elif self.fault_since is None:
            self.fault_since = self.now

    def choose(self, scenario: Scenario) -> None:
        """Change the scenario. Its fault is off."""
        self.scenario = scenario
        self.fault_since = None

    def advance(self, seconds: float) -> None:
        """Let simulated time pass; less than a tick is kept for the next call."""
        self._unspent += seconds
        # A millionth of a tick of tolerance: ten times 0.01 must be one tick in floating point, too.
        while self._unspent >= self._tick * (1 - 1e-6):
            self._unspent -= self._tick
            start, effect = self.now, self.effect
            self._ticks += 1
            self.exporter_restarts += effect.exporter_restarts and effect is not self._before
            self._before = effect
            for replica in self.replicas:
                replica.advance(start, self.now, effect, scale=self._scale)
            self._outside.advance(start, self.now, effect)

    def answer(self, index: int) -> Answer | None:
        """Return what the metrics address of server `index` answers now; None when it is scaled away."""
        return self.replicas[index].answer

    def page(self, index: int) -> str:
        """Return what `/metrics` of server `index` says now, or would say if it could be asked."""
        return self.replicas[index].page()

    def gpus(self) -> tuple[GpuState, ...]:
        """Return what the driver says of every GPU now. As after a restart of it, they are numbered without gaps."""
        there = (replica.gpu.state() for replica in self.replicas if not replica.gpu.effect.missing)
        return tuple(replace(state, index=index) for index, state in enumerate(there))

    @property
    def foreign_memory_kills(self) -> int:
        """How many processes that are no model servers the kernel has killed."""
        return self._outside.foreign_memory_kills

    def outside(self) -> tuple[OutsideSample, ...]:
        """Return the canonical samples of what is neither a server nor a GPU, as they are now."""
        return self._outside.samples(self.effect)


def _player(traces: Sequence[Trace], seed: int, index: int, replicas: int, scenario: Scenario) -> TracePlayer | None:
    if not traces:
        return None
    trace = traces[seed % len(traces)]
    # A golden section further with every seed, so that the places of several seeds lie far apart.
    start = (seed * 0.618 + index / replicas) * len(trace.gaps)
    return TracePlayer(trace, start=int(start), usual=scenario.calm.traffic)
