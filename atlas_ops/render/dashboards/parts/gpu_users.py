"""Who uses the GPUs: pods and units, and the model servers in them."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards.panels import Column, Link, Query, Table
from atlas_ops.render.dashboards.parts import membership
from atlas_ops.render.dashboards.parts.gpus import BY_GPU, PLACE
from atlas_ops.render.dashboards.variables import CLUSTER, LABELS, MODEL, NAMESPACE, SERVER

_PLACE = (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD, LABELS[CLUSTER])
"""Where servers and GPUs meet."""


def table(timing: Timing, of_clusters: tuple[str, ...], *matchers: str) -> Table:
    """Return who uses each GPU or instance, and how much of its memory they hold; servers are found by their pod."""
    who = (*BY_GPU, c.K8S_NAMESPACE, c.K8S_POD, c.SYSTEMD_UNIT)
    held = promql.sum_by(who, promql.select(s.GPU_PROCESS_MEMORY, *matchers))
    return Table(
        key="gpu-users",
        title="Pods and servers on the GPUs",
        shows=(
            "Pods, or units of systemd, that hold a GPU, with the model server in the pod (one of them, where there are several)."
        ),
        worry="somebody holds a GPU who should not, or a server does not hold the one that it was given.",
        faults=("GpuIdleAllocated", "GpuMemoryLeak"),
        empty="while nobody holds a GPU",
        queries=(Query(expr=_users(timing, who, of_clusters, matchers), legend=""), Query(expr=held, legend="")),
        columns=(
            *PLACE,
            Column(source=c.MIG, title="Instance"),
            Column(source=c.K8S_NAMESPACE, title="Namespace"),
            Column(source=c.K8S_POD, title="Pod"),
            Column(source=c.SYSTEMD_UNIT, title="Unit"),
            Column(source=c.MODEL, title="Model", links=(_link(MODEL, NAMESPACE, MODEL),)),
            Column(source=c.SERVER, title="Server", links=(_link(SERVER, NAMESPACE, MODEL, SERVER),)),
            Column(source="Value #B", title="Memory held", unit="bytes"),
            Column(source="sharing", title="Sharing"),
        ),
        width=24,
    )


def _users(timing: Timing, who: tuple[str, ...], of_clusters: tuple[str, ...], matchers: tuple[str, ...]) -> str:
    told = f"group by ({', '.join((*who, 'sharing'))}) ({promql.select(s.GPU_WORKLOAD_INFO, *matchers)})"
    members = membership.members(timing, f'{c.K8S_POD}!=""', *of_clusters)
    place = ", ".join(_PLACE)
    # One server for each pod: a join takes no more, and a pod with several is rare.
    servers = f"topk by ({place}) (1, group by ({place}, {c.MODEL}, {c.SERVER}) ({members}))"
    return f"{told} * on ({place}) group_left ({c.MODEL}, {c.SERVER}) {servers}\nor on ({', '.join(who)})\n{told}"


def _link(board: str, *variables: str) -> Link:
    return Link(title=f"This {board}", board=board, variables={name: LABELS[name] for name in variables})
