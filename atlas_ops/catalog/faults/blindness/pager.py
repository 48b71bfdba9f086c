"""The fault of the last link: pages are raised, and the pager does not bring them to people.

Its alerts cannot count on the pager, so Alertmanager tells them itself (`render.fallback`), and with them, one by one,
the pages that fire meanwhile.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
from atlas_ops.catalog.parameters import Parameters

_WHERE = (c.PAGE, c.SERVER, c.MODEL, c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD, c.GPU, "instance")
"""What a copy keeps of a page: enough to know where to go."""


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this topic."""
    return (_pager_delivery_failing(parameters),)


def _pager_delivery_failing(parameters: Parameters) -> Fault:
    return Fault(
        name=c.PAGER_FAULT,
        family=Family.BLINDNESS,
        meaning="The pager does not bring pages to people: it is down, stuck, or Alertmanager does not reach it.",
        impact="Nobody is told of a fault by the pager. With the fallback set, Alertmanager posts pages to Slack by itself.",
        rules=(_down(parameters), _stuck(parameters), _no_heartbeat(parameters), _undelivered()),
        panel=Panel(
            title="What the pager still has to deliver",
            description="Incidents that wait to be delivered, and the age of the last heartbeat.",
            queries=(
                (str(s.PAGER_QUEUE), "waiting {{instance}}"),
                (f"time() - {s.PAGER_LAST_HEARTBEAT}", "age of the heartbeat {{instance}}"),
            ),
            unit="short",
        ),
        why=(
            "A pager cannot tell that it does not deliver, so Prometheus asks: does it answer, does its queue move, does "
            "the heartbeat come through. Two minutes outlast its restart, and while Slack holds it back it still delivers. "
            "Where two pagers share a job, one that works is enough."
        ),
        look_alike="A restart of the pager, a queue that Slack's limits hold up and that moves, and a quiet night.",
        scenario="pager_failing",
    )


def _down(parameters: Parameters) -> Rule:
    return Rule(
        expr=f'max by (job) (up{{job="{c.PAGER_JOB}"}}) == 0',
        labels=("job",),
        severity=Severity.PAGE,
        summary="The pager does not answer Prometheus, so nobody is paged by it.",
        for_seconds=parameters.timing.hold(120),
        variant="down",
    )


def _stuck(parameters: Parameters) -> Rule:
    timing, seconds = parameters.timing, parameters.limits.pager_stuck_seconds
    window = timing.window(seconds)
    # A minimum is whole only if there was a value a window ago: a pager that has just started may have much to deliver.
    waiting = f"max by (job) (min_over_time({s.PAGER_QUEUE}[{window}]) and {s.PAGER_QUEUE} offset {window}) > 0"
    return Rule(
        expr=f"{waiting} and {promql.sum_by(['job'], promql.increase(s.PAGER_DELIVERED, window))} == 0",
        labels=("job",),
        severity=Severity.PAGE,
        summary=(
            "Incidents that wait in the pager: {{ $value | humanize }}. Slack has taken nothing for "
            f"{promql.duration(timing.hold(seconds))}."
        ),
        for_seconds=timing.hold(60),
        variant="stuck",
    )


def _no_heartbeat(parameters: Parameters) -> Rule:
    timing = parameters.timing
    # Alertmanager sends it once a minute at the most, but never more often than once a second.
    limit = max(5.0, timing.hold(parameters.limits.heartbeat_age_seconds))
    return Rule(
        expr=f"time() - max by (job) ({s.PAGER_LAST_HEARTBEAT}) > {promql.number(limit)}",
        labels=("job",),
        severity=Severity.PAGE,
        summary="The heartbeat last reached the pager {{ $value | humanizeDuration }} ago: Alertmanager does not reach it.",
        for_seconds=timing.hold(60),
        variant="heartbeat",
    )


def _undelivered() -> Rule:
    firing, page = 'alertstate="firing"', f'{c.SEVERITY}="{Severity.PAGE.value}"'
    pages = promql.select("ALERTS", firing, page, f'alertname!="{c.PAGER_FAULT}"')
    named = f'label_join({pages}, "{c.PAGE}", "/", "{c.FAMILY}", "alertname")'
    failing = promql.select("ALERTS", firing, page, f'alertname="{c.PAGER_FAULT}"')
    return Rule(
        expr=f"max by ({', '.join(_WHERE)}) ({named}) and on () {failing}",
        labels=_WHERE,
        severity=Severity.INFO,  # a copy: it must not count as one more page
        summary=(
            "A page that the pager does not tell: {{ $labels.page }}. Its runbook is runbooks/{{ $labels.page }}.md in the "
            "repository."
        ),
        variant=c.UNDELIVERED,
    )
