"""`capacity-cost`: whether there is enough, and what it costs."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog, Family
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Board, Panel, Row
from atlas_ops.render.dashboards.parts import autoscaling, cache, capacity, cost, faults, gpu_idle, gpu_time
from atlas_ops.settings import Settings

_BY = (c.K8S_NAMESPACE, c.MODEL, variables.LABELS[variables.CLUSTER])
_PICKED = variables.picked(*variables.OF_MODELS)
_OF_AUTOSCALERS = variables.picked(variables.CLUSTER, variables.MODEL)
_OF_NAMESPACES = variables.picked(variables.CLUSTER, variables.NAMESPACE)


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    parameters = settings.parameters
    return Board(
        name="capacity-cost",
        title="Capacity and cost",
        question="Is there enough of everything, for how long still, and what does it cost?",
        variables=variables.of_models(),
        rows=(
            Row(key="now", title="Now", panels=_now(parameters)),
            Row(key="littles-law", title="Little's law: arrivals times time in the server", panels=_littles_law()),
            Row(key="headroom", title="Headroom", panels=_headroom(parameters)),
            Row(key="saturation", title="What is full", panels=_saturation(parameters)),
            Row(key="autoscaling", title="Autoscaling", panels=_autoscaling(parameters)),
            Row(
                key="idle", title="GPUs that are paid for and idle, of the chosen namespaces", panels=_idle(parameters)
            ),
            Row(key="cost", title="What tokens and requests cost", panels=_cost()),
            faults.row(Family.CAPACITY, catalog),
            faults.row(Family.COST, catalog),
        ),
        hours=6.0,
    )


def _now(parameters: Parameters) -> tuple[Panel, ...]:
    return (
        capacity.fullest(*_PICKED, parameters=parameters),
        capacity.longest_wait(*_PICKED, parameters=parameters),
        capacity.turned_away(*_PICKED, parameters=parameters),
        autoscaling.missing_now(*_OF_AUTOSCALERS),
        gpu_idle.now(*_OF_NAMESPACES, parameters=parameters),
        cost.power_now(*_PICKED),
    )


def _littles_law() -> tuple[Panel, ...]:
    return (
        capacity.present(_BY, *_PICKED),
        capacity.arrivals(_BY, *_PICKED),
        capacity.time_in_system(_BY, *_PICKED),
    )


def _headroom(parameters: Parameters) -> tuple[Panel, ...]:
    return (
        capacity.used(*_PICKED, parameters=parameters),
        capacity.used_by_server(*_PICKED),
        capacity.time_full(*_PICKED, parameters=parameters),
    )


def _saturation(parameters: Parameters) -> tuple[Panel, ...]:
    return (
        capacity.slots(_BY, *_PICKED),
        cache.usage(parameters, _BY, *_PICKED),
        capacity.queue(_BY, *_PICKED),
    )


def _autoscaling(parameters: Parameters) -> tuple[Panel, ...]:
    return (
        autoscaling.replicas(*_OF_AUTOSCALERS),
        autoscaling.away(*_OF_AUTOSCALERS),
        autoscaling.cold_starts(_BY, *_PICKED, parameters=parameters),
    )


def _idle(parameters: Parameters) -> tuple[Panel, ...]:
    return (
        gpu_idle.course(*_OF_NAMESPACES, parameters=parameters, width=6),
        gpu_idle.each(*_OF_NAMESPACES, parameters=parameters, width=18),
    )


def _cost() -> tuple[Panel, ...]:
    return (
        cost.power(_BY, *_PICKED),
        cost.tokens(_BY, *_PICKED),
        gpu_time.tokens_of_gpu(_BY, *_PICKED),
        cost.energy(_BY, *_PICKED),
        cost.energy_of_million(_BY, *_PICKED),
        gpu_time.of_million_tokens(_BY, *_PICKED),
        gpu_time.held(_BY, *_PICKED),
        gpu_time.of_request(_BY, *_PICKED),
        cost.power_of_namespaces(*_OF_NAMESPACES),
    )
