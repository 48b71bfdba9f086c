"""ProbeFailing: a model that is said to be well and does not answer a request. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

_LABELS = (*c.SERVER_LABELS, c.API)
_LAST_SECONDS, _BEFORE_SECONDS = 300.0, 3600.0
_OF_USERS = 'result!~"ok|unauthorized|not_sent"'
"""The last two say something of the probe and its token, and nothing of what users get."""
_REFUSED = 'result="unauthorized"'


def probe_failing(parameters: Parameters) -> Fault:
    """Return the fault."""
    return Fault(
        name="ProbeFailing",
        family=Family.AVAILABILITY,
        meaning="The server says that it is well, and small requests that are sent to it as a user would send them fail.",
        impact="Requests of users to this model fail or hang in the same way, whatever health checks and metrics say.",
        rules=(_failing(parameters), _blind(parameters)),
        panel=Panel(
            title="Black-box requests that were answered",
            description="1: the last request of the probe was answered to its end. No value: the probe does not ask.",
            queries=((promql.select(s.PROBE_SUCCESS, 'model=~"$model"'), "{{model}} {{server}} {{api}}"),),
            unit="short",
        ),
        why=(
            "None of the last minutes' requests may have been answered, and several in the last hour must have failed: so "
            "it holds for probes every few seconds and for those every quarter of an hour, and one failure never pages. A "
            "server that is starting or says that it is not ready is left out, for nobody sends it requests. A probe that "
            "is refused for its token, or that does not ask at all, is a ticket: it says nothing of the users."
        ),
        look_alike="One failed probe, a replica that is being loaded, and a probe whose token has expired.",
        inhibits=(
            Inhibition(
                targets=("ProbeFailing",),
                equal=("node", "server", "model", "api"),
                source_variant="failing",
                target_variant="blind",
            ),
        ),
        scenario="probe_failing",
    )


def _failing(parameters: Parameters) -> Rule:
    at = f"on ({c.SERVER}, {c.HOST_NAME})"
    starting = promql.select(s.SERVER_SCRAPE_STATE, 'state="starting"')
    return Rule(
        expr=(
            f"{_failed(parameters, _OF_USERS)}\n"
            f"unless {at} {starting} == 1\nunless {at} {s.SERVER_READY} == 0\n"
            f"unless on ({c.SERVER}, {c.HOST_NAME}, {c.MODEL}) {s.MODEL_READY} == 0"
        ),
        labels=_LABELS,
        severity=Severity.PAGE,
        summary=(
            "{{ $labels.server }} is ready, and no probe of {{ $labels.model }} has been answered in "
            f"{promql.duration(parameters.timing.hold(_LAST_SECONDS))} "
            '({{ $value | printf "%.0f" }} failed in the last hour).'
        ),
        keep_firing_seconds=parameters.timing.hold(OUTLAST_SECONDS),
        variant="failing",
    )


def _blind(parameters: Parameters) -> Rule:
    by = ", ".join(_LABELS)
    refused = _failed(parameters, _REFUSED)
    return Rule(
        # The verdict is taken off the page when it is too old, and when the probe could not send its request.
        expr=f"{refused}\nor (max by ({by}) ({s.PROBES}) > 0 unless max by ({by}) ({s.PROBE_SUCCESS}))",
        labels=_LABELS,
        severity=Severity.TICKET,
        summary=(
            "The probe of {{ $labels.model }} on {{ $labels.server }} tells nothing: its requests are refused for their "
            "token, or none is sent."
        ),
        for_seconds=parameters.timing.hold(180),
        keep_firing_seconds=parameters.timing.hold(OUTLAST_SECONDS),
        variant="blind",
    )


def _failed(parameters: Parameters, results: str) -> str:
    """Return PromQL for how many probes have ended this way, where enough have and none was answered lately."""
    last, before = (parameters.timing.window(seconds) for seconds in (_LAST_SECONDS, _BEFORE_SECONDS))
    failed = promql.sum_by(_LABELS, promql.increase(s.PROBES, before, results))
    by = ", ".join(_LABELS)
    # The first tells that it is still asked: a server that is scaled away leaves its last failures in the windows.
    unanswered = (
        f"max by ({by}) ({s.PROBE_SUCCESS}) == 0 and max by ({by}) (max_over_time({s.PROBE_SUCCESS}[{last}])) == 0"
    )
    return f"({failed} >= {promql.number(parameters.limits.probe_failures)} and {unanswered})"
