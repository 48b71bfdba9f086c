"""`gpu-node`: how the GPUs of a node are doing, and who feels it."""

from __future__ import annotations

from atlas_ops.catalog.model import Catalog, Family
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Board, Panel, Row
from atlas_ops.render.dashboards.parts import faults, gpu_errors, gpu_links, gpu_use, gpu_users, gpus, heat, throttling
from atlas_ops.render.dashboards.parts.gpus import BY_GPU
from atlas_ops.settings import Settings

_PICKED = variables.picked(*variables.OF_GPUS)
_OF_NODES = variables.picked(variables.CLUSTER, variables.NODE)
_OF_CLUSTERS = variables.picked(variables.CLUSTER)


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    parameters = settings.parameters
    return Board(
        name="gpu-node",
        title="GPUs of a node",
        question="Are the GPUs of this node well: are they there, cool, fast and free of errors, and who uses them?",
        variables=variables.opening_on_one(variables.NODE, variables.of_gpus()),
        rows=(
            Row(key="now", title="Now", panels=_now(parameters)),
            Row(
                key="users", title="Who uses them", panels=(gpu_users.table(parameters.timing, _OF_CLUSTERS, *_PICKED),)
            ),
            Row(key="throttling", title="What holds the clocks down", panels=_throttling()),
            Row(key="heat", title="Heat, power and clocks", panels=_heat(parameters)),
            Row(key="use", title="Use", panels=_use()),
            Row(key="errors", title="Errors", panels=_errors()),
            Row(key="links", title="Links", panels=_links(parameters)),
            faults.row(Family.HARDWARE, catalog),
        ),
    )


def _now(parameters: Parameters) -> tuple[Panel, ...]:
    return (
        gpus.answering(*_PICKED),
        gpus.missing(*_OF_NODES),
        gpus.to_recover(*_PICKED),
        gpu_errors.xids_of_day(*_PICKED),
        throttling.held_down(*_PICKED),
        heat.hottest(*_PICKED),
        heat.power_share(*_PICKED),
        gpu_use.memory_share(*_PICKED),
        gpus.each(*_PICKED, parameters=parameters),
        gpus.health(BY_GPU, *_PICKED),
    )


def _throttling() -> tuple[Panel, ...]:
    return (
        throttling.time_held(*_PICKED),
        throttling.states(BY_GPU, *_PICKED),
        throttling.begun(*_PICKED),
        throttling.longest(BY_GPU, *_PICKED),
    )


def _heat(parameters: Parameters) -> tuple[Panel, ...]:
    return (
        heat.temperature(BY_GPU, *_PICKED),
        heat.margin(BY_GPU, *_PICKED),
        heat.fan(BY_GPU, *_PICKED),
        heat.power(BY_GPU, *_PICKED),
        heat.clock(BY_GPU, *_PICKED),
        heat.clock_lost(BY_GPU, *_PICKED, parameters=parameters),
    )


def _use() -> tuple[Panel, ...]:
    return (
        gpu_use.utilisation(BY_GPU, *_PICKED),
        gpu_use.activity(BY_GPU, *_PICKED),
        gpu_use.video(BY_GPU, *_PICKED),
        gpu_use.memory(BY_GPU, *_PICKED),
        gpu_use.processes(BY_GPU, *_PICKED),
    )


def _errors() -> tuple[Panel, ...]:
    return (
        gpu_errors.memory_health(*_PICKED),
        gpu_errors.ecc(*_PICKED),
        gpu_errors.since_xid(BY_GPU, *_PICKED),
        gpu_errors.xids(BY_GPU, *_PICKED),
    )


def _links(parameters: Parameters) -> tuple[Panel, ...]:
    return (
        gpu_links.nvlink_errors(BY_GPU, *_PICKED, parameters=parameters),
        gpu_links.nvlink_traffic(BY_GPU, *_PICKED),
        gpu_links.pcie_traffic(BY_GPU, *_PICKED),
        gpu_links.pcie_links(*_PICKED),
        gpu_links.pcie_replays(BY_GPU, *_PICKED, parameters=parameters),
    )
