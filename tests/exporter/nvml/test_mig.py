"""GPUs that are cut into MIG instances."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import GpuInstance
from atlas_ops.exporter.nvml import gpm, memory
from atlas_ops.exporter.nvml.device import NvmlDevice
from atlas_ops.simulator.state import GpuProcess

from .rig import MIB, NO_PERMISSION, NOT_SUPPORTED, UNKNOWN, Rig, rig

QUESTIONS = ("mig", "mig_memory", "mig_processes", "mig_gpm")
HANDLE = "nvmlDeviceGetMigDeviceHandleByIndex"


def instances(device: NvmlDevice) -> dict[str, GpuInstance]:
    question = next(question for question in device.questions() if question.name == "mig")
    return {value.instance.name: value.instance for value in question.ask() if value.instance is not None}


def without(made: Rig, place: int) -> Callable[..., int]:
    """A driver that has taken one instance away."""
    real = made.node.library.nvmlDeviceGetMigDeviceHandleByIndex
    return lambda handle, index, out: 6 if index.value == place else real(handle, index, out)


def test_each_instance_has_its_own_memory_processes_and_activity_and_the_gaps_between_are_none() -> None:
    with rig("h100-mig") as made:
        made.node.change(
            0,
            processes=(
                GpuProcess(pid=10, memory_bytes=MIB, gpu_instance=1, compute_instance=0),
                GpuProcess(pid=20, memory_bytes=2 * MIB, gpu_instance=9, compute_instance=0),
            ),
        )
        device = made.device()
        found = made.settled(device)
        parts = instances(device)
        assert set(parts) == {"1/0", "5/0", "9/0", "10/0"}
        assert len({part.uuid for part in parts.values()}) == 4
        for name, part in parts.items():
            assert part.uuid.startswith("MIG-")
            assert name == f"{part.gpu_instance}/{part.compute_instance}"
            for signal in (*memory.SIGNALS[:2], s.GPU_MEMORY_TOTAL, *gpm.SIGNALS):
                assert found.of(signal, name), (signal.name, name)
        assert found.of(s.GPU_MEMORY_TOTAL, "9/0") == {(): 9_984 * MIB}
        assert found.of(s.GPU_PROCESS_MEMORY, "1/0") == {(("pid", "10"),): MIB}
        assert found.of(s.GPU_PROCESS_MEMORY, "5/0") == {}
        assert found.of(s.GPU_PROCESS_MEMORY, "9/0") == {(("pid", "20"),): 2 * MIB}
        assert "MIG" in dict(next(iter(found.of(s.GPU_INFO, "1/0"))))["name"]


def test_a_process_of_an_instance_is_not_told_a_second_time_under_the_gpu() -> None:
    with rig("h100-mig") as made:
        made.node.change(
            0,
            processes=(
                GpuProcess(pid=10, memory_bytes=MIB, gpu_instance=1, compute_instance=0),
                GpuProcess(pid=30, memory_bytes=3 * MIB),
            ),
        )
        assert made.ask(made.device()).of(s.GPU_PROCESS_MEMORY) == {(("pid", "30"),): 3 * MIB}


def test_where_instances_may_not_be_seen_their_processes_are_told_under_the_gpu() -> None:
    with rig("h100-mig") as made:
        made.library.refusals["nvmlDeviceGetMigMode"] = NO_PERMISSION
        made.node.change(0, processes=(GpuProcess(pid=10, memory_bytes=MIB, gpu_instance=1, compute_instance=0),))
        assert made.ask(made.device()).of(s.GPU_PROCESS_MEMORY) == {(("pid", "10"),): MIB}


def test_compute_instances_of_one_gpu_instance_are_each_told_the_whole_and_sampled_once() -> None:
    with rig("h100-mig") as made:
        real = made.node.library.nvmlDeviceGetGpuInstanceId

        def gpu_instance(handle: Any, out: Any) -> int:
            code: int = real(handle, out)
            out._obj.value = 9 if out._obj.value == 10 else out._obj.value
            return code

        def compute_instance(handle: Any, out: Any) -> int:
            code: int = real(handle, out)
            out._obj.value = int(out._obj.value == 10)
            return code

        made.library.answers |= {
            "nvmlDeviceGetGpuInstanceId": gpu_instance, "nvmlDeviceGetComputeInstanceId": compute_instance,
        }  # fmt: skip
        device = made.device()
        found = made.settled(device)
        assert set(instances(device)) == {"1/0", "5/0", "9/0", "9/1"}
        assert found.of(s.GPU_SM_ACTIVE, "9/0") == found.of(s.GPU_SM_ACTIVE, "9/1") != {}
        made.library.calls.clear()
        made.ask(device)
        assert made.library.calls.count("nvmlGpmMigSampleGet") == 3


def test_a_gpu_that_is_not_cut_has_no_instances() -> None:
    with rig("h100") as made:
        assert set(QUESTIONS) <= made.settled(made.device()).absent


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, NO_PERMISSION, None])
@pytest.mark.parametrize("function", ["nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", HANDLE])
def test_a_driver_that_does_not_tell_instances_costs_only_them(function: str, refusal: int | None) -> None:
    with rig("h100-mig") as made:
        if refusal is None:
            made.library.missing.add(function)
        else:
            made.library.refusals[function] = refusal
        found = made.settled(made.device())
        assert set(QUESTIONS) <= found.absent
        assert found.failed == set()
        assert found.of(s.GPU_POWER) == {(): 412.5}


@pytest.mark.parametrize("function", ["nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", HANDLE])
def test_a_look_that_fails_keeps_what_was_seen_before(function: str) -> None:
    with rig("h100-mig") as made:
        device = made.device()
        made.settled(device)
        made.library.refusals[function] = UNKNOWN
        found = made.ask(device)
        assert found.failed == {"mig"}
        assert found.of(s.GPU_MEMORY_TOTAL, "1/0") != {}


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN])
def test_activity_of_instances_is_a_question_of_its_own(refusal: int) -> None:
    with rig("h100-mig") as made:
        made.library.refusals["nvmlGpmMigSampleGet"] = refusal
        found = made.settled(made.device())
        assert "mig_gpm" in (found.failed if refusal == UNKNOWN else found.absent)
        assert found.of(s.GPU_SM_ACTIVE, "1/0") == {}
        assert found.of(s.GPU_SM_ACTIVE) != {}
        assert found.of(s.GPU_MEMORY_TOTAL, "1/0") != {}


def test_an_instance_that_refuses_is_left_out_and_the_others_are_told() -> None:
    with rig("h100-mig") as made:
        device = made.device()
        made.settled(device)
        real = made.node.library.nvmlDeviceGetMemoryInfo_v2
        first = True

        def info(handle: Any, record: Any) -> int:
            nonlocal first
            if _is_instance(made, handle) and first:
                first = False
                return UNKNOWN
            code: int = real(handle, record)
            return code

        made.library.answers["nvmlDeviceGetMemoryInfo_v2"] = info
        found = made.ask(device)
        assert found.failed == set()
        assert {where for signal, where, _ in found.values if signal is s.GPU_MEMORY_TOTAL} == {
            "",
            "5/0",
            "9/0",
            "10/0",
        }


def _is_instance(made: Rig, handle: Any) -> bool:
    answer = ctypes.c_uint()
    made.node.library.nvmlDeviceIsMigDeviceHandle(handle, ctypes.byref(answer))
    return bool(answer.value)


def test_instances_that_come_and_go_are_followed_and_activity_begins_anew() -> None:
    with rig("h100-mig") as made:
        made.library.answers[HANDLE] = without(made, 0)
        device = made.device()
        assert set(instances(device)) == {"5/0", "9/0", "10/0"}
        made.settled(device)
        kept = len(made.node.library.gpm_samples)
        made.library.answers.clear()
        changed = made.ask(device)
        assert set(instances(device)) == {"1/0", "5/0", "9/0", "10/0"}
        assert changed.of(s.GPU_SM_ACTIVE, "5/0") == {}
        assert made.ask(device).of(s.GPU_SM_ACTIVE, "1/0") != {}
        assert len(made.node.library.gpm_samples) == kept + 2


def test_instances_that_may_not_be_seen_any_more_are_not_asked_any_more() -> None:
    with rig("h100-mig") as made:
        device = made.device()
        made.settled(device)
        made.library.refusals["nvmlDeviceGetMigMode"] = NO_PERMISSION
        assert set(QUESTIONS) <= made.ask(device).absent


def test_all_instances_gone_is_no_failure() -> None:
    with rig("h100-mig") as made:
        device = made.device()
        made.settled(device)
        made.library.refusals[HANDLE] = 6
        found = made.ask(device)
        assert set(QUESTIONS) <= found.absent
        assert found.failed == set()
