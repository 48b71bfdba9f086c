"""SpeculationCollapse: far fewer drafted tokens are accepted than used to be, so that speculation costs more than it saves."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import past
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import Parameters

ACCEPTED_RATIO = "model:atlas_spec_decode_accepted:ratio_rate30m"
USUAL_RATIO = "model:atlas_spec_decode_accepted:usual_ratio"


def collapse(parameters: Parameters) -> Fault:
    """Return SpeculationCollapse."""
    timing, limits = parameters.timing, parameters.limits
    window = timing.window(1800)
    accepted = promql.sum_by(c.MODEL_LABELS, promql.increase(s.SPEC_DECODE_ACCEPTED_TOKENS, window))
    drafted = promql.sum_by(c.MODEL_LABELS, promql.increase(s.SPEC_DECODE_DRAFT_TOKENS, window))
    enough = promql.number(limits.speculation_minimum_tokens)
    return Fault(
        name="SpeculationCollapse",
        family=Family.CAPACITY,
        meaning="Far fewer of the drafted tokens are accepted than usual: the draft model guesses wrong.",
        impact="Answers come more slowly than they did; in a full batch speculation now costs more than it saves.",
        recordings=(
            Recording(name=ACCEPTED_RATIO, expr=f"{accepted} / ({drafted} >= {enough})"),
            past.usual(USUAL_RATIO, ACCEPTED_RATIO, timing),
        ),
        rules=(
            Rule(
                expr=past.fallen(ACCEPTED_RATIO, USUAL_RATIO, limits.fallen_ratio, timing),
                labels=c.MODEL_LABELS,
                severity=Severity.TICKET,
                summary=(
                    "{{ $value | humanizePercentage }} of the tokens drafted for {{ $labels.model }} are accepted: less than "
                    f"{promql.number(limits.fallen_ratio * 100)} % of the usual share."
                ),
            ),
        ),
        panel=Panel(
            title="Drafted tokens that are accepted",
            description="Share of the tokens drafted by speculation, over half an hour, and what is usual for the model.",
            queries=(
                (promql.select(ACCEPTED_RATIO, 'model=~"$model"'), "{{model}}"),
                (promql.select(USUAL_RATIO, 'model=~"$model"'), "usual {{model}}"),
            ),
            unit="percentunit",
        ),
        why=(
            "What share is good depends on the draft model and on what is asked: code is guessed better than prose. So each "
            "model is compared with its own last day (the median, an hour left out), and with yesterday at the same time."
        ),
        look_alike="A quiet night with hardly a draft, and a nightly batch of prompts that are hard to guess.",
        scenario="speculation_collapse",
    )
