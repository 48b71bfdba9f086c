"""How slow a model usually is: recordings that say what share of its requests is slower than each bucket bound.

Used by `regression`. Everything is a share above a bucket bound, which is exact; a percentile read from buckets is not.
Requests are counted once, over five minutes and model by model; all longer windows add such counts up, so the raw buckets
of every server are read once.

What is usual comes from the same time of the last four weeks, as many of them as there are, and of yesterday; a model that
is younger than a week is compared with yesterday and with its last days as a whole. Hours in which an alert told that the
model was slow are left out, so an incident does not become what is usual.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Recording, Severity, Signal
from atlas_ops.catalog.parameters import Parameters, Timing

SIGNAL = "signal"
"""Label that says which latency it is: a runtime without first tokens is judged by whole requests."""
BY_LATENCY = (*c.MODEL_LABELS, SIGNAL)
BY_BOUND = (*BY_LATENCY, "le")
HISTORY = "history"
"""Label that says of which days a count is: the same time of the last `weeks` or of `yesterday`, or all of the last `days`."""
COUNTED = "model:atlas_latency_bucket:increase5m"
HOURLY = "model:atlas_latency_bucket:increase1h"
UNDISTURBED = "model:atlas_latency_undisturbed_bucket:increase1h"
BEFORE = "model:atlas_latency_before_bucket:increase"
BEFORE_ALL = "model:atlas_latency_before:increase"
USUAL = "model:atlas_latency_slow:usual_ratio"
ALLOWED = "model:atlas_latency_slow:allowed_ratio"
ALL, FINITE = 'le="+Inf"', 'le!="+Inf"'

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
        Recording(name=COUNTED, expr=_counted(timing)),
        Recording(name=HOURLY, expr=hour),
        Recording(name=UNDISTURBED, expr=_undisturbed(timing)),
        Recording(name=BEFORE, expr=_before(timing)),
        Recording(name=BEFORE_ALL, expr=_before_all()),
        Recording(name=USUAL, expr=_usual(parameters)),
        Recording(name=ALLOWED, expr=_allowed(parameters)),
    )


def share(counts: str, *matchers: str) -> str:
    """Return the share of requests slower than each bound, from counts by bound."""
    finite, every = promql.select(counts, FINITE, *matchers), promql.select(counts, ALL, *matchers)
    return f"1 - {finite} / ignoring (le) group_left () {every}"


def _counted(timing: Timing) -> str:
    first_token = _increase(s.TIME_TO_FIRST_TOKEN, timing)
    whole = _increase(s.REQUEST_DURATION, timing)
    tokens = promql.sum_by(c.MODEL_LABELS, f"{s.TIME_TO_FIRST_TOKEN}_count")
    told = f"{whole}\n  unless on ({', '.join(c.MODEL_LABELS)}) {tokens} > 0"
    latencies = (
        promql.label_replace(first_token, SIGNAL, "time_to_first_token"),
        promql.label_replace(told, SIGNAL, "request_duration"),
    )
    # Prometheus 2 writes the bound 1 as the page does, 3 as 1.0: one text, so that an upgrade costs no history.
    return promql.label_replace("\nor\n".join(latencies), "le", "$1", "le", "(.+)[.]0")


def _increase(signal: Signal, timing: Timing) -> str:
    return promql.sum_by((*c.MODEL_LABELS, "le"), promql.increase(f"{signal}_bucket", timing.window(_MINUTES5)))


def _undisturbed(timing: Timing) -> str:
    firing, page = 'alertstate="firing"', f'{c.SEVERITY}="{Severity.PAGE.value}"'
    alerts = (
        promql.select("ALERTS", f'alertname=~"{_DISTURBING}"', firing),
        promql.select("ALERTS", f'alertname=~"{_BURNS}"', firing, page),
    )
    # For an hour after its end, too: the hour that is counted still holds its requests.
    disturbed = " or ".join(f"last_over_time({alert}[{timing.window(_HOUR)}])" for alert in alerts)
    return f"{HOURLY}\nunless on ({', '.join(c.MODEL_LABELS)})\n({disturbed})"


def _before(timing: Timing) -> str:
    hour = timing.window(_HOUR)

    def same_time(ago: float) -> str:
        around = timing.window(_AROUND_HOURS * _HOUR)
        return f"sum_over_time({UNDISTURBED}[{around}:{hour}] offset {timing.window(ago - _HOUR)})"

    weeks = (promql.label_replace(same_time(week * _WEEK), "week", str(week)) for week in range(1, _WEEKS + 1))
    days = f"{UNDISTURBED}[{timing.window(2 * _DAY)}:{hour}] offset {hour}"
    histories = (
        promql.label_replace(promql.sum_by(BY_BOUND, "\n  or ".join(weeks)), HISTORY, "weeks"),
        promql.label_replace(same_time(_DAY), HISTORY, "yesterday"),
        promql.label_replace(
            f"sum_over_time({days})\n  and count_over_time({days}) >= {_LEAST_HOURS}", HISTORY, "days"
        ),
    )
    return "\nor\n".join(histories)


def _before_all() -> str:
    weeks, days = (promql.select(BEFORE, ALL, f'{HISTORY}="{history}"') for history in ("weeks", "days"))
    return f"{weeks} >= {_LEAST_REQUESTS}\nor on ({', '.join(BY_LATENCY)})\n{days}"


def _usual(parameters: Parameters) -> str:
    limits = parameters.limits
    judged = f"({BEFORE_ALL} or {promql.label_replace(BEFORE_ALL, HISTORY, 'yesterday')})"
    shares = f"{share(BEFORE)}\n  and on ({', '.join((*BY_LATENCY, HISTORY))})\n  {judged}"
    # The larger of the shares before, so that neither a calm week nor a calm yesterday makes an ordinary day look slow.
    highest = f"max by ({', '.join(BY_BOUND)}) (\n  {shares}\n)"
    least, most = (promql.number(limit) for limit in (limits.regression_least_share, limits.regression_most_share))
    return f"clamp_min({highest}, {least}) <= {most}"


def _allowed(parameters: Parameters) -> str:
    weeks, days = parameters.limits.regression_ratio_weeks, parameters.limits.regression_ratio_days
    known = promql.select(BEFORE_ALL, f'{HISTORY}="weeks"')
    return (
        f"{USUAL} * {promql.number(weeks)} and on ({', '.join(BY_LATENCY)}) {known}\nor\n{USUAL} * {promql.number(days)}"
    )
