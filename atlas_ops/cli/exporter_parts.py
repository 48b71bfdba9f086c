"""From settings to what the exporter has to run: one plan for each collector, and the further printers of its page.

Called by `cli.exporter_reload`, at the start and after every change of the settings. A new collector gets its plan here
and nowhere else.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter import dcgm
from atlas_ops.exporter.gpu.collector import GpuCollector
from atlas_ops.exporter.gpu.expected import ExpectedGpus
from atlas_ops.exporter.identity import Identity, name_servers
from atlas_ops.exporter.lineup import Made, Plan
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.page import Compat
from atlas_ops.exporter.server_collector import ServerCollector
from atlas_ops.exporter.workload.collector import WorkloadCollector
from atlas_ops.settings import Exporter, Server, Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What the settings do not say of the machine."""

    host_name: str
    nvml_library: object = None
    """The driver's library, where it is not the real one."""


def plan_collectors(settings: Settings, machine: Machine) -> tuple[Plan, ...]:
    """Return a plan for each collector that the settings ask for."""
    return (*_gpus(settings.exporter, machine), *_servers(settings, machine))


def compat_printers(exporter: Exporter) -> tuple[Compat, ...]:
    """Return the printers of names that stand on the page beside those of the contract."""
    return (dcgm.render,) if exporter.compat == "dcgm" else ()


def _gpus(exporter: Exporter, machine: Machine) -> Iterator[Plan]:
    if not exporter.gpus:
        return
    host_name, rate = machine.host_name, exporter.gpu_samples_per_second
    root, socket = Path(exporter.host_root), Path(exporter.pod_resources_socket)
    workload = ("workload", root, socket)
    yield Plan(key=workload, make=lambda _: WorkloadCollector(root, socket))
    yield Plan(
        key=("gpu_expected", exporter.expected_gpus, workload),
        make=lambda made: ExpectedGpus(exporter.expected_gpus, _workloads(made, workload).allocatable, host_name),
    )
    yield Plan(
        key=("nvml", rate, workload),
        make=lambda made: GpuCollector(
            Nvml(machine.nvml_library),
            host_name=host_name,
            workloads=_workloads(made, workload),
            sample_seconds=1 / rate,
        ),
    )


def _workloads(made: Made, key: Hashable) -> WorkloadCollector:
    found = made[key]
    assert isinstance(found, WorkloadCollector)
    return found


def _servers(settings: Settings, machine: Machine) -> Iterator[Plan]:
    for server, name in zip(settings.servers, name_servers(settings.servers), strict=True):
        yield _server(server, _identity(server, name, machine.host_name), settings.exporter)


def _identity(server: Server, name: str, host_name: str) -> Identity:
    return Identity(
        server=name, host_name=host_name, namespace=server.namespace, pod=server.pod, container=server.container
    )


def _server(server: Server, identity: Identity, exporter: Exporter) -> Plan:
    pace = (exporter.interval_seconds, exporter.timeout_seconds, exporter.max_page_bytes, exporter.max_models)
    return Plan(
        key=("server", server, identity, pace),
        make=lambda _: ServerCollector(server, identity, exporter, shipped_dialects()),
    )
