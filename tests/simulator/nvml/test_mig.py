from __future__ import annotations

import pynvml

from atlas_ops.simulator.state import GpuProcess
from tests.simulator.binding import code

from .conftest import Part

UNSUPPORTED, INVALID = pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_INVALID_ARGUMENT
GIB = 2**30


def instances(gpu: object) -> dict[int, object]:
    """{place: handle}, found as every caller has to: by trying all places."""
    found = {}
    for place in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
        try:
            found[place] = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, place)
        except pynvml.NVMLError_NotFound:
            continue
    return found


def test_a_cut_gpu_lists_its_instances_with_holes_between(part: Part) -> None:
    _, gpu = part("h100-mig")
    assert pynvml.nvmlDeviceGetMigMode(gpu) == [1, 1]
    found = instances(gpu)
    assert list(found) == [0, 1, 3, 4]
    ids = [(pynvml.nvmlDeviceGetGpuInstanceId(i), pynvml.nvmlDeviceGetComputeInstanceId(i)) for i in found.values()]
    assert ids == [(1, 0), (5, 0), (9, 0), (10, 0)]
    uuids = {pynvml.nvmlDeviceGetUUID(instance) for instance in found.values()}
    assert len(uuids) == 4
    assert all(uuid.startswith("MIG-") for uuid in uuids)
    assert code(lambda: pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, 7)) == INVALID


def test_an_instance_knows_its_gpu_and_what_it_is(part: Part) -> None:
    node, gpu = part("h100-mig", gpus=2)
    instance = instances(pynvml.nvmlDeviceGetHandleByIndex(1))[3]
    parent = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)
    assert pynvml.nvmlDeviceGetUUID(parent) == node.read()[1].uuid
    assert pynvml.nvmlDeviceIsMigDeviceHandle(instance).value == 1
    assert pynvml.nvmlDeviceIsMigDeviceHandle(gpu).value == 0
    assert pynvml.nvmlDeviceGetName(instance) == "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    attributes = pynvml.nvmlDeviceGetAttributes(instance)
    assert (attributes.multiprocessorCount, attributes.gpuInstanceSliceCount) == (16, 1)
    memory = pynvml.nvmlDeviceGetMemoryInfo(instance, pynvml.nvmlMemory_v2)
    assert memory.total == attributes.memorySizeMB * 2**20 == memory.used + memory.free + memory.reserved


def test_each_instance_has_its_share_of_what_is_used_and_its_own_processes(part: Part) -> None:
    node, gpu = part("h100-mig")
    processes = (
        GpuProcess(pid=10, memory_bytes=GIB, gpu_instance=1, compute_instance=0),
        GpuProcess(pid=20, memory_bytes=GIB, gpu_instance=9, compute_instance=0),
    )
    node.change(0, memory_used_bytes=40 * GIB, processes=processes)
    found = instances(gpu)
    used = [pynvml.nvmlDeviceGetMemoryInfo(found[place], pynvml.nvmlMemory_v2).used for place in (0, 3)]
    assert used[0] > used[1] > 0
    pids = {place: [p.pid for p in pynvml.nvmlDeviceGetComputeRunningProcesses(found[place])] for place in found}
    assert pids == {0: [10], 1: [], 3: [20], 4: []}
    whole = pynvml.nvmlDeviceGetComputeRunningProcesses(gpu)
    assert [(process.pid, process.gpuInstanceId) for process in whole] == [(10, 1), (20, 9)]


def test_a_whole_gpu_is_no_instance_and_an_instance_is_no_whole_gpu(part: Part) -> None:
    _, gpu = part("h100-mig")
    instance = instances(gpu)[0]
    for ask in (
        pynvml.nvmlDeviceGetGpuInstanceId,
        pynvml.nvmlDeviceGetComputeInstanceId,
        pynvml.nvmlDeviceGetAttributes,
        pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle,
    ):
        assert code(lambda ask=ask: ask(gpu)) == UNSUPPORTED  # type: ignore[misc]
    for ask in (pynvml.nvmlDeviceGetPowerUsage, pynvml.nvmlDeviceGetUtilizationRates, pynvml.nvmlDeviceGetMigMode):
        assert code(lambda ask=ask: ask(instance)) == UNSUPPORTED  # type: ignore[misc]


def test_a_part_that_can_be_cut_but_is_not_has_no_instances(part: Part) -> None:
    _, gpu = part("h200")
    assert pynvml.nvmlDeviceGetMigMode(gpu) == [0, 0]
    assert not instances(gpu)


def test_a_part_that_cannot_be_cut_has_no_mode(part: Part) -> None:
    _, gpu = part("l40s")
    assert code(lambda: pynvml.nvmlDeviceGetMigMode(gpu)) == UNSUPPORTED
    assert not instances(gpu)
