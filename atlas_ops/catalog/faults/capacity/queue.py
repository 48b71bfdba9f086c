"""QueueBacklog: the queue of a server is longer than users will wait. The rate of its completions serves its siblings too."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import completed
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

COMPLETED_RATE = "server:atlas_requests_completed:rate"
PREDICTED_WAIT = "server:atlas_queue_wait:predicted_seconds"
HOW_LONG = "{{ if gt $value 86400.0 }}for ever (nothing finishes){{ else }}{{ $value | humanizeDuration }}{{ end }}"
"""A predicted wait in words. It is infinite when nothing finishes, and nobody waits for a day."""


def backlog(parameters: Parameters) -> Fault:
    """Return QueueBacklog."""
    timing = parameters.timing
    by_server = c.SERVER_LABELS
    window = timing.window(120)
    # The rate of a series younger than its window is too low (Prometheus divides by the whole window), and the wait of a
    # new server too long. A rate that was there a window ago is whole now.
    whole = f"{COMPLETED_RATE} offset {window} >= 0"
    rules = tuple(
        Rule(
            expr=f"{promql.select(PREDICTED_WAIT, models)} > {promql.number(objective.queue_wait_seconds)}\nand\n{whole}",
            labels=by_server,
            severity=Severity.PAGE,
            summary=(
                "A new request to {{ $labels.model }} would wait "
                f"{HOW_LONG} in the queue of {{{{ $labels.server }}}}; the objective is {promql.number(objective.queue_wait_seconds)} s."
            ),
            for_seconds=timing.hold(60),
            keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            objective=parameters.pattern(objective),
        )
        for objective, models in parameters.by_model()
    )
    return Fault(
        name="QueueBacklog",
        family=Family.CAPACITY,
        meaning="Requests arrive faster than the server finishes them, and the queue is longer than users will wait.",
        impact="Every new request waits longer than the objective before it is even started; clients begin to time out.",
        recordings=(
            Recording(name=COMPLETED_RATE, expr=completed.rate(window, 'outcome!="rejected"')),
            Recording(
                name=PREDICTED_WAIT, expr=f"{promql.sum_by(by_server, str(s.REQUESTS_WAITING))} / {COMPLETED_RATE}"
            ),
        ),
        rules=rules,
        panel=Panel(
            title="Predicted wait of a new request",
            description="Waiting requests divided by the rate at which requests finish (Little's law).",
            queries=((promql.select(PREDICTED_WAIT, 'model=~"$model"'), "{{model}} {{server}}"),),
            unit="s",
            limit=min(objective.queue_wait_seconds for objective in parameters.objectives),
        ),
        why=(
            "The wait that the queue means, by Little's law (waiting requests / completion rate), is compared with what "
            "users were promised. A fixed depth would page on fast models and stay silent on slow ones. llama.cpp tells what "
            "waits and counts no requests, so its wait is not known here: a probe sees it."
        ),
        look_alike="A burst that fills the queue for less than a minute, and a long queue that moves fast.",
        inhibits=(
            Inhibition(targets=("TimeToFirstTokenSloBurn", "RequestLatencySloBurn"), equal=("namespace", "model")),
        ),
        scenario="queue_backlog",
    )
