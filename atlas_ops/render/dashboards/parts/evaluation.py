"""How Prometheus evaluates our rules and hands their alerts on, as it tells of itself.

None of these metrics is in the contract: Prometheus publishes them on its own page, which many scrape and some do not.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.render.dashboards.panels import Chart, Limit, Query
from atlas_ops.render.dashboards.parts.requests import WINDOW

_OURS = 'rule_group=~".*;atlas-.*"'
_GROUP = "{{rule_group}}"
_NOT_SCRAPED = "where Prometheus does not scrape itself"


def time_used() -> Chart:
    """Return how much of its interval each group of rules needs."""
    took, interval = (
        promql.select(f"prometheus_rule_group_{name}_seconds", _OURS) for name in ("last_duration", "interval")
    )
    return Chart(
        key="rules-time-used",
        title="Time that rules take, of their interval",
        shows="How long the last evaluation of each of our groups took, as a share of the time between two.",
        worry="it comes near one: then evaluations are left out, and pages come late.",
        empty=_NOT_SCRAPED,
        queries=(Query(expr=f"max by (rule_group) ({took} / {interval})", legend=_GROUP),),
        unit="percentunit",
        limit=Limit(value=1),
    )


def failures() -> Chart:
    """Return evaluations that failed or were left out."""
    failed, missed = (
        promql.sum_by(("rule_group",), promql.increase(f"prometheus_rule_{name}_total", WINDOW, _OURS))
        for name in ("evaluation_failures", "group_iterations_missed")
    )
    return Chart(
        key="rules-failures",
        title="Evaluations that failed or were left out",
        shows="How many rules of ours failed, and how many rounds of a group Prometheus left out because the last one took too long.",
        worry="there are any: what these rules watch is not seen.",
        empty=_NOT_SCRAPED,
        queries=(Query(expr=failed, legend=f"failed: {_GROUP}"), Query(expr=missed, legend=f"left out: {_GROUP}")),
        unit="short",
    )


def notifications() -> Chart:
    """Return alerts that did not reach Alertmanager."""
    errors, dropped = (
        f"sum({promql.increase(f'prometheus_notifications_{name}_total', WINDOW)})" for name in ("errors", "dropped")
    )
    return Chart(
        key="notifications",
        title="Alerts that did not reach Alertmanager",
        shows="Alerts of all rules that Alertmanager did not take, and alerts that Prometheus gave up.",
        worry="there are any; without Alertmanager no page arrives, and the heartbeat ages.",
        faults=("PagerDeliveryFailing", "Watchdog"),
        empty=_NOT_SCRAPED,
        queries=(Query(expr=errors, legend="not taken"), Query(expr=dropped, legend="given up")),
        unit="short",
    )
