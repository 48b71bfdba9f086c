"""ModelServerDown and ModelNotReady: a server that does not answer, and one that says that it cannot. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.availability import symptoms
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
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
                expr=f"max by ({', '.join(identity)}) ({gone}) == 1",
                labels=identity,
                severity=Severity.PAGE,
                summary="Model server {{ $labels.server }} ({{ $labels.runtime }}) has not answered for a minute or more.",
                for_seconds=timing.hold(60),
                keep_firing_seconds=timing.hold(60),
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
    timing, seconds = parameters.timing, parameters.limits.not_ready_seconds
    window = timing.window(seconds)
    identity = ", ".join(c.SERVER_IDENTITY)
    model = _never(str(s.MODEL_READY), c.SERVER_LABELS, window)
    server = _never(str(s.SERVER_READY), c.SERVER_IDENTITY, window)
    return Fault(
        name="ModelNotReady",
        family=Family.AVAILABILITY,
        meaning="The server is up and answers, and has said for a long time that it, or its model, is not ready.",
        impact="Balancers leave this server out: the model runs with a replica less than is paid for, or not at all.",
        rules=(
            Rule(
                # One that is down, or scaled away, says nothing any more; its last word is in the window for a while.
                expr=(
                    f"({model}\nor ({server} unless on ({identity}) ({model})))\nand on ({identity}) {s.SERVER_UP} == 1"
                ),
                labels=c.SERVER_LABELS,
                severity=Severity.TICKET,
                summary=(
                    "{{ $labels.server }} ({{ $labels.runtime }}) answers, and has not been ready"
                    "{{ with $labels.model }} with {{ . }}{{ end }} for "
                    f"{promql.duration(timing.hold(seconds))}."
                ),
                for_seconds=timing.hold(60),
                keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
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


def _never(ready: str, labels: tuple[str, ...], window: str) -> str:
    """Return PromQL for what has said `not ready` alone, since a window ago and until now."""
    by = ", ".join(labels)
    return f"(max by ({by}) (max_over_time({ready}[{window}])) == 0 and max by ({by}) ({ready} offset {window}) == 0)"
