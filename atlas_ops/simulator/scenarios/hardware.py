"""Scenarios of the faults of hardware: what happens to GPU 0, while GPU 1 mostly stays well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from atlas_ops.catalog.model import Severity
from atlas_ops.simulator.effects import GpuEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, LIGHT
from atlas_ops.simulator.state import LOST

_USERS_FEEL_IT: Mapping[str, Severity] = {
    "TimeToFirstTokenSloBurn": Severity.PAGE,
    "RequestLatencySloBurn": Severity.PAGE,
}
"""What a GPU at half its clock may do to those who ask the model, by how much they ask."""


def _gpu_0(
    name: str,
    fault: str,
    description: str,
    effect: GpuEffect,
    *,
    minutes: float = 20.0,
    companions: Mapping[str, Severity] | None = None,
) -> Scenario:
    """Return the scenario in which this is done to GPU 0 for as long as it lasts."""
    return Scenario(
        name=name,
        description=description,
        expected_fault=fault,
        companions=companions or {},
        calm=CALM,
        course=(Phase(effect=replace(CALM, gpus={0: effect})),),
        active_minutes=minutes,
    )


SCENARIOS = (
    _gpu_0(
        "thermal_throttling",
        "GpuThermalThrottling",
        "The cooling of GPU 0 fails: it heats up, halves its clock, and its server slows down.",
        GpuEffect(cooled=False),
        companions=_USERS_FEEL_IT,
    ),
    Scenario(
        name="power_brake",
        description="A power supply of the node fails, and its brake holds every GPU at half its clock.",
        expected_fault="GpuPowerBrake",
        companions=_USERS_FEEL_IT,
        calm=CALM,
        course=(Phase(effect=replace(CALM, every_gpu=GpuEffect(power_brake=True))),),
    ),
    _gpu_0(
        "clock_deficit",
        "GpuClockDeficit",
        "The clock of GPU 0 stays at half of its maximum under load, and no reason is given.",
        GpuEffect(clock_limit_ratio=0.5),
        minutes=30,
    ),
    _gpu_0(
        "xid_hardware",
        "GpuXidHardware",
        "The system processor of GPU 0 does not answer its driver from time to time: XID 119.",
        GpuEffect(xid=119, xids_per_minute=0.2),
    ),
    _gpu_0(
        "xid_application",
        "GpuXidApplication",
        "A program on GPU 0 reads memory that is not its own, again and again: a storm of XID 31.",
        GpuEffect(xid=31, xids_per_minute=20),
    ),
    _gpu_0(
        "memory_errors",
        "GpuMemoryErrors",
        "The memory of GPU 0 has errors that cannot be corrected.",
        GpuEffect(uncorrected_errors_per_minute=0.2),
    ),
    _gpu_0(
        "row_remap_pending",
        "GpuRowRemapPending",
        "A broken memory row of GPU 0 waits for a reset to be replaced.",
        GpuEffect(remap_pending=True),
    ),
    _gpu_0(
        "row_remap_failed",
        "GpuMemoryErrors",
        "GPU 0 has no spare left for a broken row of its memory.",
        GpuEffect(remap_failed=True),
    ),
    _gpu_0(
        "gpu_lost",
        "GpuLost",
        "GPU 0 falls off the bus: every call about it is refused.",
        GpuEffect(condition=LOST),
    ),
    _gpu_0(
        "gpu_missing",
        "GpuLost",
        "GPU 0 is not listed any more, as after a fall off the bus and a restart of the driver.",
        GpuEffect(missing=True),
    ),
    _gpu_0(
        "recovery_required",
        "GpuRecoveryRequired",
        "The driver wants GPU 0 to be reset.",
        GpuEffect(recovery_action=1),
    ),
    _gpu_0(
        "nvlink_errors",
        "NvlinkErrors",
        "A link of GPU 0 has to be trained again every few minutes.",
        GpuEffect(nvlink_errors_per_minute=0.5),
    ),
    _gpu_0(
        "pcie_degraded",
        "PcieDegraded",
        "The PCIe link of GPU 0 has lost twelve of its sixteen lanes.",
        GpuEffect(pcie_width=4),
        minutes=30,
    ),
    # 60 MB a minute: the half of the memory that is free would be gone in about thirteen hours.
    Scenario(
        name="gpu_memory_leak",
        description="The server on GPU 0 takes a little more of its memory every minute.",
        expected_fault="GpuMemoryLeak",
        calm=CALM,
        course=(Phase(effect=replace(LIGHT, gpus={0: GpuEffect(leaked_bytes_per_minute=60e6)})),),
        active_minutes=210,
    ),
)
