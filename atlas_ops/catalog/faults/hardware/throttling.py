"""Faults of throttling: heat, or the board's power brake, holds the clock of a GPU down."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware import owner
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

THERMAL_SHARE = "gpu:atlas_gpu_thermal_throttle:ratio_rate"
BRAKE_SHARE = "gpu:atlas_gpu_power_brake:ratio_rate"
CLOCK_LOSS = "gpu:atlas_gpu_clock_loss:ratio"

SLOWED = ("QueueBacklog", "KvCachePressure", "ReplicaStraggler")
"""What a server shows when its GPU has become slower."""

_WINDOW_SECONDS = 120.0
_SM = 'domain="sm"'


def thermal_throttling(parameters: Parameters) -> Fault:
    """Return the fault of a GPU that is too hot."""
    window = parameters.timing.window(_WINDOW_SECONDS)
    return Fault(
        name="GpuThermalThrottling",
        family=Family.HARDWARE,
        meaning="The GPU is too hot and slows itself down.",
        impact="Every model on this GPU answers more slowly; if it gets hotter, the GPU shuts down.",
        recordings=(
            owner.recording(parameters.timing),
            # The reasons overlap (hardware and software slowdown at once), so the greatest counts, not the sum.
            Recording(name=THERMAL_SHARE, expr=_share("hw_thermal|sw_thermal", window)),
            Recording(name=CLOCK_LOSS, expr=_clock_loss(window)),
        ),
        rules=(_rule(THERMAL_SHARE, "heat", parameters),),
        panel=Panel(
            title="Time held down by heat",
            description="Share of time in which a GPU reduced its clocks because of its temperature.",
            queries=((THERMAL_SHARE, "{{host_name}} GPU {{gpu}}"),),
            unit="percentunit",
            limit=parameters.limits.throttled_time_ratio,
        ),
        why=(
            "Temperature itself says nothing: parts differ, and hot is how they are meant to run. What counts is time "
            "under a thermal throttle reason together with clock that is really lost. Lost tokens are no condition: not every "
            "runtime counts tokens, and a server with little to do loses none until its traffic comes. The runbook compares them."
        ),
        look_alike="A hot GPU at its full clock, a GPU at its power cap, and an idle GPU with low clocks.",
        inhibits=(
            owner.hides_on_gpu("GpuPowerBrake"),
            owner.hides_symptoms(*SLOWED),
        ),
        scenario="thermal_throttling",
    )


def power_brake(parameters: Parameters) -> Fault:
    """Return the fault of a GPU that is braked from outside."""
    window = parameters.timing.window(_WINDOW_SECONDS)
    # AMD's firmware does not say for what a pin was pulled: there the brake is part of the hardware slowdown.
    braked = f"{_share('hw_power_brake', window)}\nor\n{_share('hw_slowdown', window)}"
    return Fault(
        name="GpuPowerBrake",
        family=Family.HARDWARE,
        meaning="Something outside of the GPU, mostly the node's power supply, holds its clock down.",
        impact="Every model on this GPU answers at about half its speed, for as long as the brake is pulled.",
        recordings=(Recording(name=BRAKE_SHARE, expr=braked),),
        rules=(_rule(BRAKE_SHARE, "its power brake", parameters),),
        panel=Panel(
            title="Time held down by the power brake",
            description="Share of time in which the board's power brake, or on AMD any pin of the board, held the clock down.",
            queries=((BRAKE_SHARE, "{{host_name}} GPU {{gpu}}"),),
            unit="percentunit",
            limit=parameters.limits.throttled_time_ratio,
        ),
        why=(
            "A brake is pulled by hardware, when power supplies fail or the chassis draws too much, and no work of the GPU "
            "explains it. Blips of a second while power is shared out anew are usual; a tenth of the time with clock lost is not."
        ),
        look_alike="A GPU at the power limit that somebody set (`sw_power_cap`), and a single short pull of the brake.",
        inhibits=(owner.hides_symptoms(*SLOWED),),
        scenario="power_brake",
    )


def _rule(share: str, what: str, parameters: Parameters) -> Rule:
    limits, timing = parameters.limits, parameters.timing
    return Rule(
        expr=owner.owned(
            f"{share} > {promql.number(limits.throttled_time_ratio)} "
            f"and {CLOCK_LOSS} > {promql.number(limits.clock_loss_ratio)}"
        ),
        labels=owner.OWNED_GPU,
        severity=Severity.PAGE,
        summary=(
            f"GPU {{{{ $labels.gpu }}}} on {{{{ $labels.host_name }}}} was held down by {what} for "
            "{{ $value | humanizePercentage }} of the time and has lost clock."
        ),
        for_seconds=timing.hold(60),
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
    )


def _share(reasons: str, window: str) -> str:
    """Return the share of time under the gravest of the reasons (`a|b`)."""
    matcher = f'reason=~"{reasons}"' if "|" in reasons else f'reason="{reasons}"'
    return f"max by ({owner.BY_GPU}) ({promql.rate(s.GPU_THROTTLE_SECONDS, window, matcher)})"


def _clock_loss(window: str) -> str:
    running = f"avg by ({owner.BY_GPU}) (avg_over_time({promql.select(s.GPU_CLOCK, _SM)}[{window}]))"
    highest = f"max by ({owner.BY_GPU}) ({promql.select(s.GPU_CLOCK_MAX, _SM)})"
    return f"1 - {running} / {highest}"
