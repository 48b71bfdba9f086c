"""Whether servers are there: whether they answer and are ready, now and over time."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards.colours import SCRAPE_STATES
from atlas_ops.render.dashboards.panels import Limit, Number, Palette, Query, States
from atlas_ops.render.dashboards.parts import membership

YES_NO = "bool_yes_no"
"""Grafana's unit that writes 1 as Yes and 0 as No."""
YES = Limit(value=1, below=True)


def up(timing: Timing, *matchers: str) -> Number:
    """Return whether each server answers."""
    return Number(
        key="server-answers",
        title="Answers",
        shows="Whether the last scrape of its metrics worked.",
        worry="it says No: the states below say why.",
        faults=("ModelServerDown", "ServerMetricsDisabled"),
        query=Query(
            expr=membership.of_chosen(membership.told(s.SERVER_UP, *matchers), timing, *matchers),
            legend=membership.NAME,
        ),
        unit=YES_NO,
        limit=YES,
    )


def ready(timing: Timing, *matchers: str) -> Number:
    """Return whether each server can answer requests."""
    return Number(
        key="server-ready",
        title="Ready",
        shows="Whether it answers, and neither it nor its model says that it is not ready.",
        worry="it says No for longer than the model takes to load.",
        faults=("ModelNotReady",),
        query=Query(expr=membership.ready(timing, *matchers), legend=f"{membership.NAME} {{{{model}}}}"),
        unit=YES_NO,
        limit=YES,
    )


def scrape_states(timing: Timing, *matchers: str) -> States:
    """Return how the scrapes of each server went, over time."""
    # The state of most comes last: what is before an `or` is gone through again at every one.
    numbered = " or ".join(
        f"({promql.select(s.SERVER_SCRAPE_STATE, f'state={promql.quote(state)}', *membership.of_servers(*matchers))} == 1) * {number}"
        for number, state in reversed([*enumerate(c.SCRAPE_STATES)])
    )
    current = f"max by ({', '.join(membership.SERVER)}) ({numbered})"
    return States(
        key="server-scrape-states",
        title="What came of asking it for its metrics",
        shows=(
            "The state of each scrape. `empty`: a page without a known series, `disabled`: no such page, `unparsable`: no page "
            "of metrics."
        ),
        worry="it is anything but `ok` or `starting`.",
        faults=("ModelServerDown", "ServerMetricsDisabled", "CrashLooping"),
        queries=(Query(expr=membership.of_chosen(current, timing, *matchers), legend=membership.NAME),),
        states={float(number): (state, SCRAPE_STATES[state]) for number, state in enumerate(c.SCRAPE_STATES)},
        width=12,
        height=6,
    )


def ready_states(timing: Timing, *matchers: str) -> States:
    """Return when each server was ready."""
    return States(
        key="server-ready-states",
        title="When it was ready",
        shows="Whether it answered, and neither it nor its model said that it was not ready.",
        worry="it changes again and again, or stays not ready for longer than the model takes to load.",
        faults=("ModelNotReady", "CrashLooping"),
        queries=(Query(expr=membership.ready(timing, *matchers), legend=f"{membership.NAME} {{{{model}}}}"),),
        states={1.0: ("ready", Palette.GOOD), 0.0: ("not ready", Palette.BAD)},
        width=12,
        height=6,
    )
