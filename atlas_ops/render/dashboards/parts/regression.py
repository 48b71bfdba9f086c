"""Whether a model is slower than it usually is, or a canary slower than the stable servers, and whether its work explains it.

Everything is a share above a bucket bound, and is read from what the rules of `P99Regression` and its kin record, so a chart
shows what is judged. Shown are the bounds in the tail alone: those that no more than a small share of the requests exceed. The
99th percentile lies between the bounds whose shares are above and below 1 %.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog.faults.latency import canary, mean, tail, usual, workload
from atlas_ops.catalog.limits import Limits
from atlas_ops.render.dashboards.panels import Chart, Limit, Palette, Query, States

_BOUND = "{{model}} {{signal}} > {{le}} s"
_YOUNG = "until a model has been measured for a day, and where no share of its requests is that slow"


def slow_now(limits: Limits, *matchers: str) -> Chart:
    """Return the share of requests slower than each bound in the tail."""
    shares = tail.share(tail.recorded(usual.COUNTED, *matchers))
    least, most = promql.number(limits.regression_least_share), promql.number(limits.regression_most_share)
    return Chart(
        key="slow-now",
        title="Slow requests, by bucket bound",
        shows=(
            "Share of the last five minutes' requests that was slower than each bucket bound in the tail. The 99th percentile "
            "lies between the bounds with more and with less than 1 %."
        ),
        worry="the share of one bound rises, or bounds appear that nobody used to exceed.",
        faults=("P99Regression",),
        empty="while no bound is exceeded by so small a share of the requests",
        queries=(Query(expr=f"({shares}) >= {least} <= {most}", legend=_BOUND),),
        unit="percentunit",
    )


def against_usual(limits: Limits, *matchers: str) -> Chart:
    """Return that share over the last hour, with what is usual at this time and what is allowed."""
    judged = _judged(usual.USUAL, limits, *matchers)
    allowed = promql.select(usual.ALLOWED, *matchers)
    return Chart(
        key="slow-against-usual",
        title="Slow requests now, and how many are usual",
        shows=(
            "Share of the last hour's requests slower than each bound, the same share at this time of earlier weeks or of "
            "yesterday, and up to where it may rise."
        ),
        worry="the share of now stays above what is allowed.",
        faults=("P99Regression",),
        empty=_YOUNG,
        queries=(
            Query(expr=f"{_hour(*matchers)}\n  and {judged}", legend=f"{_BOUND}: now"),
            Query(expr=judged, legend=f"{_BOUND}: usual"),
            Query(expr=f"{allowed}\n  and {judged}", legend=f"{_BOUND}: allowed"),
        ),
        unit="percentunit",
    )


def times_usual(limits: Limits, *matchers: str) -> Chart:
    """Return how many times the usual share is slower than each bound."""
    judged = _judged(usual.USUAL, limits, *matchers)
    return Chart(
        key="slow-times-usual",
        title="Slow requests, times the usual, by bound",
        shows="Share of the last hour's requests slower than each bound, as a multiple of what is usual at this time.",
        worry="the bounds rise together: one alone may be chance, all of them are not.",
        faults=("P99Regression",),
        empty=_YOUNG,
        queries=(Query(expr=f"({_hour(*matchers)}) / ({judged})", legend=_BOUND),),
        unit="none",
        limit=Limit(value=limits.regression_ratio_weeks),
    )


def of_canary(limits: Limits, *matchers: str) -> Chart:
    """Return the share of slow requests of the canary and of the stable servers."""
    shares = tail.share(tail.recorded(canary.WINDOW, *matchers))
    judged = _judged(canary.STABLE_SHARE, limits, *matchers)
    return Chart(
        key="slow-canary",
        title="Slow requests of canary and stable",
        shows="Share of the last half hour's requests slower than each bound, of the canary and of the stable servers.",
        worry="the canary is above stable at every bound: stop the rollout before everybody gets it.",
        faults=("CanaryRegression",),
        empty="while no canary is measured",
        queries=(
            Query(
                expr=f"({shares})\n  and ignoring ({tail.TRACK}) ({judged})",
                legend=f"{_BOUND}: {{{{{tail.TRACK}}}}}",
            ),
        ),
        unit="percentunit",
    )


def of_means(*matchers: str) -> Chart:
    """Return the typical duration of models whose runtime tells means alone, and what it usually is."""
    return Chart(
        key="mean-against-usual",
        title="Typical duration, where only means are told",
        shows="Median of the last hour's five-minute means, and the highest that was seen at this time of earlier days.",
        worry="the typical duration leaves what is usual behind, and traffic and prompts are as ever.",
        faults=("MeanLatencyRegression",),
        empty="while every runtime tells buckets, and for the usual until there is a day of history",
        queries=tuple(
            Query(expr=promql.select(name, *matchers), legend=f"{{{{model}}}} {word}")
            for name, word in ((mean.TYPICAL, "now"), (mean.USUAL, "usual"))
        ),
        unit="s",
    )


def explained(*matchers: str) -> States:
    """Return when other work explained that a model is slower."""
    measured = f"0 * max without ({tail.SIGNAL}, le) ({promql.select(usual.HOURLY, *matchers)})"
    moved = f"0 * {promql.select(workload.MOVED, *matchers)} + 1"
    return States(
        key="slow-explained",
        title="Does the work explain it?",
        shows=(
            "Whether prompts are so much longer, or the traffic and its queue so much larger than at this time of an earlier "
            "day, that a slower model is no regression."
        ),
        worry="a model is slower and its work does not explain it; where it does, look at capacity.",
        faults=("P99Regression", "WorkloadMixShift", "QueueBacklog"),
        queries=(Query(expr=f"{moved} or {measured}", legend="{{model}}"),),
        states={0.0: ("no", Palette.GOOD), 1.0: ("yes", Palette.WARNING)},
    )


def _hour(*matchers: str) -> str:
    return tail.share(tail.recorded(usual.HOURLY, *matchers))


def _judged(shares: str, limits: Limits, *matchers: str) -> str:
    # The rules take bounds that next to nobody exceeds as if a few did, all at this same height.
    return f"{promql.select(shares, *matchers)} > {promql.number(limits.regression_least_share)}"
