"""What tokens cost in energy. No price is assumed: a kilowatt-hour times what you pay for it is the money. See also `gpu_time`.

GPUs are a model's by the pod that has them for itself, or by the host where there are no pods, as in CostPerTokenSpike.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.faults.cost.tokens import (
    GPU_POWER,
    MODEL_POWER,
    MODEL_TOKENS,
    USUAL_COST,
    USUAL_TOKENS,
)  # fmt: skip
from atlas_ops.catalog.faults.hardware.owner import OWNER
from atlas_ops.render.dashboards.panels import Chart, Number, Query
from atlas_ops.render.dashboards.parts.requests import legend
from atlas_ops.render.dashboards.variables import CLUSTER, LABELS

_CLUSTER = LABELS[CLUSTER]
_GPU = ", ".join(c.GPU_LABELS)
_JOULES_PER_MILLION_TO_KWH = "3.6"
"""A joule for each token is a megajoule for a million of them, and 3.6 MJ are a kilowatt-hour."""
YOUNG = "in the first half hour of a server, whose tokens and energy are not known for long enough"


def power_now(*matchers: str) -> Number:
    """Return the power of the models' GPUs together."""
    return Number(
        key="cost-power-now",
        title="Power",
        shows="Mean power of half an hour, of all GPUs that the models' servers hold.",
        worry="it stays the same while tokens become fewer.",
        faults=("CostPerTokenSpike",),
        empty=YOUNG,
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
        empty=YOUNG,
        queries=(Query(expr=promql.sum_by(by, promql.select(MODEL_POWER, *matchers)), legend=legend(by)),),
        unit="watt",
        width=width,
    )


def power_of_namespaces(*matchers: str, width: int = 8) -> Chart:
    """Return the power of all GPUs by the namespace that holds them; the matchers are of namespaces."""
    by = (c.K8S_NAMESPACE, _CLUSTER)
    drawn = f"{GPU_POWER} * on ({_GPU}) group_left ({c.K8S_NAMESPACE}) {promql.select(OWNER, *matchers)}"
    named = promql.label_replace(promql.sum_by(by, drawn), c.K8S_NAMESPACE, "none", c.K8S_NAMESPACE)
    return Chart(
        key="cost-power-of-namespaces",
        title="Power by namespace",
        shows="Power of all GPUs over half an hour, by who has them alone; `none`: bare hosts, shared and free GPUs.",
        worry="free GPUs draw much of it.",
        faults=("GpuIdleAllocated",),
        queries=(Query(expr=named, legend=legend(by)),),
        unit="watt",
        stacked=True,
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
        empty=YOUNG,
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
        empty=YOUNG,
        queries=(
            Query(expr=for_each_token(joules, by, *matchers), legend=legend(by)),
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
        empty=YOUNG,
        queries=(
            Query(expr=f"{for_each_token(joules, by, *matchers)} / {_JOULES_PER_MILLION_TO_KWH}", legend=legend(by)),
        ),
        unit="kwatth",
        width=width,
    )


def for_each_token(expr: str, by: tuple[str, ...], *matchers: str) -> str:
    """Return `expr` by the tokens that these models produce in a second, as `for_each` does."""
    return for_each(expr, promql.sum_by(by, promql.select(MODEL_TOKENS, *matchers)))


def for_each(expr: str, produced: str) -> str:
    """Return `expr` by what is produced in a second: not a number, rather than infinite, where nobody asks for any."""
    return f"{expr} / {produced} * ({produced} / {produced})"
