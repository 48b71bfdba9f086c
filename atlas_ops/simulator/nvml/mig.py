"""MIG: the instances that a GPU is cut into, each with a handle of its own."""

from __future__ import annotations

import uuid
from typing import Any

from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import INVALID_ARGUMENT, NOT_FOUND, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target, handle_of
from atlas_ops.simulator.profile import MigSlice

MAX_INSTANCES = 7
ON_INSTANCES = frozenset(
    {
        "nvmlDeviceGetName",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetComputeRunningProcesses_v2",
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetGraphicsRunningProcesses_v2",
        "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceIsMigDeviceHandle",
        "nvmlDeviceGetGpuInstanceId",
        "nvmlDeviceGetComputeInstanceId",
        "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
        "nvmlDeviceGetAttributes_v2",
    }
)
"""What can be asked about an instance; the rest is NOT_SUPPORTED there."""


def uuid_of(target: Target) -> str:
    """Return the uuid of the GPU, or of the instance: fixed by its GPU and its place."""
    if target.instance is None:
        return target.state.uuid
    return f"MIG-{uuid.uuid5(uuid.NAMESPACE_OID, f'{target.state.uuid} {target.instance.place}')}"


def _instance(target: Target) -> MigSlice:
    c.need(target.instance)
    assert target.instance is not None
    return target.instance


def _mode(target: Target, current: Any, pending: Any) -> None:
    c.need(target.profile.mig_capable)
    c.put(current, target.profile.mig_on)
    c.put(pending, target.profile.mig_on)


def _handle(target: Target, place: Any, handle: Any) -> None:
    c.need(target.profile.mig_capable)
    wanted = c.number(place)
    if not 0 <= wanted < MAX_INSTANCES:
        raise Refused(INVALID_ARGUMENT)
    if all(part.place != wanted for part in target.profile.mig):
        raise Refused(NOT_FOUND)
    c.put_address(handle, handle_of(target.state.index, wanted))


def _parent(target: Target, handle: Any) -> None:
    _instance(target)
    c.put_address(handle, handle_of(target.state.index))


def _attributes(target: Target, attributes: Any) -> None:
    part = _instance(target)
    c.fill(
        attributes,
        multiprocessorCount=part.multiprocessors,
        # Engines are shared out by slices, as in NVIDIA's table of the H100's instances; assumed.
        sharedCopyEngineCount=part.slices,
        sharedDecoderCount=part.slices,
        sharedEncoderCount=0,
        sharedJpegCount=part.slices,
        sharedOfaCount=0,
        gpuInstanceSliceCount=part.slices,
        computeInstanceSliceCount=part.slices,
        memorySizeMB=part.memory_bytes // 2**20,
    )


FUNCTIONS: DeviceFunctions = (
    ("nvmlDeviceGetUUID", lambda target, text, size: c.write(text, size, uuid_of(target))),
    ("nvmlDeviceGetMigMode", _mode),
    (
        "nvmlDeviceGetMaxMigDeviceCount",
        lambda target, out: c.put(out, MAX_INSTANCES if target.profile.mig_capable else 0),
    ),
    ("nvmlDeviceGetMigDeviceHandleByIndex", _handle),
    ("nvmlDeviceIsMigDeviceHandle", lambda target, out: c.put(out, target.instance is not None)),
    ("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", _parent),
    ("nvmlDeviceGetGpuInstanceId", lambda target, out: c.put(out, _instance(target).gpu_instance)),
    ("nvmlDeviceGetComputeInstanceId", lambda target, out: c.put(out, _instance(target).compute_instance)),
    ("nvmlDeviceGetAttributes_v2", _attributes),
)
