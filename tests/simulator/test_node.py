from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pynvml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.errors import UsageError
from atlas_ops.simulator import SimulatedNode, reasons
from tests.simulator.binding import bound, code

HW_THERMAL_FIELD = 270


def counted(gpu: object) -> int:
    """The hardware's count of thermal slowdown, in nanoseconds."""
    (entry,) = pynvml.nvmlDeviceGetFieldValues(gpu, [HW_THERMAL_FIELD])
    assert entry.nvmlReturn == 0
    return int(entry.value.ullVal)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**10)), max_size=20))
def test_throttling_is_counted_to_the_nanosecond_at_any_moment(spans: list[tuple[bool, int]]) -> None:
    now = [0]
    node = SimulatedNode(driver="580.82", clock_ns=lambda: now[0])
    expected = 0
    with bound(node.library):
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        for on, nanoseconds in spans:
            node.throttle(0, reasons.HW_THERMAL if on else reasons.SW_POWER_CAP)
            half = nanoseconds // 2
            now[0] += half
            assert counted(gpu) == expected + (half if on else 0)
            now[0] += nanoseconds - half
            expected += nanoseconds if on else 0
            assert counted(gpu) == expected


def test_the_counter_of_real_time_never_runs_backwards_while_throttling_begins_and_ends() -> None:
    node = SimulatedNode(driver="580.82")
    with bound(node.library), ThreadPoolExecutor() as threads:
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        watching = threads.submit(lambda: [counted(gpu) for _ in range(3000)])
        while not watching.done():
            node.throttle(0, reasons.HW_THERMAL)
            node.throttle(0, 0)
        seen = watching.result()
    assert seen == sorted(seen)
    assert seen[-1] > 0


def test_only_the_gpu_that_is_named_changes() -> None:
    node = SimulatedNode(gpus=3)
    before = node.read()
    node.change(1, power_watts=123.0)
    assert (node.read()[0], node.read()[2]) == (before[0], before[2])
    assert node.read()[1].power_watts == 123.0
    assert len({gpu.uuid for gpu in before}) == 3


def test_a_lost_gpu_refuses_every_call_and_the_others_do_not() -> None:
    node = SimulatedNode(gpus=2)
    with bound(node.library):
        lost, other = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1))
        node.set_condition(0, "lost")
        assert code(lambda: pynvml.nvmlDeviceGetPowerUsage(lost)) == pynvml.NVML_ERROR_GPU_IS_LOST
        assert code(lambda: pynvml.nvmlDeviceGetHandleByIndex(0)) == pynvml.NVML_ERROR_GPU_IS_LOST
        assert code(lambda: pynvml.nvmlDeviceGetPowerUsage(other)) == 0
        assert pynvml.nvmlDeviceGetCount() == 2
        node.set_condition(0, "healthy")
        assert code(lambda: pynvml.nvmlDeviceGetPowerUsage(lost)) == 0


def test_a_wedged_gpu_blocks_its_calls_until_it_is_healthy() -> None:
    node = SimulatedNode(gpus=2)
    with bound(node.library), ThreadPoolExecutor() as threads:
        wedged, other = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1))
        node.set_condition(0, "wedged")
        stuck = [
            threads.submit(pynvml.nvmlDeviceGetPowerUsage, wedged),
            threads.submit(pynvml.nvmlDeviceGetHandleByIndex, 0),
        ]
        try:
            assert pynvml.nvmlDeviceGetPowerUsage(other) == 73_000
            node.change(0, power_watts=99.0)
            assert not any(call.done() for call in stuck)
        finally:
            node.set_condition(0, "healthy")  # else the threads would be waited for without end
        assert stuck[0].result() == 99_000
        assert stuck[1].result()


def test_closing_the_library_frees_what_is_stuck() -> None:
    node = SimulatedNode()
    with bound(node.library), ThreadPoolExecutor() as threads:
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        node.set_condition(0, "wedged")
        stuck = threads.submit(code, lambda: pynvml.nvmlDeviceGetPowerUsage(gpu))
        node.library.close()
        assert stuck.result() == pynvml.NVML_ERROR_UNKNOWN


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(UsageError, match="tired"):
        SimulatedNode().set_condition(0, "tired")
