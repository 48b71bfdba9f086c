"""What can happen to the fleet: each scenario is calm until its fault is switched on. Read by `simulator.fleet` and the CLI."""

from __future__ import annotations

from dataclasses import dataclass, replace

from atlas_ops.errors import UsageError
from atlas_ops.simulator.arrivals import Lengths, Traffic


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What is done to the fleet at one moment. `uncooled` and `stalled` are indexes of servers."""

    traffic: Traffic
    uncooled: frozenset[int] = frozenset()
    stalled: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A fault that can be switched on and off, and the alert that it has to raise (None: no alert at all)."""

    name: str
    description: str
    expected_fault: str | None
    fault: Effect

    def effect(self, *, active: bool) -> Effect:
        """Return what the scenario does while its fault is active, or calm."""
        return self.fault if active else _CALM


# The means of a public trace of a chat service (Azure LLM inference 2023): 1,155 prompt and 211 output tokens.
_CHAT = Traffic(
    requests_per_second=4.0,
    prompt_tokens=Lengths(median=840, sigma=0.8, maximum=6144),
    output_tokens=Lengths(median=153, sigma=0.8, maximum=2048),
    max_tokens=1024,
    patience_seconds=8.0,
    shared_prefix_tokens=256,
)
# Long enough that the cache is full before the slots are, growing enough while they are answered that running ones are
# thrown out, and so impatient that the queue stays short: what is missing is cache.
_DOCUMENTS = replace(
    _CHAT,
    requests_per_second=7.0,
    prompt_tokens=Lengths(median=1800, sigma=0.3, maximum=6144),
    output_tokens=Lengths(median=700, sigma=0.6, maximum=2048),
    max_tokens=1536,
    patience_seconds=3.0,
)
# So short that 64 of them take a third of the cache: the slots are what runs out. The clients' patience bounds the queue,
# and lets it empty within that time once they stop coming, however long the crowd has lasted.
_CROWD = replace(
    _CHAT,
    requests_per_second=70.0,
    prompt_tokens=Lengths(median=300, sigma=0.5, maximum=2048),
    output_tokens=Lengths(median=180, sigma=0.4, maximum=1024),
    patience_seconds=20.0,
)
_CALM = Effect(traffic=_CHAT)

SCENARIOS = (
    Scenario(
        name="calm",
        description="Two servers answer a moderate chat load with its normal bursts, and nothing is wrong.",
        expected_fault=None,
        fault=_CALM,
    ),
    Scenario(
        name="kv_pressure",
        description="Long documents fill the KV cache: running requests are thrown out and computed again.",
        expected_fault="KvCachePressure",
        fault=Effect(traffic=_DOCUMENTS),
    ),
    Scenario(
        name="queue_backlog",
        description="A crowd of short requests takes every slot, and the queue grows faster than it is worked off.",
        expected_fault="QueueBacklog",
        fault=Effect(traffic=_CROWD),
    ),
    Scenario(
        name="thermal_throttling",
        description="The cooling of GPU 0 fails: it heats up, halves its clock, and its server slows down.",
        expected_fault="GpuThermalThrottling",
        fault=Effect(traffic=_CHAT, uncooled=frozenset({0})),
    ),
    Scenario(
        name="engine_stalled",
        description="The engine of server 0 hangs with requests inside, while its HTTP server goes on answering 200.",
        expected_fault="EngineStalled",
        fault=Effect(traffic=_CHAT, stalled=frozenset({0})),
    ),
)


def scenario_by_name(name: str) -> Scenario:
    """Return a scenario; UsageError naming the known ones when there is none of that name."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    known = ", ".join(scenario.name for scenario in SCENARIOS)
    raise UsageError(f"there is no scenario {name!r}", next_step=f"choose one of: {known}")
