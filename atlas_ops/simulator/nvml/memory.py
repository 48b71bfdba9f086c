"""Memory, and the processes that use it: of a GPU, or of one MIG instance."""

from __future__ import annotations

from typing import Any

from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import INSUFFICIENT_SIZE, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target
from atlas_ops.simulator.state import GpuProcess

_MEMORY_V2 = 0x2000028
_MEMORY_NOT_AVAILABLE = 2**64 - 1


def _sizes(target: Target) -> tuple[int, int, int]:
    """Return (total, reserved, used) bytes. Of what the whole GPU uses, each instance has its share by size."""
    whole, reserved, used = target.profile.memory_bytes, target.profile.reserved_bytes, target.state.memory_used_bytes
    if target.instance is None:
        return whole, reserved, used
    total = target.instance.memory_bytes
    return total, reserved * total // whole, used * total // whole


def _memory(target: Target, info: Any) -> None:
    total, reserved, used = _sizes(target)
    c.fill(info, total=total, used=used + reserved, free=total - used - reserved)  # version 1 counts reserved as used


def _memory_v2(target: Target, info: Any) -> None:
    c.check_version(info, _MEMORY_V2)
    total, reserved, used = _sizes(target)
    c.fill(info, total=total, reserved=reserved, used=used, free=total - used - reserved)


def _processes(target: Target, *, graphics: bool) -> list[GpuProcess]:
    part = target.instance
    return [
        process
        for process in target.state.processes
        if process.graphics == graphics
        and (
            part is None
            or (process.gpu_instance, process.compute_instance) == (part.gpu_instance, part.compute_instance)
        )
    ]


def _running(target: Target, count: Any, infos: Any, *, graphics: bool) -> None:
    """Answer as NVML does: with INSUFFICIENT_SIZE and the size when there is more than the caller has room for."""
    found = _processes(target, graphics=graphics)
    room = c.pointee(count).value
    c.put(count, len(found))
    if len(found) > room:
        raise Refused(INSUFFICIENT_SIZE)
    for place, process in enumerate(found):
        info = infos[place]
        info.pid = process.pid
        info.usedGpuMemory = _MEMORY_NOT_AVAILABLE if process.memory_bytes is None else process.memory_bytes
        info.gpuInstanceId, info.computeInstanceId = process.gpu_instance, process.compute_instance


def _compute(target: Target, count: Any, infos: Any) -> None:
    _running(target, count, infos, graphics=False)


def _graphics(target: Target, count: Any, infos: Any) -> None:
    _running(target, count, infos, graphics=True)


FUNCTIONS: DeviceFunctions = (
    ("nvmlDeviceGetMemoryInfo", _memory),
    ("nvmlDeviceGetMemoryInfo_v2", _memory_v2),
    # The second version's record is that of the third (nvml.h).
    ("nvmlDeviceGetComputeRunningProcesses_v2", _compute),
    ("nvmlDeviceGetComputeRunningProcesses_v3", _compute),
    ("nvmlDeviceGetGraphicsRunningProcesses_v2", _graphics),
    ("nvmlDeviceGetGraphicsRunningProcesses_v3", _graphics),
)
