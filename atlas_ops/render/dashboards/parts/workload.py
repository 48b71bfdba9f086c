"""What is asked of a model, beside the day before: how long prompts and answers are, how many requests, and how long they queue.

It explains many a slow hour: longer prompts take longer, and a crowd makes a queue.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.drift import workload
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards.panels import Chart, Query
from atlas_ops.render.dashboards.parts.latency import mean_of
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend

_DAY = 86400.0


def tokens_per_request(*matchers: str) -> Chart:
    """Return the mean length of prompts and answers, and that of the day before."""
    return Chart(
        key="tokens-per-request",
        title="Tokens per request, and the day before",
        shows="Mean length of prompts and of answers over half an hour, and over the day that ended an hour ago.",
        worry="prompts are much longer than the day before: then a slower first token is no fault of the model.",
        faults=("WorkloadMixShift",),
        empty="for the day before, until there has been more than an hour of it",
        queries=tuple(
            Query(expr=promql.select(name, *matchers), legend=f"{{{{model}}}} {{{{{c.FEATURE}}}}}{word}")
            for name, word in ((workload.LENGTH, ""), (workload.USUAL_LENGTH, ", day before"))
        ),
        unit="short",
    )


def ends(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return why answers end, as shares of all."""
    rate = promql.rate(s.REQUESTS_FINISHED, WINDOW, *matchers)
    of_all = (
        f"{promql.sum_by((*by, 'reason'), rate)} / on ({', '.join(by)}) group_left () ({promql.sum_by(by, rate)} > 0)"
    )
    return Chart(
        key="ends-of-answers",
        title="Why answers end",
        shows="Share of each reason. `done`: well, of a runtime that does not tell `stop` from `length`; `unknown`: a word that no dialect knows.",
        worry="`length` grows: answers are cut off; or `cancelled`: clients give up.",
        faults=("PredictionDrift",),
        empty="while no request ends",
        queries=(Query(expr=of_all, legend=f"{legend(by)} {{{{reason}}}}"),),
        unit="percentunit",
        maximum=1.0,
        width=24,
    )


def requests(timing: Timing, by: tuple[str, ...], *matchers: str) -> Chart:
    """Return requests per second, now and a day before."""
    counted = f"{promql.select(s.REQUESTS, *matchers)}[{WINDOW}]"
    before = f"{counted} offset {timing.window(_DAY)}"
    return Chart(
        key="requests-and-day-before",
        title="Requests per second, and the day before",
        shows="Requests that ended, now and at the same time of the day before.",
        worry="there are many more than the day before: then a longer queue is the traffic's, and no fault of the model.",
        faults=("QueueBacklog", "CapacityHeadroomLow"),
        empty="for the day before, while there is none",
        queries=(
            Query(expr=promql.sum_by(by, f"rate({counted})"), legend=legend(by)),
            Query(expr=promql.sum_by(by, f"rate({before})"), legend=f"{legend(by)}, day before"),
        ),
        unit="reqps",
    )


def queue_share(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return how much of the wait for the first token is spent in the queue."""
    waiting, first_token = (mean_of(signal, by, *matchers) for signal in (s.QUEUE_TIME, s.TIME_TO_FIRST_TOKEN))
    return Chart(
        key="queue-share",
        title="Queue's share of the wait for the first token",
        shows="Mean time in the queue, as a share of the mean time to the first token.",
        worry="it is more than half: servers are missing, rather than slow.",
        faults=("QueueBacklog", "CapacityHeadroomLow"),
        queries=(Query(expr=f"({waiting}) / ({first_token})", legend=legend(by)),),
        unit="percentunit",
    )
