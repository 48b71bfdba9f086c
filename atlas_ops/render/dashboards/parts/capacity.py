"""Whether there is enough of everything: Little's law, and how full servers are."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import past
from atlas_ops.catalog.faults.capacity.headroom import MODEL_USED, USED
from atlas_ops.catalog.faults.capacity.queue import PREDICTED_WAIT
from atlas_ops.catalog.faults.capacity.rejection import REJECTED_RATIO
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Bars, Chart, Limit, Link, Number, Query
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend
from atlas_ops.render.dashboards.variables import CLUSTER, LABELS, MODEL, NAMESPACE

_BY_SERVER = (*c.SERVER_LABELS, LABELS[CLUSTER])
_MODEL = Link(title="This model", board="model", variables={name: LABELS[name] for name in (NAMESPACE, MODEL)})


def fullest(*matchers: str, parameters: Parameters) -> Number:
    """Return how full the fullest model is."""
    return Number(
        key="capacity-fullest",
        title="Fullest model",
        shows="Slots or KV cache in use, whichever is fuller, as the mean of a model's servers over 15 minutes; of the fullest model.",
        worry="it is red for an hour of the day.",
        faults=("CapacityHeadroomLow",),
        query=Query(expr=f"max({promql.select(MODEL_USED, *matchers)})", legend="in use"),
        unit="percentunit",
        limit=Limit(value=parameters.limits.capacity_used_ratio),
    )


def longest_wait(*matchers: str, parameters: Parameters) -> Number:
    """Return how long a new request would wait at most."""
    return Number(
        key="capacity-longest-wait",
        title="Longest predicted wait",
        shows="Waiting requests by those that finish in a second (Little's law), of the server where it is longest.",
        worry="it is red for a minute.",
        faults=("QueueBacklog",),
        query=Query(expr=f"max({promql.select(PREDICTED_WAIT, *matchers)})", legend="wait"),
        unit="s",
        limit=Limit(value=min(objective.queue_wait_seconds for objective in parameters.objectives)),
    )


def turned_away(*matchers: str, parameters: Parameters) -> Number:
    """Return the share of requests that the model which refuses most turns away."""
    return Number(
        key="capacity-turned-away",
        title="Turned away",
        shows="Share of requests that were rejected over five minutes, of the model that rejects most.",
        worry="it is red.",
        faults=("RequestsRejected",),
        query=Query(expr=f"max({promql.select(REJECTED_RATIO, *matchers)})", legend="turned away"),
        unit="percentunit",
        limit=Limit(value=parameters.limits.rejected_requests_ratio),
    )


def present(by: tuple[str, ...], *matchers: str, width: int = 12) -> Chart:
    """Return the requests that are there: as counted, and as Little's law computes them."""
    running, waiting = (
        promql.sum_by(by, f"avg_over_time({promql.select(signal, *matchers)}[{WINDOW}])")
        for signal in (s.REQUESTS_RUNNING, s.REQUESTS_WAITING)
    )
    computed = promql.sum_by(by, promql.rate(f"{s.REQUEST_DURATION}_sum", WINDOW, *matchers))
    return Chart(
        key="littles-law",
        title="Requests present: counted, and by Little's law",
        shows=(
            "Requests running and waiting, as servers count them, and arrivals a second times their time in the server. The two "
            "agree while what comes also goes; a request is timed when it is over."
        ),
        worry="more are counted than computed for long: requests come and do not end.",
        faults=("EngineStalled", "QueueBacklog"),
        queries=(
            Query(expr=f"{running} + {waiting} or {running}", legend=f"{legend(by)} counted"),
            Query(expr=computed, legend=f"{legend(by)} computed"),
        ),
        unit="short",
        width=width,
    )


def arrivals(by: tuple[str, ...], *matchers: str, width: int = 6) -> Chart:
    """Return the first factor of Little's law."""
    return Chart(
        key="littles-law-arrivals",
        title="Arrivals",
        shows="Requests that were timed, a second.",
        worry="it rises beyond what the fleet was built for.",
        faults=("CapacityHeadroomLow",),
        queries=(Query(expr=_timed("count", by, *matchers), legend=legend(by)),),
        unit="reqps",
        width=width,
    )


