"""Assessments in words: the lines that the terminal and the page show. Shared by the reports."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atlas_ops.capacity.assess import Assessment
from atlas_ops.capacity.cost import Cost, Made, Money
from atlas_ops.capacity.demand import Forecast
from atlas_ops.capacity.estimate import Estimate
from atlas_ops.capacity.observed import WINDOW
from atlas_ops.capacity.replica import Kept, Replica
from atlas_ops.capacity.verdict import Standing, Verdict
from atlas_ops.units import number, percent

Line = tuple[str, str]
"""What it is about, and what is told."""
JOULES_PER_KWH = 3.6e6
_UNEVEN = 1.2
_ALL = 0.99
"""From this share of the requests on their GPUs count as known."""
ASSUMPTIONS = (
    "requests stay as long and as mixed as they were",
    "replicas that are added carry as much as those that are there",
    "the load is spread evenly over them",
)


def headline(verdict: Verdict) -> str:
    """Return the verdict in one sentence."""
    asked, forecast = verdict.assessment.demand, verdict.assessment.forecast
    if verdict.standing is Standing.CANNOT_TELL:
        return f"cannot tell: {verdict.why}"
    assert forecast is not None  # without it nothing can be told
    there, peak = counted(forecast.there, "replica"), f"{rate(forecast.rate)} at the peak"
    if verdict.standing is Standing.TOO_FEW:
        return f"too few: {peak} takes {_needed(forecast)}, and there {'is' if forecast.there == 1 else 'are'} {forecast.there}"
    return (
        f"enough: {there} for {peak}; {_needed(forecast)} would do"
        if asked.replicas
        else f"{peak} takes {_needed(forecast)}"
    )


def lines(verdict: Verdict, cost: Cost | None) -> Iterator[Line]:
    """Yield all that is told of a model."""
    yield from _traffic(verdict.assessment)
    yield from _law(verdict.assessment)
    if verdict.assessment.replica:
        yield from _replica(verdict.assessment.replica, verdict.assessment)
    if verdict.assessment.forecast:
        yield from _forecast(verdict.assessment.forecast)
    if cost:
        yield from _cost(cost)


def _traffic(of: Assessment) -> Iterator[Line]:
    asked = of.demand
    hours = len(of.seen.times) * WINDOW / 3600
    span = f"{hours / 24:.3g} days" if hours >= 48 else f"{hours:.3g} hours"
    yield (
        "traffic",
        f"{rate(asked.mean)} on average over {span}, {rate(asked.peak)} at the peak (what 1 % of the time exceeds), to {counted(asked.replicas, 'replica')}",
    )
    if asked.uneven > _UNEVEN:
        yield (
            "spread",
            f"uneven: near the peak the busiest replica gets {asked.uneven:.2g} times the mean of all; it is full before they are",
        )


def _law(of: Assessment) -> Iterator[Line]:
    if law := of.law:
        ratio = f"{percent(law.ratio.value)}, {percent(law.ratio.low)} to {percent(law.ratio.high)}"
        yield (
            "Little's law",
            f"arrivals times their time: {law.counted:.3g} requests in all replicas; gauges (running + waiting): {law.gauged:.3g} ({ratio}): {law.meaning}",
        )


def _replica(replica: Replica, of: Assessment) -> Iterator[Line]:
    where = "requests at the same time"
    if replica.most.at_least:
        yield (
            "saturation",
            f"a replica was never full: it carries at least {rate(replica.most.value)} (seen with up to {replica.seen:.3g} {where})",
        )
    else:
        yield (
            "saturation",
            f"a replica carries {rate(replica.most.value)} at the most{between(replica.most)}; it is full from about {replica.places:.3g} {where} on",
        )
    slots = of.seen.slots[np.isfinite(of.seen.slots)]
    if len(slots):
        yield "slots", f"{float(np.median(slots)):.3g} for each replica"
    yield from (("objective", _kept(kept)) for kept in replica.kept)
    limited = f"{replica.limited_by}" if replica.limited_by else "what was seen"
    yield (
        "usable",
        f"{'at least ' if replica.usable.at_least else ''}{rate(replica.usable.value)} for each replica{between(replica.usable)}, by {limited}",
    )


def _kept(kept: Kept) -> str:
    promise = kept.promise
    what = f"{promise.name} within {promise.seconds:g} s for {percent(promise.target)}"
    if kept.rate is None:
        if np.isnan(kept.slow_share):
            return f"{what}: not told in this time"
        return f"{what}: broken at any load ({percent(kept.slow_share)} were slower), so more replicas are no cure; it is left out"
    if kept.rate.at_least:
        return f"{what}: kept at every load seen ({percent(kept.slow_share)} were slower)"
    return f"{what}: kept up to {rate(kept.rate.value)} for each replica{between(kept.rate)}"


def _forecast(forecast: Forecast) -> Iterator[Line]:
    use = forecast.use
    told = f"{'at most ' if forecast.at_most else ''}{percent(use.value)}"
    if not forecast.at_most:
        told += f" ({percent(use.low)} to {percent(use.high)})"
    yield "replicas", f"{rate(forecast.rate)} at the peak takes {_needed(forecast)}"
    scaled = ", with what the autoscaler may add," if forecast.scaled else ""
    left = f": {'at least ' if forecast.at_most else ''}{percent(1 - use.value)} are left" if use.value < 1 else ""
    yield "headroom", f"it takes {told} of what {counted(forecast.there, 'replica')}{scaled} can be used for{left}"


def _needed(forecast: Forecast) -> str:
    if forecast.at_most:
        return f"at most {counted(forecast.needed, 'replica')}"
    ends = f" ({forecast.low:,} to {forecast.high:,})" if forecast.low != forecast.high else ""
    return f"{counted(forecast.needed, 'replica')}{ends}"


def _cost(cost: Cost) -> Iterator[Line]:
    if not cost.gpu_hours:
        yield (
            "GPUs",
            "no GPU of these servers is known, or not of all of them (atlas_gpu_workload_info): nothing can be said of cost",
        )
        return
    kinds = ", ".join(f"{hours:,.4g} h of {name}" for name, hours in cost.hours.items())
    told = f"{kinds}: {_each(cost.made, cost.gpu_hours, 'GPU-hours', ('GPU-seconds', 3600))}"
    part = f"; of the time alone in which all GPUs were known, with {percent(cost.known)} of the requests"
    yield "GPUs", f"{told}{part if cost.known < _ALL else ''}"
    if cost.energy:
        energy = cost.energy.joules / JOULES_PER_KWH
        yield "energy", f"{energy:,.4g} kWh: {_each(cost.energy.made, energy, 'kWh', ('Wh', 1000))}"
    else:
        yield "energy", "not told of all GPUs (atlas_gpu_energy_joules_total, atlas_gpu_power_watts)"
    yield "cost", _money(cost.money, cost.made)


def _money(money: Money | None, made: Made) -> str:
    if money is None:
        return "give --prices FILE to be told the money; no price is assumed"
    amount = f"{money.amount:,.2f} {money.currency}"
    if money.unpriced:
        return f"{amount}, without the hours of {', '.join(money.unpriced)}, for which the table has no price: nothing is said of tokens"
    return f"{amount}: {_each(made, money.amount, money.currency, (money.currency, 1))}"


def _each(made: Made, amount: float, unit: str, small: tuple[str, float]) -> str:
    told = []
    if (tokens := made.per_million_tokens(amount)) is not None:
        told.append(f"{tokens:.4g} {unit} for a million tokens produced")
    if (request := made.per_request(amount)) is not None:
        told.append(f"{request * small[1]:.4g} {small[0]} for each request")
    return ", ".join(told) or "nothing was produced"


def rate(value: float) -> str:
    """Return requests per second."""
    return f"{number(value)} requests/s"


def between(estimate: Estimate) -> str:
    """Return the interval in brackets; nothing where there is none."""
    return "" if estimate.at_least else f" ({estimate.low:.3g} to {estimate.high:.3g})"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
