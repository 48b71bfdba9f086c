"""The rules of service levels: how fast the budget of bad events burns, over several windows that have to agree.

Used by the faults of latency and of availability, which say what an event is and when it is bad (`Indicator`).

Long windows are put together from short ones, as their cost would otherwise be that of every bucket of three days. Bad and
all events are counted over a minute at each evaluation; windows up to six hours are sums of these counts, a day is four
times six hours, and three days are three of a day. Each event is in as many evaluations as a minute holds, so a sum over a
window counts it as often, and is divided by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Inhibition, Recording, Rule, Severity
from atlas_ops.catalog.parameters import Objective, Parameters, Timing

FAST, SLOW = "fast", "slow"
_COUNTED = 60.0
_HOUR = 3600.0
_DAY = 24 * _HOUR
_SUMMED = (300.0, 1800.0, _HOUR, 2 * _HOUR, 6 * _HOUR)
_JOINED = ((6 * _HOUR, 4), (_DAY, 3))
"""(part, how many of them) of the windows that are too long to be summed up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Burn:
    """A pair of windows in which the error budget burns `factor` times too fast.

    The pairs are those of the SRE workbook, chapter 5, for a budget of 30 days: 2 % of it in an hour, 5 % in six,
    10 % in a day, 10 % in three days. The short window is a twelfth, so that the alert ends soon after the cause; a page
    has to burn in the last five minutes as well, whatever its windows.
    """

    factor: float
    short: float
    long: float


PAGE_BURNS = (Burn(factor=14.4, short=300, long=_HOUR), Burn(factor=6, short=1800, long=6 * _HOUR))
TICKET_BURNS = (Burn(factor=3, short=2 * _HOUR, long=_DAY), Burn(factor=1, short=6 * _HOUR, long=3 * _DAY))


@dataclass(frozen=True, kw_only=True, slots=True)
class Indicator:
    """What a service level is measured by."""

    stem: str
    """Middle of the names of its recordings, such as `atlas_availability`."""
    every: str
    """PromQL: the events of the last minute by `conventions.MODEL_LABELS`; `window` of the timing is that minute."""
    good: str
    """PromQL: those of them that were good."""
    target: Callable[[Objective], float]
    """The share of events that has to be good."""
    minimum: Sequence[tuple[float, str]]
    """(bad events that the long window must hold, matcher of the runtimes that this is for): the guard for low traffic."""

    def bad_name(self, window: float) -> str:
        """Return the recording of the bad events in a window. A profile that shortens windows leaves the names as they are."""
        return f"model:{self.stem}_bad:increase{promql.duration(window)}"

    def all_name(self, window: float) -> str:
        """Return the recording of all events in a window."""
        return f"model:{self.stem}_all:increase{promql.duration(window)}"

    def share(self, window: float, *matchers: str) -> str:
        """Return the share of bad events in one of the windows."""
        return f"{promql.select(self.bad_name(window), *matchers)} / {promql.select(self.all_name(window), *matchers)}"


def counted(timing: Timing) -> str:
    """Return the range over which an indicator counts its events."""
    return timing.window(_COUNTED)


def once(summed: str, timing: Timing) -> str:
    """Return a sum over time of counts over a minute, each event counted once."""
    return f"{promql.number(round(timing.evaluation_seconds / timing.window_seconds(_COUNTED), 9))} * {summed}"


def recordings(indicator: Indicator, timing: Timing) -> tuple[Recording, ...]:
    """Return the counts of bad and of all events over every window."""
    every, bad = indicator.all_name(_COUNTED), indicator.bad_name(_COUNTED)
    return (
        Recording(name=every, expr=indicator.every),
        Recording(name=bad, expr=f"{every} - ({indicator.good})"),
        *_windows(indicator.all_name, timing),
        *_windows(indicator.bad_name, timing),
    )


def _windows(name: Callable[[float], str], timing: Timing) -> Iterator[Recording]:
    for window in _SUMMED:
        summed = f"sum_over_time({name(_COUNTED)}[{timing.window(window)}])"
        yield Recording(name=name(window), expr=once(summed, timing))
    for part, times in _JOINED:
        yield Recording(name=name(part * times), expr=_joined(name(part), timing.window_seconds(part), times))


def _joined(name: str, seconds: float, times: int) -> str:
    """Return the sum of a count and of the same count one or more whole windows ago, as far as there are any."""
    earlier = (f"{name} offset {promql.duration(seconds * back)}" for back in range(1, times))
    return promql.sum_by(c.MODEL_LABELS, promql.together(name, *earlier))


def rules(indicator: Indicator, parameters: Parameters, summary: Callable[[Objective], str]) -> tuple[Rule, ...]:
    """Return the pages and the tickets, one of each for every objective."""
    return tuple(
        Rule(
            expr="\nor\n".join(_burning(indicator, burn, objective, models) for burn in burns),
            labels=c.MODEL_LABELS,
            severity=severity,
            summary=summary(objective),
            variant=variant,
            objective=parameters.pattern(objective),
        )
        for severity, variant, burns in ((Severity.PAGE, FAST, PAGE_BURNS), (Severity.TICKET, SLOW, TICKET_BURNS))
        for objective, models in parameters.by_model()
    )


def _burning(indicator: Indicator, burn: Burn, objective: Objective, models: str) -> str:
    allowed = promql.number(round(burn.factor * (1 - indicator.target(objective)), 9))
    enough = " or ".join(
        f"{promql.select(indicator.bad_name(burn.long), models, runtimes)} >= {promql.number(minimum)}"
        for minimum, runtimes in indicator.minimum
    )
    shares = [indicator.share(window, models) for window in (burn.long, burn.short)]
    if burn in PAGE_BURNS and burn.short > PAGE_BURNS[0].short:
        # Half an hour of memory would wake people for what is over, as soon as the page of its cause is resolved.
        shares.append(indicator.share(PAGE_BURNS[0].short, models))
    conditions = [f"{share} > {allowed}" for share in shares]
    conditions.append(f"({enough})" if len(indicator.minimum) > 1 else enough)
    return "(\n  " + "\n  and ".join(conditions) + "\n)"


def budget(indicator: Indicator, objective: Objective) -> str:
    """Return the share of events that may be bad, in per cent."""
    return promql.number(round((1 - indicator.target(objective)) * 100, 6))


def paging_share(indicator: Indicator, parameters: Parameters) -> float:
    """Return the smallest share of bad events that pages when it lasts."""
    return round(min(PAGE_BURNS[0].factor * (1 - indicator.target(one)) for one in parameters.objectives), 9)


def inhibitions(name: str, *symptoms: str) -> tuple[Inhibition, ...]:
    """Return what a burn hides: its own ticket behind its page, and other burns that are only another view of it."""
    labels = ("namespace", "model", "runtime")
    pairs = ((FAST, SLOW, (name, *symptoms)), (FAST, FAST, symptoms), (SLOW, SLOW, symptoms))
    return tuple(
        Inhibition(targets=targets, equal=labels, source_variant=source, target_variant=target)
        for source, target, targets in pairs
        if targets
    )
