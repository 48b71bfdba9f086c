"""GPUs as a whole: which answer, which have to be recovered, and how each is doing. Its siblings show parts of it.

Series are told by node, index and instance of MIG (`BY_GPU`), and apart for each cluster; whole GPUs have no instance.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_uppercase

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware.throttling import CLOCK_LOSS
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Column, Limit, Link, Number, Palette, Query, States, Table
from atlas_ops.render.dashboards.variables import CLUSTER, GPU, LABELS, NODE

TO_GPU = Link(title="This GPU", board="gpu-node", variables={NODE: c.HOST_NAME, GPU: c.GPU})
_CLUSTER = LABELS[CLUSTER]
BY_NODE = (c.HOST_NAME, _CLUSTER)
BY_WHOLE = (c.HOST_NAME, c.GPU, _CLUSTER)
BY_GPU = (c.HOST_NAME, c.GPU, c.MIG, _CLUSTER)
PLACE = (
    Column(source=_CLUSTER, title="Cluster"),
    Column(source=c.HOST_NAME, title="Node"),
    Column(source=c.GPU, title="GPU", links=(TO_GPU,)),
)
"""The first columns of tables about GPUs."""
ANY = Limit(value=1)
"""Of counts that should be zero."""
WHOLE = f'{c.MIG}=""'
"""Of the GPU itself. What its instances hold is part of it, so sums are of whole GPUs."""
_HEALTH = {
    0.0: ("Well", Palette.GOOD),
    -1.0: ("Does not answer", Palette.BAD),
    1.0: ("Reset", Palette.BAD),
    2.0: ("Reboot", Palette.BAD),
    3.0: ("Drain peers", Palette.BAD),
    4.0: ("Drain and reset", Palette.WARNING),
}
"""What the driver asks for (`atlas_gpu_recovery_action`), and -1."""


def greatest(by: tuple[str, ...], expr: str) -> str:
    """Return the greatest value for each set of these labels: one line, also where two exporters have told of a GPU."""
    return f"max by ({', '.join(by)}) ({expr})"


def whole(signal: Signal, *matchers: str) -> str:
    """Return the values of whole GPUs, each once, to be added up."""
    return greatest((*BY_WHOLE, c.UUID), promql.select(signal, *matchers, WHOLE))


def query(by: tuple[str, ...], expr: str, *more: str, word: str = "") -> Query:
    """Return the query for the greatest value by these labels and some `more`; its legend ends in a word."""
    names = " ".join((named(by), *(f"{{{{{label}}}}}" for label in more), word)).strip()
    return Query(expr=greatest((*by, *more), expr), legend=names)


def named(by: tuple[str, ...]) -> str:
    """Return the legend that names GPUs by these labels."""
    return " ".join(f"{'GPU ' if label == c.GPU else ''}{{{{{label}}}}}" for label in by)


def columns(figures: Iterable[tuple[str, str, Limit | None]], *, after: int = 0) -> tuple[Column, ...]:
    """Return columns for the values of queries in their order, from (title, unit, limit); `after` so many other queries."""
    return tuple(
        Column(source=f"Value #{letter}", title=title, unit=unit, limit=limit)
        for letter, (title, unit, limit) in zip(ascii_uppercase[after:], figures, strict=False)
    )


def answering(*matchers: str) -> Number:
    """Return how many GPUs answer."""
    return Number(
        key="gpus-answering",
        title="Answering",
        shows="GPUs that the driver answers for.",
        worry="it falls.",
        faults=("GpuLost",),
        query=Query(expr=f"sum({whole(s.GPU_UP, *matchers)})", legend="answer"),
        unit="short",
        width=3,
    )


def missing(*of_nodes: str) -> Number:
    """Return how many GPUs are expected and do not answer; the matchers are of nodes, which is what it is told by."""
    expected, listed = greatest(BY_NODE, promql.select(s.GPU_EXPECTED, *of_nodes)), whole(s.GPU_UP, *of_nodes)
    wanted = f"({expected} or count by ({', '.join(BY_NODE)}) ({listed}))"
    there = f"({promql.sum_by(BY_NODE, listed)} or 0 * {expected})"
    return Number(
        key="gpus-missing",
        title="Missing",
        shows="GPUs that the nodes should have, less those that answer. Where nobody tells how many, those once listed count.",
        worry="it is not zero.",
        faults=("GpuLost",),
        query=Query(expr=f"sum(clamp_min({wanted} - {there}, 0))", legend="missing"),
        unit="short",
        limit=ANY,
        width=3,
    )


def to_recover(*matchers: str) -> Number:
    """Return how many GPUs the driver wants to be recovered."""
    wanted = greatest(BY_GPU, promql.select(s.GPU_RECOVERY_ACTION, *matchers))
    return Number(
        key="gpus-to-recover",
        title="To be recovered",
        shows="GPUs that have to be reset, or whose node has to be rebooted, by the driver's word.",
        worry="it is not zero.",
        faults=("GpuRecoveryRequired",),
        query=Query(expr=f"sum({wanted} > bool 0) or 0 * sum({whole(s.GPU_UP, *matchers)})", legend="to be recovered"),
        unit="short",
        limit=ANY,
        width=3,
    )


def health(by: tuple[str, ...], *matchers: str, width: int = 24) -> States:
    """Return whether each GPU answers, and what the driver wants to be done with it."""
    action = greatest(by, promql.select(s.GPU_RECOVERY_ACTION, *matchers))
    up = greatest(by, promql.select(s.GPU_UP, *matchers))
    return States(
        key="gpu-health",
        title="What each GPU needs",
        shows="Whether the GPU answers, and what the driver says has to be done with it. AMD's says nothing of that.",
        worry="a band is red.",
        faults=("GpuLost", "GpuRecoveryRequired"),
        queries=(Query(expr=f"{action} or {up} - 1", legend=named(by)),),
        states=_HEALTH,
        links=(TO_GPU,),
        width=width,
    )


def each(*matchers: str, parameters: Parameters) -> Table:
    """Return one row for each GPU, with what matters of it now."""
    limits = parameters.limits
    figures = (
        ("Answers", str(s.GPU_UP), "bool_yes_no", Limit(value=1, below=True)),
        ("Hottest sensor", str(s.GPU_TEMPERATURE), "celsius", None),
        ("Power", str(s.GPU_POWER), "watt", None),
        ("Clock lost", CLOCK_LOSS, "percentunit", Limit(value=limits.clock_loss_ratio)),
        ("Busy", str(s.GPU_UTILIZATION), "percentunit", None),
        ("Memory in use", str(s.GPU_MEMORY_USED), "bytes", None),
    )
    shown = (*matchers, WHOLE)
    what = Query(expr=f"group by ({', '.join((*BY_WHOLE, 'name'))}) ({promql.select(s.GPU_INFO, *shown)})", legend="")
    return Table(
        key="gpus",
        title="GPUs",
        shows="Each GPU now. Idle GPUs lower their clocks by themselves.",
        worry="one does not answer, or differs from its neighbours that do the same work.",
        faults=("GpuLost", "GpuThermalThrottling", "GpuClockDeficit"),
        queries=(
            what,
            *(Query(expr=greatest(BY_WHOLE, promql.select(expr, *shown)), legend="") for _, expr, _, _ in figures),
        ),
        columns=(
            *PLACE,
            Column(source="name", title="Part", width=220),
            *columns(((title, unit, limit) for title, _, unit, limit in figures), after=1),
        ),
        width=24,
    )
