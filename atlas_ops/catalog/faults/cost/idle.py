"""GpuIdleAllocated: a GPU that somebody holds and nobody uses. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import since
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

BUSIEST = "gpu:atlas_gpu_utilization:max5m"
IDLE_SINCE = "gpu:atlas_gpu_idle:since_seconds"
_HOLDER = (*c.GPU_LABELS, c.K8S_NAMESPACE, c.K8S_POD, c.K8S_CONTAINER)
_GPU = ", ".join(c.GPU_LABELS)
_BUSY_SECONDS = 300.0
"""For how long a GPU that is not read counts as it was."""


def gpu_idle_allocated(parameters: Parameters) -> Fault:
    """Return the fault."""
    timing, limits = parameters.timing, parameters.limits
    seconds = timing.hold(limits.idle_gpu_seconds)
    return Fault(
        name="GpuIdleAllocated",
        family=Family.COST,
        meaning="A GPU is held by a pod or a process, and nothing has run on it for many hours.",
        impact="It costs as much as a busy one, and others may be waiting for it.",
        recordings=_recordings(parameters),
        rules=(
            Rule(
                expr=(
                    f"({_held(parameters, timing.window(limits.idle_gpu_seconds))})\n"
                    f"and on ({_GPU}) time() - {IDLE_SINCE} >= {promql.number(seconds)}"
                ),
                labels=_HOLDER,
                severity=Severity.TICKET,
                summary=(
                    "GPU {{ $labels.gpu }} on {{ $labels.host_name }} is held"
                    "{{ with $labels.k8s_pod_name }} by {{ . }}{{ end }}, and nothing has run on it for "
                    f"{promql.duration(seconds)}."
                ),
                keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            ),
        ),
        panel=Panel(
            title="GPUs in use",
            description="Share of time in which a kernel ran. A GPU that stays at zero day and night is paid for nothing.",
            queries=((str(s.GPU_UTILIZATION), "{{host_name}} GPU {{gpu}}"),),
            unit="percentunit",
            limit=limits.idle_gpu_utilization_ratio,
        ),
        why=(
            "Not one reading in all these hours found a kernel, and the same pod has held the GPU since then. Where no pod is "
            "known to hold it, its memory tells that somebody does. Since when it is idle goes on from one evaluation to the "
            "next, for a window of all these hours is dear; after five minutes without Prometheus it begins anew. Requests are "
            "not asked about: a server that answers without its GPU wastes it just the same. Instances of MIG have no "
            "utilisation and are left out."
        ),
        look_alike=(
            "A server without users for a night, a replica that the autoscaler keeps warm for a while, a batch job that "
            "fills the GPU overnight, and a pod that has just got a GPU that lay idle before."
        ),
        scenario="gpu_idle_allocated",
    )


def _recordings(parameters: Parameters) -> tuple[Recording, ...]:
    idle = promql.number(parameters.limits.idle_gpu_utilization_ratio)
    window = parameters.timing.window(_BUSY_SECONDS)
    return (
        Recording(name=BUSIEST, expr=f"max by ({_GPU}) (max_over_time({s.GPU_UTILIZATION}[{window}]))"),
        since.recording(IDLE_SINCE, f"{BUSIEST} < {idle}"),
    )


def _held(parameters: Parameters, window: str) -> str:
    """Return PromQL for the GPUs that were held a window ago as they are now: by the same pod, or by memory in use."""
    holder = ", ".join(_HOLDER)
    pod = promql.select(s.GPU_WORKLOAD_INFO, f'{c.K8S_POD}!=""')
    by_pod = f"group by ({holder}) ({pod})\nand group by ({holder}) ({s.GPU_WORKLOAD_INFO} offset {window})"
    used = promql.number(parameters.limits.idle_gpu_memory_ratio)
    now, then = (
        f"max by ({_GPU}) ({s.GPU_MEMORY_USED}{offset} / {s.GPU_MEMORY_TOTAL}) > {used}"
        for offset in ("", f" offset {window}")
    )
    return f"{by_pod}\nor on ({_GPU}) ({now} and {then})"
