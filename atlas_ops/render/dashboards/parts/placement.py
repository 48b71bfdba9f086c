"""Where servers run: the GPUs of their pods (or, where pods are not known, of their node), and the memory held on them."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards.panels import Chart, Column, Number, Query, Table
from atlas_ops.render.dashboards.parts import membership
from atlas_ops.render.dashboards.parts.gpus import TO_GPU
from atlas_ops.render.dashboards.parts.requests import legend

_POD = (c.K8S_NAMESPACE, c.K8S_POD, membership.CLUSTER)
_ON_HOST = f"on ({c.HOST_NAME}, {membership.CLUSTER})"
_IN_POD = f'{c.K8S_POD}!=""'
_ON_GPU = f"on ({', '.join(c.GPU_LABELS)})"

_NO_GPUS = "where no exporter sees the GPUs of the server's node"
_NO_PROCESSES = "where it is not known which processes are the server's"


def gpus(timing: Timing, *matchers: str) -> Table:
    """Return the GPUs that the servers run on, one line each, with a link to its own dashboard."""
    owners = _owners(timing, *matchers)
    figures = (
        (f"{s.GPU_UTILIZATION}", "Busy", "percentunit"),
        (f"{s.GPU_MEMORY_USED} / {s.GPU_MEMORY_TOTAL}", "Memory used", "percentunit"),
        (f'{s.GPU_TEMPERATURE}{{sensor="gpu"}}', "Temperature", "celsius"),
        (f"{s.GPU_POWER}", "Power", "watt"),
    )
    values = (
        f"({owners}) * {_ON_GPU} group_left () max by ({', '.join(c.GPU_LABELS)}) ({figure})"
        for figure, _, _ in figures
    )
    labels = ((c.GPU, "GPU"), (c.MIG, "Instance"), (c.HOST_NAME, "Node"), (c.K8S_POD, "Pod"))
    return Table(
        key="server-gpus",
        title="GPUs that it runs on",
        shows=(
            "The GPUs of its pod; where nobody tells what is in the pods of its node, all GPUs of the node. A click on the GPU "
            "leads to its own dashboard."
        ),
        worry="one is idle while the others are busy, or its memory is full.",
        faults=("GpuLost", "GpuThermalThrottling", "GpuMemoryLeak"),
        empty=_NO_GPUS,
        queries=tuple(
            Query(expr=expr, legend=title.lower()) for expr, (_, title, _) in zip(values, figures, strict=True)
        ),
        columns=(
            *(Column(source=label, title=title, links=(TO_GPU,) if label == c.GPU else ()) for label, title in labels),
            *(
                Column(source=f"Value #{letter}", title=title, unit=unit)
                for letter, (_, title, unit) in zip("ABCD", figures, strict=True)
            ),
        ),
        width=16,
    )


def held(by: tuple[str, ...], *matchers: str) -> Number:
    """Return the GPU memory that the model holds now."""
    return Number(
        key="server-gpu-memory-now",
        title="Model's GPU memory",
        shows="GPU memory that the processes of the server hold, where it serves one model.",
        worry="it grows for hours under the same load.",
        faults=("GpuMemoryLeak",),
        empty=_NO_PROCESSES,
        query=Query(expr=promql.sum_by(by, promql.select(s.MODEL_GPU_MEMORY, *matchers)), legend=legend(by)),
        unit="bytes",
    )


def memory(timing: Timing, by: tuple[str, ...], *matchers: str) -> Chart:
    """Return the GPU memory that the model holds, and that of each process on the GPUs that the servers run on."""
    processes = f"{s.GPU_PROCESS_MEMORY} and {_ON_GPU} ({_owners(timing, *matchers)})"
    by_process = promql.sum_by((c.HOST_NAME, c.GPU, "process", c.K8S_POD), processes)
    return Chart(
        key="server-gpu-memory",
        title="GPU memory held",
        shows="GPU memory of the model, and of every process on the GPUs that it runs on.",
        worry="it grows for hours under the same load, or a process is there that is not the server's.",
        faults=("GpuMemoryLeak",),
        empty=f"{_NO_GPUS}; for the model itself, {_NO_PROCESSES}",
        queries=(
            Query(expr=promql.sum_by(by, promql.select(s.MODEL_GPU_MEMORY, *matchers)), legend=f"model {legend(by)}"),
            Query(expr=by_process, legend="{{process}} {{k8s_pod_name}} on {{host_name}} GPU {{gpu}}"),
        ),
        unit="bytes",
    )


def _owners(timing: Timing, *matchers: str) -> str:
    """Return 1 for each GPU (or instance) that the servers run on, with the pod that it is told of."""
    devices, pod = ", ".join(c.GPU_LABELS), ", ".join(_POD)
    told = promql.select(s.GPU_WORKLOAD_INFO, _IN_POD)
    pods = _servers(timing, *matchers, _IN_POD)
    hosts = f"{_servers(timing, *matchers)} unless {_ON_HOST} {told}"
    return (
        f"group by ({devices}, {pod}) ({told} and on ({pod}) ({pods}))\n"
        f"or {_ON_GPU} group by ({devices}, {membership.CLUSTER}) ({s.GPU_UP} and {_ON_HOST} ({hosts}))"
    )


def _servers(timing: Timing, *matchers: str) -> str:
    return membership.of_chosen(promql.select(s.SERVER_UP, *membership.of_servers(*matchers)), timing, *matchers)
