"""What tokens and requests cost in time of GPUs: the price of a GPU-hour times it is the money. See also `cost`."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.capacity.queue import COMPLETED_RATE
from atlas_ops.catalog.faults.cost.tokens import (
    MODEL_TOKENS,
    SERVER_TOKENS,
)  # fmt: skip
from atlas_ops.render.dashboards.panels import Chart, Query
from atlas_ops.render.dashboards.parts.cost import YOUNG, for_each, for_each_token
from atlas_ops.render.dashboards.parts.requests import legend
from atlas_ops.render.dashboards.variables import CLUSTER, LABELS

_CLUSTER = LABELS[CLUSTER]
_PLACE = (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD, _CLUSTER)
_GPU = ", ".join((*c.GPU_LABELS, _CLUSTER))
_STEP = 120.0
"""GPUs seldom change hands, and each point reads who has which of all. Tokens are recorded no oftener."""


def of_million_tokens(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the hours of GPUs that a million tokens take."""
    hours = f"{for_each_token(_gpus(SERVER_TOKENS, by, *matchers), by, *matchers)} * 1e6 / 3600"
    return Chart(
        key="cost-gpu-hours-of-million",
        title="GPU-hours for a million tokens",
        shows="GPUs that a model's servers hold by the tokens that they produce. Times what a GPU-hour costs you, it is the price.",
        worry="it rises: GPUs are held that produce little.",
        faults=("CostPerTokenSpike", "GpuIdleAllocated"),
        empty=YOUNG,
        queries=(Query(expr=hours, legend=legend(by), step=_STEP),),
        unit="short",
        width=width,
    )


def tokens_of_gpu(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return what each GPU of a model produces."""
    produced = promql.sum_by(by, promql.select(MODEL_TOKENS, *matchers))
    return Chart(
        key="cost-tokens-of-gpu",
        title="Tokens per second, for each GPU",
        shows="Tokens that a model produces by the GPUs that its servers hold.",
        worry="it is far below what the same model reaches elsewhere: batches are small, or replicas too many.",
        faults=("CapacityHeadroomLow", "GpuIdleAllocated"),
        empty=YOUNG,
        queries=(Query(expr=f"{produced} / {_gpus(SERVER_TOKENS, by, *matchers)}", legend=legend(by), step=_STEP),),
        unit="short",
        width=width,
    )


def held(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return how many GPUs the servers of each model hold."""
    return Chart(
        key="cost-gpus-held",
        title="GPUs held by each model",
        shows="GPUs that the pods of a model's servers have for themselves; of bare hosts all that no pod has.",
        worry="it does not fall when replicas do.",
        faults=("GpuIdleAllocated",),
        empty="where no exporter sees the GPUs of the servers",
        queries=(Query(expr=_gpus(COMPLETED_RATE, by, *matchers), legend=legend(by), step=_STEP),),
        unit="short",
        width=width,
    )


def of_request(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the time of GPUs that a request takes: the price of models that produce no tokens."""
    ended = promql.sum_by(by, promql.select(COMPLETED_RATE, *matchers))
    return Chart(
        key="cost-gpu-seconds-of-request",
        title="GPU time for each request",
        shows="GPUs that a model's servers hold by the requests that end in a second, rejected ones left out.",
        worry="it rises at the same traffic, or stays high because there is hardly any.",
        faults=("CapacityHeadroomLow", "GpuIdleAllocated"),
        empty="where no exporter sees the GPUs of the servers",
        queries=(Query(expr=for_each(_gpus(COMPLETED_RATE, by, *matchers), ended), legend=legend(by), step=_STEP),),
        unit="s",
        width=width,
    )


def _gpus(of_servers: str, by: tuple[str, ...], *matchers: str) -> str:
    """Return how many GPUs the servers of each model hold that tell `of_servers`."""
    place, of_pods = ", ".join(_PLACE), f'{c.K8S_POD}!=""'
    alone, any_pod = (promql.select(s.GPU_WORKLOAD_INFO, of_pods, more) for more in ('sharing="exclusive"', ""))
    of_pod = f"count by ({place}) (group by ({_GPU}, {c.K8S_NAMESPACE}, {c.K8S_POD}) ({alone}))"
    free = f"group by ({_GPU}) ({s.GPU_UP}) unless on ({_GPU}) {any_pod}"
    of_host = f"count by ({c.HOST_NAME}, {_CLUSTER}) ({free})"
    labels = ", ".join(dict.fromkeys((*_PLACE, *c.MODEL_LABELS)))
    servers = f"group by ({labels}) ({promql.select(of_servers, *matchers)})"
    return promql.sum_by(by, f"{servers} * on ({place}) group_left () ({of_pod} or {of_host})")
