"""GPUs that somebody holds and nobody uses: how many, whose, and since when."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.cost.idle import BUSIEST, IDLE_SINCE
from atlas_ops.catalog.faults.hardware.owner import OWNER
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Column, Limit, Number, Query, Table
from atlas_ops.render.dashboards.parts.gpus import PLACE, columns

_GPU = ", ".join(c.GPU_LABELS)
_OWNER = f"{c.K8S_NAMESPACE}, {c.K8S_POD}"


def now(*matchers: str, parameters: Parameters) -> Number:
    """Return how many GPUs are held and idle."""
    return Number(
        key="gpus-idle",
        title="GPUs held and idle",
        shows="GPUs that somebody holds and that have run nothing for five minutes.",
        worry="it stays above zero day and night.",
        faults=("GpuIdleAllocated",),
        query=Query(expr=_count(_idle(parameters, *matchers)), legend="idle"),
        unit="short",
    )


def course(*matchers: str, parameters: Parameters, width: int = 8) -> Chart:
    """Return how many GPUs are at work, and how many are held and idle, over time."""
    least = promql.number(parameters.limits.idle_gpu_utilization_ratio)
    busy = f"{BUSIEST} >= {least} and on ({_GPU}) {promql.select(OWNER, *matchers)}"
    return Chart(
        key="gpus-idle-course",
        title="GPUs at work, and held but idle",
        shows="A GPU is at work when a kernel ran in the last five minutes.",
        worry="the idle ones stay for hours: others may be waiting for them.",
        faults=("GpuIdleAllocated",),
        queries=(
            # Each point reads who has which GPU of all, and that seldom changes.
            Query(expr=_count(busy), legend="at work", step=120),
            Query(expr=_count(_idle(parameters, *matchers)), legend="held and idle", step=120),
        ),
        unit="short",
        stacked=True,
        width=width,
    )


def each(*matchers: str, parameters: Parameters, width: int = 16) -> Table:
    """Return each GPU that is held and idle: whose it is, since when, and what it takes meanwhile."""
    idle = _idle(parameters, *matchers)
    held, drawn = (
        f"{idle} * 0 + on ({_GPU}) group_left () max by ({_GPU}) ({signal})"
        for signal in (s.GPU_MEMORY_USED, s.GPU_POWER)
    )
    limit = Limit(value=parameters.timing.hold(parameters.limits.idle_gpu_seconds))
    figures = ((idle, "Idle for", "s", limit), (held, "Memory held", "bytes", None), (drawn, "Power", "watt", None))
    return Table(
        key="gpus-idle-each",
        title="Who holds an idle GPU",
        shows="GPUs of which somebody holds memory, or which a pod has been given, and on which nothing runs.",
        worry="“Idle for” is red.",
        faults=("GpuIdleAllocated",),
        empty="while every GPU that somebody holds is at work",
        queries=tuple(Query(expr=expr, legend="") for expr, _, _, _ in figures),
        columns=(
            *PLACE,
            Column(source=c.K8S_NAMESPACE, title="Namespace"),
            Column(source=c.K8S_POD, title="Pod"),
            *columns((title, unit, limit) for _, title, unit, limit in figures),
        ),
        width=width,
    )


def _idle(parameters: Parameters, *matchers: str) -> str:
    """Return since how many seconds each GPU is idle that somebody holds: a pod, or whoever holds its memory."""
    by_pod = promql.select(OWNER, f'{c.K8S_POD}!=""')
    used = promql.number(parameters.limits.idle_gpu_memory_ratio)
    by_memory = f"max by ({_GPU}) ({s.GPU_MEMORY_USED} / {s.GPU_MEMORY_TOTAL}) > {used}"
    owner = f"on ({_GPU}) group_left ({_OWNER}) {promql.select(OWNER, *matchers)}"
    return f"((time() - {IDLE_SINCE}) * {owner} and on ({_GPU}) ({by_pod} or {by_memory}))"


def _count(gpus: str) -> str:
    """Return how many there are: zero, rather than nothing, where there are none."""
    return f"count({gpus}) or 0 * count({BUSIEST})"
