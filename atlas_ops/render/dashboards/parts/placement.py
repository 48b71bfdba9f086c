"""Where servers run: the GPUs of their pods (or, on a bare host, of the host), and the GPU memory that they hold."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Chart, Column, Link, Number, Query, Table
from atlas_ops.render.dashboards.parts import membership
from atlas_ops.render.dashboards.parts.requests import legend

_POD = (c.K8S_NAMESPACE, c.K8S_POD)
_GPU = f"on ({', '.join(c.GPU_LABELS)})"
_TO_GPU = Link(title="This GPU", board="gpu-node", variables={variables.NODE: c.HOST_NAME, variables.GPU: c.GPU})

_UNSEEN = "where no exporter sees the server's processes"


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
        f"({owners}) * {_GPU} group_left () max by ({', '.join(c.GPU_LABELS)}) ({figure})" for figure, _, _ in figures
    )
    labels = ((c.GPU, "GPU"), (c.MIG, "Instance"), (c.HOST_NAME, "Node"), (c.K8S_POD, "Pod"))
    return Table(
        key="server-gpus",
        title="GPUs that it runs on",
        shows=(
            "The GPUs of its pod; of a server without a pod those of its host, whoever uses them. A click on the GPU leads to "
            "its own dashboard."
        ),
        worry="one is idle while the others are busy, or its memory is full.",
        faults=("GpuLost", "GpuThermalThrottling", "GpuMemoryLeak"),
        empty="where no exporter sees the GPUs of the server's node",
        queries=tuple(
            Query(expr=expr, legend=title.lower()) for expr, (_, title, _) in zip(values, figures, strict=True)
        ),
        columns=(
            *(Column(source=label, title=title, links=(_TO_GPU,) if label == c.GPU else ()) for label, title in labels),
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
        title="GPU memory of the model",
        shows="GPU memory that the processes of the server hold, where it serves one model.",
        worry="it grows for hours under the same load.",
        faults=("GpuMemoryLeak",),
        empty=_UNSEEN,
        query=Query(expr=promql.sum_by(by, promql.select(s.MODEL_GPU_MEMORY, *matchers)), legend=legend(by)),
        unit="bytes",
    )


def memory(timing: Timing, by: tuple[str, ...], *matchers: str) -> Chart:
    """Return the GPU memory that the model holds, and that of each process in the server's pod."""
    of_processes = promql.sum_by(
        (c.GPU, c.K8S_POD, "process"), f"{s.GPU_PROCESS_MEMORY} and on ({', '.join(_POD)}) {_pods(timing, *matchers)}"
    )
    return Chart(
        key="server-gpu-memory",
        title="GPU memory held",
        shows="GPU memory of the model, and of every process in the pod on each GPU.",
        worry="it grows for hours under the same load, or a process is there that is not the server's.",
        faults=("GpuMemoryLeak",),
        empty=_UNSEEN,
        queries=(
            Query(expr=promql.sum_by(by, promql.select(s.MODEL_GPU_MEMORY, *matchers)), legend=f"{legend(by)} model"),
            Query(expr=of_processes, legend="{{process}} on GPU {{gpu}} ({{k8s_pod_name}})"),
        ),
        unit="bytes",
    )


def _owners(timing: Timing, *matchers: str) -> str:
    """Return 1 for each GPU (or instance) and pod that is on it, without a pod for the GPUs of bare hosts."""
    devices = ", ".join(c.GPU_LABELS)
    in_pods = f"group by ({devices}, {', '.join(_POD)}) ({s.GPU_WORKLOAD_INFO} and on ({', '.join(_POD)}) {_pods(timing, *matchers)})"
    hosts = _servers(timing, *matchers, f'{c.K8S_POD}=""')
    return f"{in_pods} or {_GPU} group by ({devices}) ({s.GPU_UP} and on ({c.HOST_NAME}) ({hosts}))"


def _pods(timing: Timing, *matchers: str) -> str:
    """Return the pods of the chosen servers."""
    servers = _servers(timing, *matchers, f'{c.K8S_POD}!=""')
    return f"group by ({', '.join(_POD)}) ({servers})"


def _servers(timing: Timing, *matchers: str) -> str:
    return membership.of_chosen(membership.told(s.SERVER_UP, *matchers), timing, *matchers)
