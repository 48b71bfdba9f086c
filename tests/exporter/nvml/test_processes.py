"""GPU memory by process."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.nvml.device import NvmlDevice
from atlas_ops.exporter.nvml.processes import MOST_PROCESSES
from atlas_ops.simulator.state import GpuProcess

from .rig import MIB, NOT_SUPPORTED, Round, rig

GRAPHICS = ("nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2")
COMPUTE = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")


def memory(found: Round) -> dict[str, float]:
    return {dict(extra)["pid"]: size for extra, size in found.of(s.GPU_PROCESS_MEMORY).items()}


def test_an_idle_gpu_has_no_processes_and_supports_them() -> None:
    with rig() as made:
        made.node.change(0, processes=())
        found = made.ask(made.device())
        assert memory(found) == {}
        assert "processes" not in found.absent


def test_beyond_the_cap_the_smallest_are_summed_up() -> None:
    with rig() as made:
        made.node.change(
            0, processes=tuple(GpuProcess(pid=n, memory_bytes=n * MIB) for n in range(1, MOST_PROCESSES + 4))
        )
        found = memory(made.ask(made.device()))
        assert len(found) == MOST_PROCESSES + 1
        assert found["other"] == (1 + 2 + 3) * MIB
        assert "4" in found


def test_exactly_at_the_cap_nothing_is_summed_up() -> None:
    with rig() as made:
        made.node.change(0, processes=tuple(GpuProcess(pid=n, memory_bytes=MIB) for n in range(1, MOST_PROCESSES + 1)))
        assert "other" not in memory(made.ask(made.device()))


def test_a_memory_that_the_driver_does_not_tell_is_absent_but_the_process_is_known() -> None:
    with rig() as made:
        made.node.change(0, processes=(GpuProcess(pid=5, memory_bytes=None),))
        device = made.device()
        assert memory(made.ask(device)) == {}
        question = next(question for question in device.questions() if question.name == "processes")
        assert [(value.value, value.extra) for value in question.ask()] == [(None, (("pid", "5"),))]


def test_a_process_that_computes_and_draws_is_counted_once() -> None:
    with rig() as made:
        made.node.change(
            0,
            processes=(
                GpuProcess(pid=5, memory_bytes=None),
                GpuProcess(pid=5, memory_bytes=3 * MIB, graphics=True),
            ),
        )
        assert memory(made.ask(made.device())) == {"5": 3 * MIB}


@pytest.mark.parametrize(("refused", "left"), [(GRAPHICS, {"100"}), (COMPUTE, {"200"}), ((), {"100", "200"})])
def test_a_driver_that_lists_one_kind_is_asked_for_that(refused: tuple[str, ...], left: set[str]) -> None:
    with rig() as made:
        made.library.refusals |= dict.fromkeys(refused, NOT_SUPPORTED)
        assert set(memory(made.ask(made.device()))) == left


def test_a_driver_that_lists_none_supports_none() -> None:
    with rig() as made:
        made.library.refusals |= dict.fromkeys(GRAPHICS + COMPUTE, NOT_SUPPORTED)
        assert "processes" in made.ask(made.device()).absent


def longer_records(_handle: Any, count: Any, infos: Any) -> int:
    """Drivers 535.43 to 535.86: the next record's number is read from the middle of the one before."""
    if infos is None:
        count._obj.value = 2
        return 7
    count._obj.value = 2
    infos[0].pid, infos[0].usedGpuMemory, infos[0].gpuInstanceId = 100, 5 * MIB, 0xFFFFFFFF
    infos[1].pid = 0xFFFFFFFF
    return 0


def test_records_that_read_as_nonsense_are_asked_for_in_their_older_form() -> None:
    with rig() as made:
        made.library.answers[COMPUTE[0]] = longer_records
        assert set(memory(made.ask(made.device()))) == {"100", "200"}


def test_nonsense_in_every_form_is_not_told() -> None:
    with rig() as made:
        made.library.answers |= dict.fromkeys(COMPUTE, longer_records)
        assert set(memory(made.ask(made.device()))) == {"200"}


def test_a_process_without_a_number_is_left_out() -> None:
    with rig() as made:
        made.node.change(0, processes=(GpuProcess(pid=0, memory_bytes=MIB), GpuProcess(pid=7, memory_bytes=MIB)))
        device: NvmlDevice = made.device()
        assert set(memory(made.ask(device))) == {"7"}
