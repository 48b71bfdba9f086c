"""From settings to what the exporter has to run: one plan for each collector, and the further printers of its page.

Called by `cli.exporter_reload`, at the start and after every change of the settings. A new collector gets its plan here
and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.cli.exporter_finders import plan_finders
from atlas_ops.cli.exporter_servers import plan_servers
from atlas_ops.exporter import dcgm
from atlas_ops.exporter.amd import devices as amd_devices
from atlas_ops.exporter.gpu.backend import GpuBackend, NoWorkloads, Workloads
from atlas_ops.exporter.gpu.collector import GpuCollector
from atlas_ops.exporter.gpu.expected import ExpectedGpus
from atlas_ops.exporter.lineup import Made, Plan
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.oom.collector import OomCollector
from atlas_ops.exporter.otlp.push import Push
from atlas_ops.exporter.page import Compat
from atlas_ops.exporter.workload.collector import WorkloadCollector
from atlas_ops.settings import Exporter, Server, Settings

_VENDORS = ("nvml", "amd")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What the settings do not say of the machine."""

    host_name: str
    nvml_library: object = None
    """The driver's library, where it is not the real one."""
    kubernetes_url: str = ""
    """The API server of the cluster in which the exporter runs; empty outside of one."""


def plan_collectors(settings: Settings, machine: Machine, servers: Sequence[Server]) -> tuple[Plan, ...]:
    """Return a plan for each collector that the settings ask for, and for each of the servers, named or found."""
    exporter = settings.exporter
    here = (*_gpus(exporter, machine), _host(exporter, machine))
    finders = plan_finders(settings, machine.host_name, machine.kubernetes_url)
    return (
        *here,
        *_push(exporter, machine, here),
        *finders,
        *plan_servers(servers, exporter, machine.host_name, _measured(here)),
    )


def _measured(plans: Sequence[Plan]) -> tuple[Hashable, ...]:
    """Return the keys of the collectors that have a table of the processes on GPUs."""
    return tuple(plan.key for plan in plans if isinstance(plan.key, tuple) and plan.key[0] in _VENDORS)


def compat_printers(exporter: Exporter) -> tuple[Compat, ...]:
    """Return the printers of names that stand on the page beside those of the contract."""
    return (dcgm.render,) if exporter.compat == "dcgm" else ()


def _gpus(exporter: Exporter, machine: Machine) -> Iterator[Plan]:
    if not exporter.gpus:
        return
    if machine.nvml_library is not None:  # not this machine's GPUs, so nothing of this machine uses them
        yield _expected(exporter, machine, lambda _: None)
        yield _vendor("nvml", lambda: Nvml(machine.nvml_library), exporter, machine, lambda _: NoWorkloads())
        return
    root, socket = Path(exporter.host_root), Path(exporter.pod_resources_socket)
    workload = ("workload", root, socket)
    yield Plan(key=workload, make=lambda _: WorkloadCollector(root, socket))
    yield _expected(exporter, machine, lambda made: _workloads(made, workload).allocatable(), workload)
    yield _vendor("nvml", Nvml, exporter, machine, lambda made: _workloads(made, workload), workload)
    if amd_devices.present(exporter.host_root):
        yield _vendor("amd", lambda: _amd(root), exporter, machine, lambda made: _workloads(made, workload), workload)


def _expected(
    exporter: Exporter, machine: Machine, allocatable: Callable[[Made], int | None], *depends: Hashable
) -> Plan:
    return Plan(
        key=("gpu_expected", exporter.expected_gpus, *depends),
        make=lambda made: ExpectedGpus(exporter.expected_gpus, lambda: allocatable(made), machine.host_name),
    )


def _vendor(
    name: str,
    backend: Callable[[], GpuBackend],
    exporter: Exporter,
    machine: Machine,
    workloads: Callable[[Made], Workloads],
    *depends: Hashable,
) -> Plan:
    rate = exporter.gpu_samples_per_second
    return Plan(
        key=(name, rate, *depends),
        make=lambda made: GpuCollector(
            backend(), host_name=machine.host_name, workloads=workloads(made), sample_seconds=1 / rate
        ),
    )


def _amd(root: Path) -> GpuBackend:
    from atlas_ops.exporter.amd.backend import Amd  # noqa: PLC0415 - 2 MiB that only machines with such a card pay for

    return Amd(str(root))


def _workloads(made: Made, key: Hashable) -> WorkloadCollector:
    found = made[key]
    assert isinstance(found, WorkloadCollector)
    return found


def _host(exporter: Exporter, machine: Machine) -> Plan:
    root = Path(exporter.host_root)
    return Plan(key=("oom", root), make=lambda _: OomCollector(root, machine.host_name))


def _push(exporter: Exporter, machine: Machine, plans: Sequence[Plan]) -> Iterator[Plan]:
    """Push what the collectors of these plans measure."""
    if not exporter.otlp_endpoint:
        return
    keys = tuple(plan.key for plan in plans)
    target = (exporter.otlp_endpoint, exporter.otlp_interval_seconds)

    def make(made: Made) -> Push:
        sources = [made[key] for key in keys]
        return Push(*target, lambda: [sample for source in sources for sample in source.collect()], machine.host_name)

    yield Plan(key=("otlp", *target, keys), make=make)
