"""GpuClockDeficit: a busy GPU stays far below its clock, and nothing says why."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware import owner
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import Parameters

BUSY = "gpu:atlas_gpu_utilization:avg15m"
"""Only of GPUs that have been seen for as long: what `max_over_time` says of a younger one is little."""
PEAK_LOSS = "gpu:atlas_gpu_clock_peak_loss:ratio"
HELD = "gpu:atlas_gpu_clock_held:ratio_rate15m"

WINDOW_SECONDS = 900.0
"""In a quarter of an hour of work a healthy clock reaches its top at least once, whatever pauses lie between."""
_SM = 'domain="sm"'


def clock_deficit(parameters: Parameters) -> Fault:
    """Return the fault of a clock that is low for no reason."""
    limits, window = parameters.limits, parameters.timing.window(WINDOW_SECONDS)
    by_gpu = f"max by ({owner.BY_GPU})"
    highest = f"{by_gpu} (max_over_time({promql.select(s.GPU_CLOCK, _SM)}[{window}]))"
    held = promql.rate(s.GPU_THROTTLE_SECONDS, window, 'reason!="gpu_idle"')
    return Fault(
        name="GpuClockDeficit",
        family=Family.HARDWARE,
        meaning="The GPU is at work and never comes near its highest clock, and it gives no reason for that.",
        impact="Every model on this GPU is slower than on its peers, and a model over several GPUs waits for this one.",
        recordings=(
            Recording(name=BUSY, expr=_busy(window)),
            Recording(name=PEAK_LOSS, expr=f"1 - {highest} / {by_gpu} ({promql.select(s.GPU_CLOCK_MAX, _SM)})"),
            Recording(name=HELD, expr=f"{by_gpu} ({held})"),
        ),
        rules=(
            Rule(
                expr=owner.owned(
                    f"{PEAK_LOSS} > {promql.number(limits.unexplained_clock_loss_ratio)}\n"
                    f"  and {BUSY} > {promql.number(limits.busy_gpu_ratio)}\n"
                    f"  and {HELD} < {promql.number(limits.throttled_time_ratio)}"
                ),
                labels=owner.OWNED_GPU,
                severity=Severity.TICKET,
                summary=(
                    "GPU {{ $labels.gpu }} on {{ $labels.host_name }} is busy and has stayed {{ $value | humanizePercentage }} "
                    "below its highest clock, without a reason."
                ),
                for_seconds=parameters.timing.hold(60),
            ),
        ),
        panel=Panel(
            title="Clock that a GPU never reached",
            description="How far the highest SM clock of a quarter of an hour stayed below the part's maximum.",
            queries=((PEAK_LOSS, "{{host_name}} GPU {{gpu}}"),),
            unit="percentunit",
            limit=limits.unexplained_clock_loss_ratio,
        ),
        why=(
            "An idle GPU, one at its power limit and one whose clocks an application has set are slow by design, and say so. "
            "What remains is a clock that somebody locked and forgot, or broken hardware. Parts that give no throttle reasons "
            "or no utilisation (virtual GPUs, GPUs cut into MIG instances) are left out: nothing would tell the two apart."
        ),
        look_alike="An idle GPU with low clocks, and a GPU at its power limit, too hot, or with application clocks.",
        scenario="clock_deficit",
    )


def _busy(window: str) -> str:
    by_gpu = f"avg by ({owner.BY_GPU})"
    whole = f"{by_gpu} ({s.GPU_UTILIZATION} offset {window}) >= 0"
    return f"{by_gpu} (avg_over_time({s.GPU_UTILIZATION}[{window}])) and {whole}"
