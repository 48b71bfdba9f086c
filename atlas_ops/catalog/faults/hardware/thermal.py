"""Faults of hardware: a GPU cannot do what it is there for."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

THERMAL_SHARE = "gpu:atlas_gpu_thermal_throttle:ratio_rate"
CLOCK_LOSS = "gpu:atlas_gpu_clock_loss:ratio"


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family."""
    return (_thermal_throttling(parameters),)


def _thermal_throttling(parameters: Parameters) -> Fault:
    timing, limits, by_gpu = parameters.timing, parameters.limits, c.GPU_LABELS
    window = timing.window(120)
    # The reasons overlap (hardware and software slowdown at once), so the greatest counts, not the sum.
    held = promql.rate(s.GPU_THROTTLE_SECONDS, window, 'reason=~"hw_thermal|sw_thermal"')
    labels = ", ".join(by_gpu)
    running = f"avg by ({labels}) (avg_over_time({promql.select(s.GPU_CLOCK, _SM)}[{window}]))"
    highest = f"max by ({labels}) ({promql.select(s.GPU_CLOCK_MAX, _SM)})"
    share, loss = promql.number(limits.throttled_time_ratio), promql.number(limits.clock_loss_ratio)
    return Fault(
        name="GpuThermalThrottling",
        family=Family.HARDWARE,
        meaning="The GPU is too hot and slows itself down.",
        impact="Every model on this GPU answers more slowly; if it gets hotter, the GPU shuts down.",
        recordings=(
            Recording(name=THERMAL_SHARE, expr=f"max by ({labels}) ({held})"),
            Recording(name=CLOCK_LOSS, expr=f"1 - {running} / {highest}"),
        ),
        rules=(
            Rule(
                expr=f"{THERMAL_SHARE} > {share} and {CLOCK_LOSS} > {loss}",
                labels=by_gpu,
                severity=Severity.PAGE,
                summary=(
                    "GPU {{ $labels.gpu }} on {{ $labels.host_name }} was held down by heat for "
                    "{{ $value | humanizePercentage }} of the time and has lost clock."
                ),
                for_seconds=timing.hold(60),
                keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            ),
        ),
        panel=Panel(
            title="Time held down by heat",
            description="Share of time in which a GPU reduced its clocks because of its temperature.",
            queries=((THERMAL_SHARE, "{{host_name}} GPU {{gpu}}"),),
            unit="percentunit",
            limit=limits.throttled_time_ratio,
        ),
        why=(
            "Temperature itself says nothing: parts differ, and hot is how they are meant to run. What counts is time "
            "under a thermal throttle reason together with clock that is really lost."
        ),
        look_alike="A hot GPU at its full clock, a GPU at its power cap, and an idle GPU with low clocks.",
        scenario="thermal_throttling",
    )


_SM = 'domain="sm"'
