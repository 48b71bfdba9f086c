"""A fleet that does not exist: model servers behind real HTTP and GPUs behind the NVML boundary, with faults on demand.

For the demo, rehearsals and end-to-end tests. `Fleet` is the simulation, `SimulatorServer` puts it on the network, and
`nvml_library` shows its GPUs to an exporter in another process. `SimulatedNode` is for tests that want GPUs without a fleet
and set every reading themselves; `simulator.chaos` makes any of these libraries misbehave.
"""

from __future__ import annotations

from atlas_ops.simulator.fleet import Fleet
from atlas_ops.simulator.node import SimulatedNode
from atlas_ops.simulator.nvml import NvmlLibrary
from atlas_ops.simulator.remote import remote_gpus
from atlas_ops.simulator.scenario import Scenario
from atlas_ops.simulator.scenarios import SCENARIOS, scenario_by_name
from atlas_ops.simulator.server import SimulatorServer

__all__ = [
    "SCENARIOS",
    "Fleet",
    "NvmlLibrary",
    "Scenario",
    "SimulatedNode",
    "SimulatorServer",
    "nvml_library",
    "scenario_by_name",
]


def nvml_library(url: str) -> object:
    """Return a stand-in for NVIDIA's C library that shows the GPUs of the simulator at `url` (its control address).

    Assign it to `pynvml.nvmlLib` before `nvmlInit`. AtlasError when `url` is no address; while nobody answers there, every
    call about a device returns NVML_ERROR_GPU_IS_LOST.
    """
    return NvmlLibrary(remote_gpus(url))
