"""How slow a model usually is: recordings that say what share of its requests is slower than each bucket bound.

Used by `regression`, `workload` and `canary`. Requests are counted once, over five minutes, by model and track; all else adds
such counts up, so that the raw buckets of every server are read once.

What is usual comes from the same time of the last four weeks, as many of them as there are, and of yesterday; a model that
is younger than a week is compared with yesterday and with its last days as a whole. Hours in which an alert told that the
model was slow are left out, so an incident does not become what is usual.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.faults.latency import tail
from atlas_ops.catalog.model import Recording, Severity
from atlas_ops.catalog.parameters import Parameters, Timing

HISTORY = "history"
"""Label that says of which days a count is: the same time of the last `weeks` or of `yesterday`, or all of the last `days`."""
COUNTED_BY_TRACK = "track:atlas_latency_bucket:increase5m"
COUNTED = "model:atlas_latency_bucket:increase5m"
HOURLY = "model:atlas_latency_bucket:increase1h"
UNDISTURBED = "model:atlas_latency_undisturbed_bucket:increase1h"
BEFORE = "model:atlas_latency_before_bucket:increase"
BEFORE_ALL = "model:atlas_latency_before:increase"
USUAL = "model:atlas_latency_slow:usual_ratio"
ALLOWED = "model:atlas_latency_slow:allowed_ratio"

_DISTURBING = "P99Regression|CanaryRegression"
_BURNS = "TimeToFirstTokenSloBurn|RequestLatencySloBurn"
_MINUTES5, _HOUR, _DAY, _WEEK = 300.0, 3600.0, 86400.0, 604800.0
_WEEKS = 4
_AROUND_HOURS = 3
"""The same time of another day: the hour in question, and the ones before and after it."""
_LEAST_HOURS = 18
"""Hours of its last two days that a model must have been measured before they are its usual day: nights and mornings differ.
An alert leaves the hours after its beginning out, so with a day of history it lasts a day and a half at most."""
_LEAST_REQUESTS = 100
"""Requests in those weeks, below which yesterday tells more."""


def recordings(parameters: Parameters) -> tuple[Recording, ...]:
    """Return the counts, what they were before, what is usual and what is allowed, in the order in which they read each other."""
    timing = parameters.timing
    hour = f"sum_over_time({COUNTED}[{timing.window(_HOUR)}:{timing.window(_MINUTES5)}])"
    return (
        Recording(name=COUNTED_BY_TRACK, expr=tail.counts(timing.window(_MINUTES5))),
        Recording(name=COUNTED, expr=promql.sum_by(tail.BY_BOUND, COUNTED_BY_TRACK)),
        Recording(name=HOURLY, expr=hour),
        Recording(name=UNDISTURBED, expr=_undisturbed(timing)),
        Recording(name=BEFORE, expr=_before(timing)),
        Recording(name=BEFORE_ALL, expr=_before_all()),
        Recording(name=USUAL, expr=_usual(parameters)),
        Recording(name=ALLOWED, expr=_allowed(parameters)),
    )


def _undisturbed(timing: Timing) -> str:
    firing, page = 'alertstate="firing"', f'{c.SEVERITY}="{Severity.PAGE.value}"'
    alerts = (
        promql.select("ALERTS", f'alertname=~"{_DISTURBING}"', firing),
        promql.select("ALERTS", f'alertname=~"{_BURNS}"', firing, page),
    )
    # For an hour after its end, too: the hour that is counted still holds its requests.
    disturbed = " or ".join(f"last_over_time({alert}[{timing.window(_HOUR)}])" for alert in alerts)
    return f"{HOURLY}\nunless {tail.ON_MODEL}\n({disturbed})"


def _before(timing: Timing) -> str:
    hour = timing.window(_HOUR)

    def same_time(ago: float) -> str:
        around = timing.window(_AROUND_HOURS * _HOUR)
        return f"sum_over_time({UNDISTURBED}[{around}:{hour}] offset {timing.window(ago - _HOUR)})"

    weeks = (promql.label_replace(same_time(week * _WEEK), "week", str(week)) for week in range(1, _WEEKS + 1))
    days = f"{UNDISTURBED}[{timing.window(2 * _DAY)}:{hour}] offset {hour}"
    histories = (
        promql.label_replace(promql.sum_by(tail.BY_BOUND, "\n  or ".join(weeks)), HISTORY, "weeks"),
        promql.label_replace(same_time(_DAY), HISTORY, "yesterday"),
        promql.label_replace(
            f"sum_over_time({days})\n  and count_over_time({days}) >= {_LEAST_HOURS}", HISTORY, "days"
        ),
    )
    return "\nor\n".join(histories)


def _before_all() -> str:
    weeks, days = (promql.select(BEFORE, tail.ALL, f'{HISTORY}="{history}"') for history in ("weeks", "days"))
    return f"{weeks} >= {_LEAST_REQUESTS}\nor {tail.ON}\n{days}"


def _usual(parameters: Parameters) -> str:
    judged = f"({BEFORE_ALL} or {promql.label_replace(BEFORE_ALL, HISTORY, 'yesterday')})"
    shares = f"{tail.share(tail.recorded(BEFORE))}\n  and on ({', '.join((*tail.BY_LATENCY, HISTORY))})\n  {judged}"
    # The larger of the shares before, so that neither a calm week nor a calm yesterday makes an ordinary day look slow.
    highest = f"max by ({', '.join(tail.BY_BOUND)}) (\n  {shares}\n)"
    return tail.in_tail(highest, parameters.limits)


def _allowed(parameters: Parameters) -> str:
    weeks, days = parameters.limits.regression_ratio_weeks, parameters.limits.regression_ratio_days
    known = promql.select(BEFORE_ALL, f'{HISTORY}="weeks"')
    return f"{USUAL} * {promql.number(weeks)} and {tail.ON} {known}\nor\n{USUAL} * {promql.number(days)}"
