"""Energy per token out of Prometheus, where the GPUs of both sides are known and equally busy. Called by `histograms`.

GPUs are a side's as in CostPerTokenSpike: by the pod that has them for itself, or by the host where its servers are in no pod. Idle power
makes the tokens of a quiet GPU dear, so the two are compared only while a GPU of each produces about as many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.cost.tokens import at_places, joules
from atlas_ops.gate.metrics import Metric, Tolerances, energy
from atlas_ops.gate.runs import ENERGY, Reading, Run
from atlas_ops.prometheus import Prometheus

EVEN = 0.10
"""By how much the tokens of a GPU may differ between the sides (a share)."""
_PLACE = (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD)
_GPU = ", ".join(c.GPU_LABELS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """The ends of windows (Unix seconds of Prometheus's clock) and their length."""

    first: float
    last: float
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """What Prometheus knows of one side, by the end of each window."""

    places: frozenset[tuple[str, ...]]
    """Pods or hosts of its servers."""
    joules: Mapping[float, float]
    tokens: Mapping[float, float]
    gpus: Mapping[float, float]

    @property
    def readings(self) -> dict[float, Reading]:
        """Joules per token of each window that has both."""
        whole = {at: tokens for at, tokens in self.tokens.items() if tokens >= 1 and self.joules.get(at, 0.0) > 0}
        return {at: Reading(value=self.joules[at] / tokens, of=round(tokens)) for at, tokens in whole.items()}

    @property
    def load(self) -> float:
        """Tokens that a GPU produced in a window, on average."""
        held = sum(self.gpus.get(at, 0.0) for at in self.readings)
        return sum(self.tokens[at] for at in self.readings) / held if held else 0.0


def read(prometheus: Prometheus, model: str, selector: str, times: Times) -> Side:
    """Return what is known of the side that `selector` chooses."""
    window, place = promql.duration(times.seconds), ", ".join(_PLACE)
    produced = promql.increase(s.GENERATION_TOKENS, window, f"{c.MODEL}={promql.quote(model)}", selector)
    servers = f"group by ({place}) ({produced})"

    def held(of_gpu: str) -> dict[float, float]:
        expr = f"sum ({servers} * on ({place}) group_left () ({at_places(f'({of_gpu})')}))"
        return _summed(prometheus, expr, times)

    known = prometheus.query_range(servers, times.first, times.last, times.seconds)
    return Side(
        places=frozenset(tuple(course.labels.get(name, "") for name in _PLACE) for course in known),
        joules=held(joules(times.seconds)),
        tokens=_summed(prometheus, f"sum ({produced})", times),
        gpus=held(f"group by ({_GPU}) (max_over_time({s.GPU_UP}[{window}]))"),
    )


def _summed(prometheus: Prometheus, expr: str, times: Times) -> dict[float, float]:
    courses = prometheus.query_range(expr, times.first, times.last, times.seconds)
    return {at: value for course in courses for at, value in zip(course.times, course.values, strict=True)}


def why_not(baseline: Side, canary: Side) -> str:
    """Return why energy cannot be compared, as a note; "" when it can be."""
    sides = {"baseline": baseline, "canary": canary}
    without = [name for name, side in sides.items() if not side.readings]
    if len(without) == 1:
        return f"energy is not compared: no GPU is known to be the {without[0]}'s ({s.GPU_WORKLOAD_INFO} and {s.GPU_ENERGY})"
    if baseline.places & canary.places:
        return "energy is not compared: servers of both sides are on the same host, or in the same pod, and so are their GPUs"
    busier = canary.load / baseline.load
    if not 1 / (1 + EVEN) <= busier <= 1 + EVEN:
        return (
            f"energy is not compared: a GPU of the canary produced {busier:.2f} times the tokens of one of the baseline, and idle power "
            "makes the fewer dearer; share the traffic by the number of GPUs"
        )
    return ""


def added(
    sides: tuple[Side, Side], runs: Sequence[Sequence[Run]], tolerances: Tolerances
) -> tuple[tuple[Metric, ...], list[tuple[Run, ...]]]:
    """Return the metric and the runs with it, or no metric and runs with a note why; neither when no side tells any energy."""
    if not any(side.readings for side in sides):
        return (), [tuple(side) for side in runs]
    if note := why_not(*sides):
        return (), [tuple(replace(run, notes=(*run.notes, note)) for run in side) for side in runs]
    told = [
        tuple(_with(run, side.readings.get(run.began or 0.0)) for run in of)
        for side, of in zip(sides, runs, strict=True)
    ]
    return (energy(tolerances),), told


def _with(run: Run, reading: Reading | None) -> Run:
    return run if reading is None else replace(run, readings={**run.readings, ENERGY: reading})
