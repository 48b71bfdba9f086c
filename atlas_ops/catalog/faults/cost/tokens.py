"""CostPerTokenSpike: a model that needs more energy for each token than the day before. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import past
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

GPU_POWER = "gpu:atlas_gpu_power:mean_watts"
PLACE_POWER = "pod:atlas_gpu_power:sum_watts"
MODEL_POWER = "model:atlas_gpu_power:sum_watts"
SERVER_TOKENS = "server:atlas_generation_tokens:rate"
MODEL_TOKENS = "model:atlas_generation_tokens:rate"
POWER_THINNED = "model:atlas_gpu_power:thinned_watts"
TOKENS_THINNED = "model:atlas_generation_tokens:thinned_rate"
USUAL_TOKENS = "model:atlas_generation_tokens:usual_rate"
USUAL_COST = "model:atlas_token_energy:usual_joules"
_WINDOW_SECONDS = 1800.0
_PLACE = (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD)
"""Where servers and GPUs meet: the pod, or the whole host where a server is in none."""
_GPU = ", ".join(c.GPU_LABELS)
_OF_PODS = f'{c.K8S_POD}!=""'


def cost_per_token_spike(parameters: Parameters) -> Fault:
    """Return the fault."""
    return Fault(
        name="CostPerTokenSpike",
        family=Family.COST,
        meaning="The GPUs of a model need much more energy for each token that it produces than the day before.",
        impact="Nobody has to notice; the same answers cost more, in power and in GPUs that could do something else.",
        recordings=_recordings(parameters),
        rules=(_rule(parameters),),
        panel=_panel(),
        why=(
            "Energy is measured, and in proportion to it and to the GPUs held is what a token costs, whatever the price. It "
            "is held against the energy of the day that ended an hour ago by its tokens, and only while the traffic is about "
            "that of the day: idle power makes every token dear in a quiet hour, and so do tokens that are not told, of a "
            "server that does not answer. One that has been known for less than half an hour is left out with its GPUs. GPUs "
            "are a model's by the pod that holds them, or by the host where there are no pods; shared GPUs and instances of "
            "MIG count for nobody, and those of a pod with several models for each of them."
        ),
        look_alike=(
            "A quiet night, in which the same GPUs produce fewer tokens, a server whose tokens are not told while it works, "
            "and a model that has hardly any traffic."
        ),
        scenario="cost_per_token_spike",
    )


def _rule(parameters: Parameters) -> Rule:
    timing, limits = parameters.timing, parameters.limits
    risen = promql.number(limits.token_cost_ratio)
    return Rule(
        expr=(
            f"{MODEL_POWER} / {MODEL_TOKENS} > {risen} * {USUAL_COST}\n"
            f"and {MODEL_TOKENS} >= {promql.number(limits.token_cost_traffic_ratio)} * {USUAL_TOKENS}\n"
            f"and {MODEL_TOKENS} >= {promql.number(limits.token_cost_minimum_tokens)}"
        ),
        labels=c.MODEL_LABELS,
        severity=Severity.TICKET,
        summary=(
            "A token of {{ $labels.model }} now costs {{ $value | humanize }} J, more than "
            f"{risen} times what it cost the day before."
        ),
        for_seconds=timing.hold(180),
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
    )


def _panel() -> Panel:
    shown = 'model=~"$model"'
    return Panel(
        title="Energy for each token",
        description="Power of the GPUs that the model's servers hold, by the tokens that they produce.",
        queries=(
            (f"{promql.select(MODEL_POWER, shown)} / {promql.select(MODEL_TOKENS, shown)}", "{{model}}"),
            (promql.select(USUAL_COST, shown), "day before: {{model}}"),
        ),
        unit="joule",
    )


def _recordings(parameters: Parameters) -> tuple[Recording, ...]:
    return (*_now(parameters), *_day_before(parameters))


def _day_before(parameters: Parameters) -> tuple[Recording, ...]:
    """Return the recordings of the day that ended an hour ago: its tokens, and all its energy by all its tokens."""
    timing = parameters.timing
    return (
        past.thinned(POWER_THINNED, MODEL_POWER, timing),
        past.thinned(TOKENS_THINNED, MODEL_TOKENS, timing),
        Recording(name=USUAL_TOKENS, expr=past.mean(TOKENS_THINNED, timing)),
        Recording(name=USUAL_COST, expr=f"{past.mean(POWER_THINNED, timing)} / {USUAL_TOKENS}"),
    )


def _now(parameters: Parameters) -> tuple[Recording, ...]:
    window, place = parameters.timing.window(_WINDOW_SECONDS), ", ".join(_PLACE)
    # Parts without a counter of energy tell their power.
    power = f"max by ({_GPU}) ({promql.rate(s.GPU_ENERGY, window)})\nor max by ({_GPU}) (avg_over_time({s.GPU_POWER}[{window}]))"
    servers = f"group by ({', '.join(dict.fromkeys((*_PLACE, *c.MODEL_LABELS)))}) ({SERVER_TOKENS})"
    # Half an hour of which a server was not known for all has too few of its tokens, and all the energy of its GPUs.
    tokens = f"{promql.rate(s.GENERATION_TOKENS, window)} and {s.GENERATION_TOKENS} offset {window}"
    return (
        Recording(name=SERVER_TOKENS, expr=tokens),
        Recording(name=GPU_POWER, expr=power),
        Recording(name=PLACE_POWER, expr=at_places(GPU_POWER)),
        Recording(
            name=MODEL_POWER,
            expr=promql.sum_by(c.MODEL_LABELS, f"{servers} * on ({place}) group_left () {PLACE_POWER}"),
        ),
        Recording(name=MODEL_TOKENS, expr=promql.sum_by(c.MODEL_LABELS, SERVER_TOKENS)),
    )


def joules(seconds: float) -> str:
    """Return PromQL for the joules of each GPU in a window; parts without a counter of energy tell their power."""
    window = promql.duration(seconds)
    counted = f"max by ({_GPU}) ({promql.increase(s.GPU_ENERGY, window)})"
    return f"{counted}\nor max by ({_GPU}) (avg_over_time({s.GPU_POWER}[{window}])) * {promql.number(seconds)}"


def at_places(of_gpu: str) -> str:
    """Return PromQL that adds up a value of each GPU where servers and GPUs meet: by the pod that has them for itself, or by the host.

    `of_gpu` has the labels of a GPU and no others; as an operand it has to be a name or in brackets. Read by `capacity` and `gate` as well.
    """
    held = promql.select(s.GPU_WORKLOAD_INFO, _OF_PODS)
    alone = promql.select(s.GPU_WORKLOAD_INFO, _OF_PODS, 'sharing="exclusive"')
    holders = f"group by ({_GPU}, {c.K8S_NAMESPACE}, {c.K8S_POD}) ({alone})"
    return (
        f"sum by ({', '.join(_PLACE)}) ({holders} * on ({_GPU}) group_left () {of_gpu})\n"
        f"or sum by ({c.HOST_NAME}) ({of_gpu} unless on ({_GPU}) {held})"
    )
