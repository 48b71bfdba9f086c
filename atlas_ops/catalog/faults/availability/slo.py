"""The service level of availability: too many requests end without an answer."""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.faults import burn
from atlas_ops.catalog.model import Family, Fault, Panel, Quality, Recording
from atlas_ops.catalog.parameters import Objective, Parameters, Timing

OUTCOMES = "model:atlas_requests:increase1m"
"""Requests of the last minute, by outcome: every server's counters are read for it, and once."""


def availability_slo_burn(parameters: Parameters) -> Fault:
    """Return the fault."""
    indicator, unheard = _indicator(parameters), _incomplete()
    return Fault(
        name="AvailabilitySloBurn",
        family=Family.AVAILABILITY,
        meaning="So many requests end without an answer that the month's budget for failures is being used up.",
        impact="Users get errors instead of answers; programs retry, which adds load.",
        recordings=(_outcomes(parameters.timing), *burn.recordings(indicator, parameters.timing)),
        rules=burn.rules(indicator, parameters, _summary(indicator)),
        panel=Panel(
            title="Requests without an answer",
            description="Share of requests that failed, timed out or were rejected, over five minutes.",
            queries=((indicator.share(300, 'model=~"$model"'), "{{model}}"),),
            unit="percentunit",
            limit=burn.paging_share(indicator, parameters),
        ),
        why=(
            "Two windows have to agree: the long one that enough of the budget is at stake, the short one that it is still "
            "burning. Errors, timeouts and rejections count, for whoever asked got no answer; a client that hangs up is no "
            "failure and counts nowhere. HTTP status tells none of this, so runtimes are watched whose own counts are "
            f"complete; of the others ({', '.join(unheard)}) the probe and `ProbeFailing` tell."
        ),
        look_alike="A few errors on a model with little traffic, clients that hang up, and a minute of errors that is over.",
        inhibits=burn.inhibitions("AvailabilitySloBurn"),
        scenario="failing_requests",
    )


def _outcomes(timing: Timing) -> Recording:
    counted = promql.increase(s.REQUESTS, burn.counted(timing))
    return Recording(name=OUTCOMES, expr=promql.sum_by((*c.MODEL_LABELS, "outcome"), counted))


def _incomplete() -> tuple[str, ...]:
    """Return the runtimes whose count of outcomes is no more than about right, or is none at all.

    Their dialects say so by the quality of the signal: some count mistakes of clients, or cancelled requests, as errors.
    """
    entries = ((dialect.runtime, dialect.entry(s.REQUESTS)) for dialect in shipped_dialects())
    return tuple(runtime for runtime, entry in entries if not entry or entry.quality is not Quality.DIRECT)


def _indicator(parameters: Parameters) -> burn.Indicator:
    heard = promql.label_not_in(c.RUNTIME, _incomplete())
    # Only what `every` holds is judged, so what is good need not be told apart by runtime again.
    every = promql.select(OUTCOMES, 'outcome!="cancelled"', heard)
    answered = promql.select(OUTCOMES, 'outcome="ok"')
    return burn.Indicator(
        stem="atlas_availability",
        every=promql.sum_by(c.MODEL_LABELS, every),
        good=promql.sum_by(c.MODEL_LABELS, answered),
        target=lambda objective: objective.availability_target,
        minimum=((parameters.limits.slo_minimum_failed_requests, ""),),
    )


def _summary(indicator: burn.Indicator) -> Callable[[Objective], str]:
    return lambda objective: (
        "{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} ended without an answer; "
        f"{burn.budget(indicator, objective)} % are allowed."
    )
