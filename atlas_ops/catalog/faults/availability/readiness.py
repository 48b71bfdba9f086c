"""ModelServerDown and ModelNotReady: a server that does not answer, and one that says that it cannot. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.availability import symptoms
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity, Signal
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters


def model_server_down(parameters: Parameters) -> Fault:
    """Return the fault."""
    timing, identity = parameters.timing, c.SERVER_IDENTITY
    gone = promql.select(s.SERVER_SCRAPE_STATE, 'state=~"unreachable|timeout|unparsable"')
    return Fault(
        name="ModelServerDown",
        family=Family.AVAILABILITY,
        meaning="The server does not answer the exporter: it refuses, hangs, or sends something that is no metrics page.",
        impact="Requests to this server fail; the replicas that are left carry its load.",
        rules=(
            Rule(
                expr=f"max by ({', '.join(identity)}) ({gone} == 1)",
                labels=identity,
                severity=Severity.PAGE,
                summary="Model server {{ $labels.server }} ({{ $labels.runtime }}) has not answered for a minute or more.",
                for_seconds=timing.hold(60),
                keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            ),
        ),
        panel=Panel(
            title="Servers that answer",
            description="1: the last scrape worked. The state says why one did not.",
            queries=((str(s.SERVER_UP), "{{server}}"),),
            unit="short",
        ),
        why=(
            "A minute of failed scrapes outlasts a lost packet and a quick restart. A server that has never answered yet "
            "is starting, not down; a page that is switched off or locked is a ticket, not an outage."
        ),
        look_alike="One lost scrape, and a new server that is still loading its model.",
        inhibits=(symptoms.of_server(),),
        scenario="server_down",
    )


def model_not_ready(parameters: Parameters) -> Fault:
    """Return the fault."""
    identity = ", ".join(c.SERVER_IDENTITY)
    return Fault(
        name="ModelNotReady",
        family=Family.AVAILABILITY,
        meaning="The server is up and answers, and has said for a long time that it, or its model, is not ready.",
        impact="Balancers leave this server out: the model runs with a replica less than is paid for, or not at all.",
        rules=(
            _not_ready(
                parameters, s.MODEL_READY, c.SERVER_LABELS, "{{ $labels.model }} on {{ $labels.server }}", "model"
            ),
            # A server is hardly ever ready when its model is not: that is told by the model's name.
            _not_ready(
                parameters,
                s.SERVER_READY,
                c.SERVER_IDENTITY,
                "{{ $labels.server }}",
                "server",
                unless=f"\nunless on ({identity}) {s.MODEL_READY} == 0",
            ),
        ),
        panel=Panel(
            title="Servers and models that are ready",
            description="1: ready, 0: it says that it is not. A server that does not answer has no value here.",
            queries=(
                (str(s.SERVER_READY), "{{server}}"),
                (promql.select(s.MODEL_READY, 'model=~"$model"'), "{{model}} {{server}}"),
            ),
            unit="short",
        ),
        why=(
            "Loading a model takes minutes, and during a rollout one server after the other is not ready for as long. "
            "Only one that was there a whole window ago, and never ready in it, counts. What is told differs: most "
            "runtimes have an endpoint of readiness, some one for each model, vLLM only whether the engine sleeps."
        ),
        look_alike="A new replica that loads its model for ten minutes, and a server that is taken down.",
        scenario="model_not_ready",
    )


def _not_ready(
    parameters: Parameters, ready: Signal, labels: tuple[str, ...], who: str, variant: str, unless: str = ""
) -> Rule:
    timing, seconds = parameters.timing, parameters.limits.not_ready_seconds
    window, by = timing.window(seconds), ", ".join(labels)
    never = f"max by ({by}) (max_over_time({ready}[{window}])) == 0"
    then = f"max by ({by}) ({ready} offset {window}) == 0"
    # One that is down, or scaled away, says nothing any more; its last word is in the window for a while.
    up = f"and on ({', '.join(c.SERVER_IDENTITY)}) {s.SERVER_UP} == 1"
    return Rule(
        expr=f"{never}\nand {then}\n{up}{unless}",
        labels=labels,
        severity=Severity.TICKET,
        summary=(
            f"{who} ({{{{ $labels.runtime }}}}) has not been ready for {promql.duration(timing.hold(seconds))}, while the "
            "server answers."
        ),
        for_seconds=timing.hold(60),
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
        variant=variant,
    )
