"""What tokens cost, in energy and in time of GPUs. No price is assumed: a GPU-hour times what you pay for it is the money.

GPUs are a model's by the pod that holds them for itself, or by the host where there are no pods, as in CostPerTokenSpike.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.cost.tokens import MODEL_POWER, MODEL_TOKENS, SERVER_TOKENS, USUAL_COST, USUAL_TOKENS
from atlas_ops.render.dashboards.panels import Chart, Number, Query
from atlas_ops.render.dashboards.parts.requests import legend
from atlas_ops.render.dashboards.variables import CLUSTER, LABELS

_CLUSTER = LABELS[CLUSTER]
_PLACE = (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD, _CLUSTER)
_GPU = ", ".join(c.GPU_LABELS)
_JOULES_PER_MILLION_TO_KWH = "3.6"
"""A joule for each token is a megajoule for a million of them, and 3.6 MJ are a kilowatt-hour."""
_YOUNG = "in the first half hour of a server, whose tokens and energy are not known for long enough"


def power_now(*matchers: str) -> Number:
    """Return the power of the models' GPUs together."""
    return Number(
        key="cost-power-now",
        title="Power",
        shows="Mean power of half an hour, of all GPUs that the models' servers hold.",
        worry="it stays the same while tokens become fewer.",
        faults=("CostPerTokenSpike",),
        empty=_YOUNG,
        query=Query(expr=f"sum({promql.select(MODEL_POWER, *matchers)})", legend="power"),
        unit="watt",
    )


def power(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the power of the GPUs of each model."""
    return Chart(
        key="cost-power",
        title="Power by model",
        shows="Power of the GPUs that a model's servers hold, over half an hour.",
        worry="it rises and the tokens do not.",
        faults=("CostPerTokenSpike",),
        empty=_YOUNG,
        queries=(Query(expr=promql.sum_by(by, promql.select(MODEL_POWER, *matchers)), legend=legend(by)),),
        unit="watt",
        width=width,
    )


def tokens(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the tokens that each model produces, against the day before."""
    return Chart(
        key="cost-tokens",
        title="Tokens per second",
        shows="Tokens produced, over half an hour, and on the mean of the day that ended an hour ago.",
        worry="they are far fewer than usual: the same GPUs then make every token dear.",
        faults=("CostPerTokenSpike",),
        empty=_YOUNG,
        queries=(
            Query(expr=promql.sum_by(by, promql.select(MODEL_TOKENS, *matchers)), legend=legend(by)),
            Query(expr=promql.sum_by(by, promql.select(USUAL_TOKENS, *matchers)), legend=f"{legend(by)} day before"),
        ),
        unit="short",
        width=width,
    )


def energy(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the energy for each token, against the day before."""
    joules = promql.sum_by(by, promql.select(MODEL_POWER, *matchers))
    usual = f"max by ({', '.join(by)}) ({promql.select(USUAL_COST, *matchers)})"
    return Chart(
        key="cost-energy",
        title="Energy for each token",
        shows="Power of a model's GPUs by the tokens that they produce, now and on the day that ended an hour ago.",
        worry="it is well above the day before, at about the same traffic. A quiet hour makes every token dear.",
        faults=("CostPerTokenSpike",),
        empty=_YOUNG,
        queries=(
            Query(expr=_for_each_token(joules, by, *matchers), legend=legend(by)),
            Query(expr=usual, legend=f"{legend(by)} day before"),
        ),
        unit="joule",
        width=width,
    )


def energy_of_million(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the energy for a million tokens as it is billed."""
    joules = promql.sum_by(by, promql.select(MODEL_POWER, *matchers))
    return Chart(
        key="cost-energy-of-million",
        title="Energy for a million tokens",
        shows="Of the GPUs alone. Times what a kilowatt-hour costs you, and what your cooling adds, it is the bill for power.",
        worry="it rises at the same traffic.",
        faults=("CostPerTokenSpike",),
        empty=_YOUNG,
        queries=(
            Query(expr=f"{_for_each_token(joules, by, *matchers)} / {_JOULES_PER_MILLION_TO_KWH}", legend=legend(by)),
        ),
        unit="kwatth",
        width=width,
    )


def gpu_hours_of_million(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the hours of GPUs that a million tokens take."""
    hours = f"{_for_each_token(_gpus(by, *matchers), by, *matchers)} * 1e6 / 3600"
    return Chart(
        key="cost-gpu-hours-of-million",
        title="GPU-hours for a million tokens",
        shows="GPUs that a model's servers hold by the tokens that they produce. Times what a GPU-hour costs you, it is the price.",
        worry="it rises: GPUs are held that produce little.",
        faults=("CostPerTokenSpike", "GpuIdleAllocated"),
        empty=_YOUNG,
        queries=(Query(expr=hours, legend=legend(by)),),
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
        empty=_YOUNG,
        queries=(Query(expr=f"{produced} / {_gpus(by, *matchers)}", legend=legend(by)),),
        unit="short",
        width=width,
    )


def _for_each_token(expr: str, by: tuple[str, ...], *matchers: str) -> str:
    """Return `expr` by the tokens of a second: not a number, rather than infinite, where nobody asks for any."""
    produced = promql.sum_by(by, promql.select(MODEL_TOKENS, *matchers))
    return f"{expr} / {produced} * ({produced} / {produced})"


def _gpus(by: tuple[str, ...], *matchers: str) -> str:
    """Return how many GPUs the servers of each model hold."""
    place, of_pods = ", ".join(_PLACE), f'{c.K8S_POD}!=""'
    alone = promql.select(s.GPU_WORKLOAD_INFO, of_pods, 'sharing="exclusive"')
    of_pod = f"count by ({place}) (group by ({_GPU}, {c.K8S_NAMESPACE}, {c.K8S_POD}, {_CLUSTER}) ({alone}))"
    free = (
        f"group by ({_GPU}, {_CLUSTER}) ({s.GPU_UP}) unless on ({_GPU}) {promql.select(s.GPU_WORKLOAD_INFO, of_pods)}"
    )
    of_host = f"count by ({c.HOST_NAME}, {_CLUSTER}) ({free})"
    servers = (
        f"group by ({', '.join(dict.fromkeys((*_PLACE, *c.MODEL_LABELS)))}) ({promql.select(SERVER_TOKENS, *matchers)})"
    )
    return promql.sum_by(by, f"{servers} * on ({place}) group_left () ({of_pod} or {of_host})")
