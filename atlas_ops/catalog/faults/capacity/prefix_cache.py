"""PrefixCacheCollapse: the prefix cache finds far less than it used to."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import past
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import Parameters

HIT_RATIO = "model:atlas_prefix_cache_hits:ratio_rate30m"
USUAL_RATIO = "model:atlas_prefix_cache_hits:usual_ratio"


def collapse(parameters: Parameters) -> Fault:
    """Return PrefixCacheCollapse."""
    timing, limits = parameters.timing, parameters.limits
    window = timing.window(1800)
    found = promql.sum_by(c.MODEL_LABELS, promql.increase(s.PREFIX_CACHE_HITS, window))
    asked = promql.sum_by(c.MODEL_LABELS, promql.increase(s.PREFIX_CACHE_QUERIES, window))
    enough, useful = (
        promql.number(limit) for limit in (limits.prefix_cache_minimum_tokens, limits.prefix_cache_useful_ratio)
    )
    fallen = past.fallen(HIT_RATIO, USUAL_RATIO, limits.fallen_ratio, timing)
    return Fault(
        name="PrefixCacheCollapse",
        family=Family.CAPACITY,
        meaning="The prefix cache finds far less than it usually does, so prompts are computed again.",
        impact="First tokens come later, and each request costs more of the GPU: the same fleet carries less traffic.",
        recordings=(
            # Quiet times are left out of the past as well: a few prompts say who asked, not how the cache is.
            Recording(name=HIT_RATIO, expr=f"{found} / ({asked} >= {enough})"),
            past.usual(USUAL_RATIO, HIT_RATIO, timing),
        ),
        rules=(
            Rule(
                expr=f"{fallen}\nand\n{USUAL_RATIO} > {useful}",
                labels=c.MODEL_LABELS,
                severity=Severity.TICKET,
                summary=(
                    "The prefix cache of {{ $labels.model }} finds {{ $value | humanizePercentage }} of the tokens that it is "
                    f"asked for: less than {promql.number(limits.fallen_ratio * 100)} % of what it usually finds."
                ),
            ),
        ),
        panel=Panel(
            title="Tokens found in the prefix cache",
            description="Share of the prompt tokens that were found, over half an hour, and what is usual for the model.",
            queries=(
                (promql.select(HIT_RATIO, 'model=~"$model"'), "{{model}}"),
                (promql.select(USUAL_RATIO, 'model=~"$model"'), "usual {{model}}"),
            ),
            unit="percentunit",
        ),
        why=(
            "How much a cache can find depends on the prompts, so each model is compared with its own last day (the "
            "median, an hour left out) and not with a fixed share; and with yesterday at the same time, for what happens "
            "every day. Half an hour with too few lookups says nothing, neither now nor for the past."
        ),
        look_alike="A quiet night, a nightly batch without shared prompts, and a rolling deploy that starts with empty caches.",
        scenario="prefix_cache_collapse",
    )
