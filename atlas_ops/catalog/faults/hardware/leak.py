"""GpuMemoryLeak: a server takes more and more of its GPU's memory, and will have taken all of it within hours."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware import owner
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import Parameters

HELD = "gpu:atlas_gpu_process_memory:sum_bytes"
"""What all processes of a workload hold on a GPU."""
PACE = "gpu:atlas_gpu_process_memory:deriv30m"
"""Bytes a second, over half an hour."""
GROWTH = "gpu:atlas_gpu_process_memory:delta2h"
"""Bytes in two hours, by workloads that have been there as long."""

_SHORT_SECONDS, _LONG_SECONDS, _DAY_SECONDS = 1800.0, 7200.0, 86_400.0


def memory_leak(parameters: Parameters) -> Fault:
    """Return the fault of memory that only grows."""
    timing, limits = parameters.timing, parameters.limits
    short, long, day = (timing.window(seconds) for seconds in (_SHORT_SECONDS, _LONG_SECONDS, _DAY_SECONDS))
    hours = promql.number(timing.hold(limits.memory_full_hours * 3600) / 3600)
    span = timing.window_seconds(_LONG_SECONDS)
    return Fault(
        name="GpuMemoryLeak",
        family=Family.HARDWARE,
        meaning="A server holds more and more GPU memory, at a steady pace, and more than it ever held in the last day.",
        impact="When the memory is full, the server fails with an out-of-memory error and loses its requests.",
        recordings=(
            Recording(name=HELD, expr=promql.sum_by((*c.GPU_LABELS, *owner.OWNER_LABELS), str(s.GPU_PROCESS_MEMORY))),
            Recording(name=PACE, expr=f"deriv({HELD}[{short}])"),
            Recording(name=GROWTH, expr=f"{HELD} - {HELD} offset {long}"),
        ),
        rules=(
            Rule(
                expr=(
                    f"{_hours_left(span)} < {hours}\n"
                    f"and min_over_time({PACE}[{long}:{short}]) > 0\n"
                    f"and {PACE} * {promql.number(span)} "
                    f"> {promql.number(limits.memory_growth_steadiness)} * {GROWTH}\n"
                    f"and {HELD} > max_over_time({HELD}[{day}:{short}] offset {long})"
                ),
                labels=owner.OWNED_GPU,
                severity=Severity.TICKET,
                summary=(
                    "{{ if $labels.k8s_pod_name }}{{ $labels.k8s_pod_name }}{{ else }}A process{{ end }} takes ever more memory of GPU "
                    "{{ $labels.gpu }} on {{ $labels.host_name }}, which will be full in {{ $value | humanize }} hours."
                ),
                for_seconds=timing.hold(180),
            ),
        ),
        panel=Panel(
            title="GPU memory held by each workload",
            description="A cache grows and levels off; a leak goes on growing.",
            queries=((HELD, "{{host_name}} GPU {{gpu}} {{k8s_pod_name}}"),),
            unit="bytes",
        ),
        why=(
            "Full memory is how caches are meant to be, so no level says anything. A leak grows in each half hour of two hours, at "
            "a pace that does not slow down, beyond everything of the day before, and reaches the end of the memory that is free. "
            "A cache that fills fails the second, the daily wave of traffic the third. Where the driver does not say which process "
            "holds how much, there is no alert."
        ),
        look_alike="A server that loads its model, a cache that grows and levels off, and memory that follows the daily traffic.",
        scenario="gpu_memory_leak",
    )


def _hours_left(long_seconds: float) -> str:
    """Return the hours until the free memory is used up at the pace of the last two hours."""
    free = f"max by ({owner.BY_GPU}) ({s.GPU_MEMORY_FREE})"
    spans = promql.number(round(long_seconds / 3600, 9))
    return f"{spans} / ({GROWTH} / on ({owner.BY_GPU}) group_left () {free})"
