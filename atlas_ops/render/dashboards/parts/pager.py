"""The last link of the way of an alert to people: the pager, and the heartbeat that shows that the way is open."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Heatmap, Limit, Number, Query
from atlas_ops.render.dashboards.parts.requests import WINDOW

_NO_PAGER = "where Prometheus does not scrape the pager"


def heartbeat_age(parameters: Parameters) -> Number:
    """Return the time since the heartbeat last reached the pager."""
    # As the rule of PagerDeliveryFailing has it.
    limit = max(5.0, parameters.timing.hold(parameters.limits.heartbeat_age_seconds))
    return Number(
        key="heartbeat-age",
        title="Last heartbeat",
        shows=f"Time since the alert `{c.HEARTBEAT}`, which always fires, last reached the pager.",
        worry="it is red, or has no data although there is a pager: then no other page can be trusted to arrive.",
        faults=(c.HEARTBEAT, c.PAGER_FAULT),
        empty=f"{_NO_PAGER}, and before the first heartbeat",
        query=Query(expr=f"time() - max({s.PAGER_LAST_HEARTBEAT})", legend="age"),
        unit="s",
        limit=Limit(value=limit),
    )


def queue() -> Chart:
    """Return what the pager still has to deliver."""
    return Chart(
        key="pager-queue",
        title="Incidents with something to deliver",
        shows="Incidents of which the pager has not yet told everything.",
        worry="it does not go back to zero.",
        faults=(c.PAGER_FAULT,),
        empty=_NO_PAGER,
        queries=(Query(expr=f"max by (instance) ({s.PAGER_QUEUE})", legend="{{instance}}"),),
        unit="short",
        width=12,
    )


def received() -> Chart:
    """Return the webhooks from Alertmanager, by how they were answered."""
    return Chart(
        key="pager-received",
        title="Webhooks from Alertmanager, per second",
        shows="By how the pager answered; `unchanged` told nothing new, `heartbeat` is the alert that always fires.",
        worry="`refused`, `unauthorized`, `too_large` or `failed` appear, or heartbeats stop.",
        faults=(c.PAGER_FAULT,),
        empty=_NO_PAGER,
        queries=(Query(expr=promql.sum_by(("result",), promql.rate(s.PAGER_RECEIVED, WINDOW)), legend="{{result}}"),),
        unit="short",
        width=12,
    )


def delivered() -> Chart:
    """Return what Slack accepted, and what has to be tried again."""
    return Chart(
        key="pager-delivered",
        title="Deliveries to Slack, per second",
        shows="What Slack accepted, by kind, and what has to be tried again, by reason.",
        worry="there are tries again while nothing is accepted.",
        faults=(c.PAGER_FAULT,),
        empty=_NO_PAGER,
        queries=(
            Query(expr=promql.sum_by(("kind",), promql.rate(s.PAGER_DELIVERED, WINDOW)), legend="accepted: {{kind}}"),
            Query(expr=promql.sum_by(("reason",), promql.rate(s.PAGER_RETRIED, WINDOW)), legend="again: {{reason}}"),
        ),
        unit="short",
        width=12,
    )


def delivery_time() -> Heatmap:
    """Return how long deliveries took."""
    return Heatmap(
        key="pager-delivery-time",
        title="Time from webhook to Slack",
        shows="How many messages Slack accepted how long after the webhook that they tell.",
        worry="messages take minutes: Slack holds them back, or cannot be reached.",
        faults=(c.PAGER_FAULT,),
        empty=_NO_PAGER,
        query=Query(
            expr=promql.sum_by(("le",), promql.increase(f"{s.PAGER_DELIVERY_LATENCY}_bucket", WINDOW)), legend="{{le}}"
        ),
        unit="s",
        width=12,
    )
