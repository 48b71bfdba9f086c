"""ColdStartSlow: a server took much longer to start than the servers of its model usually do."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.faults import past
from atlas_ops.catalog.model import Family, Fault, Panel, Quality, Recording, Rule, Severity
from atlas_ops.catalog.parameters import GAP_SECONDS, Parameters

LOAD = "server:atlas_model_load:seconds"
MODEL_LOAD = "model:atlas_model_load:median_seconds"
USUAL_LOAD = "model:atlas_model_load:usual_seconds"
_GAP_SECONDS = 600.0
"""What is missed for as long was seen all the same."""


def slow(parameters: Parameters) -> Fault:
    """Return ColdStartSlow."""
    timing, limits = parameters.timing, parameters.limits
    # Such as a sum over all loads of the same model: it grows with each of them.
    entries = {dialect.runtime: dialect.entry(s.MODEL_LOAD) for dialect in shipped_dialects()}
    rough = "|".join(runtime for runtime, entry in entries.items() if entry and entry.quality is Quality.APPROXIMATE)
    by_server, by_model = (", ".join(labels) for labels in (c.SERVER_LABELS, c.MODEL_LABELS))
    told = promql.select(s.MODEL_LOAD, f"runtime!~{promql.quote(rough)}")
    return Fault(
        name="ColdStartSlow",
        family=Family.CAPACITY,
        meaning="A server took far longer to load its model than the servers of this model usually do.",
        impact="New replicas help late: a scale-up, a rolling deploy or a replaced node leaves users waiting longer.",
        recordings=(
            Recording(name=LOAD, expr=f"max by ({by_server}) ({told})"),
            Recording(name=MODEL_LOAD, expr=f"quantile by ({by_model}) (0.5, {LOAD})"),
            past.usual(USUAL_LOAD, MODEL_LOAD, timing),
        ),
        rules=(
            Rule(
                expr=_slow(parameters),
                labels=c.SERVER_LABELS,
                severity=Severity.TICKET,
                summary=(
                    "{{ $labels.server }} took {{ $value | humanizeDuration }} to load {{ $labels.model }}: more than "
                    f"{promql.number(limits.cold_start_ratio)} times the usual, or more than "
                    f"{promql.duration(limits.cold_start_seconds)}."
                ),
                keep_firing_seconds=timing.hold(GAP_SECONDS),
            ),
        ),
        panel=Panel(
            title="Time to load the model",
            description="From the start of each server to its first ready answer, and what is usual for the model.",
            queries=(
                (promql.select(LOAD, 'model=~"$model"'), "{{model}} {{server}}"),
                (promql.select(USUAL_LOAD, 'model=~"$model"'), "usual {{model}}"),
            ),
            unit="s",
            limit=limits.cold_start_seconds,
            empty="while no server has been seen to start",
        ),
        why=(
            "How long a load takes depends on the size of the model, so a start is compared with what is usual for its own "
            "model over a day; above the hard limit, rollouts are given up. A server keeps the time of its last start, so "
            "only one that was not there an hour ago counts, and only if servers were watched then."
            f" Left out are runtimes that add loads up ({rough.replace('|', ', ')})."
        ),
        look_alike="A large model whose starts always take minutes, and a small one that takes twenty seconds for once.",
        scenario="cold_start_slow",
    )


def _slow(parameters: Parameters) -> str:
    limits = parameters.limits
    ratio, least, most = (
        promql.number(limit)
        for limit in (limits.cold_start_ratio, limits.cold_start_minimum_seconds, limits.cold_start_seconds)
    )
    usual = f"{LOAD} > on ({', '.join(c.MODEL_LABELS)}) group_left () ({ratio} * {USUAL_LOAD})"
    # One evaluation of an hour ago may have failed, or one scrape: the last that was known around then counts.
    gap, hour = parameters.timing.window(_GAP_SECONDS), parameters.timing.window(3600)
    old = f"{LOAD} == last_over_time({LOAD}[{gap}] offset {hour})"
    # Whoever did not look an hour ago, such as a new Prometheus, does not know who is new.
    looked = f"on () group (last_over_time({s.SERVER_UP}[{gap}] offset {hour}))"
    return f"(\n  {usual} and {LOAD} > {least}\n  or\n  {LOAD} > {most}\n)\nunless {old}\nand {looked}"
