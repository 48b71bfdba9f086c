"""`incident`: everything about one alert. Alerts link here with what they are about already chosen (`render.links`).

What is not chosen is everything, so an alert about a model alone shows all its servers, and the GPUs of the nodes that they
run on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.faults.blindness.unseen import WATCHED
from atlas_ops.catalog.model import Catalog
from atlas_ops.render.dashboards import variables as v
from atlas_ops.render.dashboards.panels import Board, Chart, Row, States
from atlas_ops.render.dashboards.parts import (
    alerts,
    cache,
    gpu_errors,
    heat,
    latency,
    queue,
    requests,
    servers,
    starts,
    throttling,
    tokens,
)  # fmt: skip
from atlas_ops.settings import Settings

_SERVERS = v.picked(v.CLUSTER, v.NAMESPACE, v.MODEL, v.SERVER, v.POD, v.NODE)
_PLACES = v.picked(v.CLUSTER, v.MODEL, v.NODE)
_GPUS = v.picked(v.CLUSTER, v.NODE, v.GPU)
_BY_SERVER = (c.MODEL, c.SERVER)
_BY_GPU = (c.HOST_NAME, c.GPU)
_P = TypeVar("_P", Chart, States)


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    del catalog  # no fault is judged here
    return Board(
        name="incident",
        title="Incident",
        question="What is this alert about, what else happens there, and who feels it?",
        variables=v.of_incidents(),
        rows=(_alert(), _users(settings), _servers(settings), _gpus(settings)),
    )


def _alert() -> Row:
    there = alerts.around(*_PLACES)
    return Row(
        key="alert",
        title="The alert, and what else fires there",
        panels=(
            alerts.course(*v.picked(*v.OF_INCIDENTS)),
            alerts.by_fault(there),
            alerts.table(there, "Alerts on the same nodes and models"),
        ),
    )


def _users(settings: Settings) -> Row:
    parameters, by = settings.parameters, (c.MODEL,)
    return Row(
        key="users",
        title="What users feel",
        panels=(
            requests.by_outcome(*_SERVERS),
            latency.within(latency.FIRST_TOKEN, parameters, by, *_SERVERS),
            latency.within(latency.WHOLE_REQUEST, parameters, by, *_SERVERS),
            requests.present(by, *_SERVERS),
            queue.predicted_wait(parameters, by, *_SERVERS),
            latency.means(by, *_SERVERS),
        ),
    )


def _servers(settings: Settings) -> Row:
    parameters = settings.parameters
    return Row(
        key="servers",
        title="What the servers do",
        panels=(
            servers.scrape_states(parameters.timing, *_SERVERS),
            servers.ready_states(parameters.timing, *_SERVERS),
            cache.usage(parameters, _BY_SERVER, *_SERVERS),
            cache.preemptions(_BY_SERVER, *_SERVERS),
            tokens.per_second(_BY_SERVER, *_SERVERS),
            starts.identity(parameters.timing, *_SERVERS),
        ),
    )


def _gpus(settings: Settings) -> Row:
    return Row(
        key="gpus",
        title="What the GPUs do",
        panels=(
            _there(throttling.states(_BY_GPU, *_GPUS)),
            _there(gpu_errors.since_xid(_BY_GPU, *_GPUS)),
            _there(heat.clock_lost(_BY_GPU, *_GPUS, parameters=settings.parameters)),
            _there(heat.temperature(_BY_GPU, *_GPUS)),
            _there(heat.power(_BY_GPU, *_GPUS)),
        ),
    )


def _there(panel: _P) -> _P:
    """Narrow a panel of GPUs down to the nodes of what is chosen, which may be a model."""
    nodes = f"group by ({c.HOST_NAME}) ({promql.select(WATCHED, *_PLACES)})"
    narrowed = (replace(one, expr=f"({one.expr})\nand on ({c.HOST_NAME}) {nodes}") for one in panel.queries)
    return replace(panel, queries=tuple(narrowed), empty=panel.empty or "without GPUs")
