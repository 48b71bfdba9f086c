"""LoraThrashing: more LoRA adapters are asked for than fit at the same time, so that they wait for each other's places."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
from atlas_ops.catalog.parameters import Parameters


def thrashing(parameters: Parameters) -> Fault:
    """Return LoraThrashing."""
    window, long = parameters.timing.window(900), parameters.timing.window(6 * 3600)
    near, least = (
        promql.number(limit) for limit in (parameters.limits.lora_full_ratio, parameters.limits.waiting_minimum)
    )
    waiting, running = (promql.select(s.LORA_ADAPTERS, f'state="{state}"') for state in ("waiting", "running"))
    full = f"{_mean(running, window)} >= {near} * {_most(running, long)}"
    room = f"{_mean(str(s.REQUESTS_RUNNING), window)} < {near} * {_most(str(s.REQUESTS_RUNNING), long)}"
    # In its first minutes a server has run as much as it ever did, and has not been full yet.
    known = promql.sum_by(c.SERVER_LABELS, f"{s.LORA_ADAPTERS} offset {window}")
    return Fault(
        name="LoraThrashing",
        family=Family.CAPACITY,
        meaning="More LoRA adapters are asked for than fit at the same time: requests wait for a place of their adapter.",
        impact="Requests to some adapters wait although the batch has room, and adapters are loaded over and over.",
        rules=(
            Rule(
                expr=f"{_mean(waiting, window)} >= {least}\nand\n{full}\nand\n{room}\nand\n{known}",
                labels=c.SERVER_LABELS,
                severity=Severity.TICKET,
                summary=(
                    'On {{ $labels.server }} ({{ $labels.model }}) {{ $value | printf "%.1f" }} LoRA adapters wait for a place on '
                    f"average over {promql.duration(parameters.timing.hold(900))}, with room in the batch."
                ),
            ),
        ),
        panel=Panel(
            title="LoRA adapters",
            description="Adapters with running and with waiting requests. Worry when some wait and as many run as ever.",
            queries=((promql.select(s.LORA_ADAPTERS, 'model=~"$model"'), "{{state}} {{model}} {{server}}"),),
            unit="short",
        ),
        why=(
            "Adapters that wait are normal when all requests wait. They lack places of their own only when as many run as "
            "ever did in six hours while the batch is below its highest: vLLM, which alone tells adapters, does not tell "
            "how many fit (--max-loras)."
        ),
        look_alike="A full batch, in which requests of every adapter wait, and adapters that wait for a moment.",
        scenario="lora_thrashing",
    )


def _mean(gauge: str, window: str) -> str:
    return promql.sum_by(c.SERVER_LABELS, f"avg_over_time({gauge}[{window}])")


def _most(gauge: str, window: str) -> str:
    return promql.sum_by(c.SERVER_LABELS, f"max_over_time({gauge}[{window}])")