def time_in_system(by: tuple[str, ...], *matchers: str, width: int = 6) -> Chart:
    """Return the second factor of Little's law."""
    return Chart(
        key="littles-law-time",
        title="Mean time in the server",
        shows="From arrival to the last byte, on the mean. The same arrivals fill more places the longer each stays.",
        worry="it rises while arrivals do not: answers got longer, or the GPUs slower.",
        faults=("RequestLatencySloBurn", "WorkloadMixShift"),
        queries=(Query(expr=f"{_timed('sum', by, *matchers)} / {_timed('count', by, *matchers)}", legend=legend(by)),),
        unit="s",
        width=width,
    )


def used(*matchers: str, parameters: Parameters, width: int = 8) -> Chart:
    """Return how full the servers of each model are."""
    return Chart(
        key="capacity-used",
        title="Capacity in use",
        shows=(
            "Slots or KV cache, whichever is fuller: the mean of a model's servers over 15 minutes. Replicas that an autoscaler "
            "may still add count as free."
        ),
        worry="the daily peak comes near the line: the wait grows as 1 / (1 - use).",
        faults=("CapacityHeadroomLow",),
        queries=(Query(expr=promql.select(MODEL_USED, *matchers), legend=legend((c.K8S_NAMESPACE, c.MODEL))),),
        unit="percentunit",
        limit=Limit(value=parameters.limits.capacity_used_ratio),
        maximum=1.0,
        links=(_MODEL,),
        width=width,
    )


def used_by_server(*matchers: str, width: int = 8) -> Chart:
    """Return how full each server is."""
    return Chart(
        key="capacity-used-by-server",
        title="Capacity in use, by server",
        shows="The same for each server. Replicas of one model should be about as full.",
        worry="one is full while its siblings are not: requests are spread badly.",
        faults=("ReplicaStraggler", "CapacityHeadroomLow"),
        queries=(Query(expr=promql.select(USED, *matchers), legend=legend((c.MODEL, c.SERVER))),),
        unit="percentunit",
        maximum=1.0,
        width=width,
    )


def time_full(*matchers: str, parameters: Parameters, width: int = 8) -> Bars:
    """Return for how long of the last day each model was too full."""
    timing, limits = parameters.timing, parameters.limits
    above = f"({promql.select(MODEL_USED, *matchers)} > bool {promql.number(limits.capacity_used_ratio)})"
    step = promql.number(timing.hold(past.STEP_SECONDS))
    return Bars(
        key="capacity-time-full",
        title="Time too full, last day",
        shows="How long the servers of a model were fuller than the line of “Capacity in use”, of the last day.",
        worry="it is red: the daily peak has outgrown the fleet.",
        faults=("CapacityHeadroomLow",),
        query=Query(
            expr=f"sum_over_time({past.day(above, timing)}) * {step}", legend=legend((c.K8S_NAMESPACE, c.MODEL))
        ),
        unit="s",
        limit=Limit(value=timing.hold(limits.capacity_used_seconds)),
        links=(_MODEL,),
        width=width,
    )


def slots(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the share of places in the batch that are taken, of the fullest server."""
    return Chart(
        key="capacity-slots",
        title="Slots taken",
        shows="Requests being executed by those that can be at once, at the fullest server.",
        worry="it stays at its end: from there on requests wait.",
        faults=("CapacityHeadroomLow", "QueueBacklog"),
        queries=(Query(expr=_fullest(by, s.REQUESTS_RUNNING, s.REQUESTS_CAPACITY, *matchers), legend=legend(by)),),
        unit="percentunit",
        maximum=1.0,
        width=width,
    )


def queue(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the share of places in the queue that are taken, of the fullest server."""
    return Chart(
        key="capacity-queue",
        title="Queue taken",
        shows="Requests that wait by those that may, at the server with the fullest queue. Many runtimes let any number wait.",
        worry="it nears its end: from there on requests are turned away.",
        faults=("QueueBacklog", "RequestsRejected"),
        queries=(Query(expr=_fullest(by, s.REQUESTS_WAITING, s.QUEUE_CAPACITY, *matchers), legend=legend(by)),),
        unit="percentunit",
        maximum=1.0,
        width=width,
    )


def _fullest(by: tuple[str, ...], taken: Signal, places: Signal, *matchers: str) -> str:
    by_server = (promql.sum_by(_BY_SERVER, promql.select(signal, *matchers)) for signal in (taken, places))
    return f"max by ({', '.join(by)}) ({' / '.join(by_server)})"


def _timed(part: str, by: tuple[str, ...], *matchers: str) -> str:
    return promql.sum_by(by, promql.rate(f"{s.REQUEST_DURATION}_{part}", WINDOW, *matchers))
