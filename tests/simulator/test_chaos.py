from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pynvml
import pytest

from atlas_ops.simulator import SimulatedNode
from atlas_ops.simulator.chaos import Chaos, functions
from atlas_ops.simulator.nvml.library import all_functions
from atlas_ops.simulator.state import GpuProcess
from tests.simulator.binding import bound, code

POWER, CLOCK = "nvmlDeviceGetPowerUsage", "nvmlDeviceGetClockInfo"
HANG_SECONDS = 20
LOST, UNSUPPORTED, NOT_FOUND = (
    pynvml.NVML_ERROR_GPU_IS_LOST,
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
)


def power(gpu: object) -> Callable[[], object]:
    return lambda: pynvml.nvmlDeviceGetPowerUsage(gpu)


@pytest.fixture
def chaos() -> Chaos:
    return Chaos(SimulatedNode("h100-mig", driver="580.82", gpus=2).library)


def test_without_rules_everything_is_as_without_it(chaos: Chaos) -> None:
    with bound(chaos):
        assert pynvml.nvmlDeviceGetCount() == 2
        assert pynvml.nvmlDeviceGetPowerUsage(pynvml.nvmlDeviceGetHandleByIndex(1)) == 73_000
        assert pynvml.nvmlErrorString(LOST) == "GPU is lost"


def test_a_function_refuses_for_all_gpus_or_for_one(chaos: Chaos) -> None:
    with bound(chaos):
        first, second = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1))
        chaos.refuse(POWER, 999, gpu=1)
        assert [code(power(gpu)) for gpu in (first, second)] == [0, 999]
        chaos.refuse(POWER, UNSUPPORTED)
        assert [code(power(gpu)) for gpu in (first, second)] == [UNSUPPORTED, 999]
        assert code(lambda: pynvml.nvmlDeviceGetClockInfo(second, 0)) == 0
        chaos.heal(POWER, gpu=1)
        assert code(power(second)) == UNSUPPORTED
        chaos.heal(POWER)
        assert code(power(first)) == 0


def test_functions_without_a_gpu_can_be_refused(chaos: Chaos) -> None:
    with bound(chaos):
        chaos.refuse("nvmlEventSetCreate", 999)
        chaos.refuse("nvmlSystemGetDriverVersion", 999)
        assert code(pynvml.nvmlEventSetCreate) == 999
        assert code(pynvml.nvmlSystemGetDriverVersion) == 999


def test_a_call_hangs_until_it_is_released_and_then_answers(chaos: Chaos) -> None:
    with bound(chaos), ThreadPoolExecutor() as threads:
        first, second = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1))
        hang = chaos.hang(POWER, gpu=1)
        assert code(power(first)) == 0
        assert not hang.hung.is_set()
        stuck = threads.submit(pynvml.nvmlDeviceGetPowerUsage, second)
        assert hang.hung.wait(HANG_SECONDS)
        assert code(lambda: pynvml.nvmlDeviceGetClockInfo(second, 0)) == 0
        assert not stuck.done()
        hang.release()
        assert stuck.result() == 73_000
        assert code(power(second)) == 0


@pytest.mark.parametrize(
    "mend",
    [
        lambda chaos: chaos.release(),
        lambda chaos: chaos.heal(gpu=1),
        lambda chaos: chaos.lose(1),
    ],
)
def test_a_wedged_gpu_hangs_in_every_call_until_its_rule_goes(chaos: Chaos, mend: Callable[[Chaos], None]) -> None:
    with bound(chaos), ThreadPoolExecutor() as threads:
        first, second = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1))
        instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(second, 0)
        hang = chaos.wedge(1)
        asks: tuple[Callable[[], object], ...] = (
            power(second),
            lambda: pynvml.nvmlDeviceGetName(instance),
            lambda: pynvml.nvmlDeviceGetHandleByIndex(1),
        )
        for ask in asks:
            hang.hung.clear()
            threads.submit(ask)
            assert hang.hung.wait(HANG_SECONDS)
        assert code(power(first)) == 0
        mend(chaos)
    assert hang.hung.is_set()


def test_a_lost_gpu_says_so_in_every_call(chaos: Chaos) -> None:
    with bound(chaos):
        first, second = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1))
        instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(second, 0)
        parent = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)
        chaos.refuse(POWER, UNSUPPORTED, gpu=1)  # comes after the whole GPU
        chaos.lose(1)
        for gpu in (second, instance, parent):
            assert code(lambda gpu=gpu: pynvml.nvmlDeviceGetName(gpu)) == LOST  # type: ignore[misc]
        assert code(power(second)) == LOST
        assert code(lambda: pynvml.nvmlDeviceGetHandleByIndex(1)) == LOST
        assert code(power(first)) == 0
        chaos.heal(gpu=1)
        assert code(power(second)) == UNSUPPORTED


def test_an_absent_function_is_not_found_before_and_after_it_was_looked_up(chaos: Chaos) -> None:
    with bound(chaos):
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        chaos.absent(POWER)
        assert not hasattr(chaos, POWER)
        assert POWER not in functions(chaos)
        assert code(power(gpu)) == NOT_FOUND
        assert pynvml.nvmlDeviceGetClockInfo(gpu, 0) == 1980
        chaos.absent(CLOCK)
        assert code(lambda: pynvml.nvmlDeviceGetClockInfo(gpu, 0)) == NOT_FOUND
        chaos.heal(CLOCK)
        assert code(lambda: pynvml.nvmlDeviceGetClockInfo(gpu, 0)) == 0
        chaos.release()
        assert code(power(gpu)) == 0


def test_garbage_is_written_where_numbers_and_texts_go_and_nowhere_else() -> None:
    node = SimulatedNode(driver="580.82")
    node.change(0, processes=(GpuProcess(pid=1, memory_bytes=1), GpuProcess(pid=2, memory_bytes=2)))
    chaos = Chaos(node.library)
    with bound(chaos):
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        for name in functions(chaos):
            chaos.garble(name)
        assert pynvml.nvmlDeviceGetPowerUsage(gpu) == 0xA5A5A5A5
        with pytest.raises(UnicodeDecodeError):
            pynvml.nvmlDeviceGetName(gpu)
        assert pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu == 0xA5A5A5A5
        found = pynvml.nvmlDeviceGetComputeRunningProcesses(gpu)
        assert [process.pid for process in found] == [0xA5A5A5A5] * 2
        (field,) = pynvml.nvmlDeviceGetFieldValues(gpu, [83])
        assert (field.nvmlReturn, field.fieldId, field.value.ullVal) == (0, 83, 0xA5A5A5A5A5A5A5A5)
        assert code(lambda: pynvml.nvmlDeviceGetFanSpeed(gpu)) == UNSUPPORTED, "a refusal is no answer to lie about"
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        assert ctypes.cast(handle, ctypes.c_void_p).value == ctypes.cast(gpu, ctypes.c_void_p).value


def test_garbage_leaves_the_pointers_inside_of_records() -> None:
    chaos = Chaos(SimulatedNode(driver="580.82").library)
    with bound(chaos):
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        request = pynvml.c_nvmlGpmMetricsGet_t(version=1, numMetrics=1)
        request.sample1, request.sample2 = pynvml.nvmlGpmSampleAlloc(), pynvml.nvmlGpmSampleAlloc()
        request.metrics[0].metricId = 2
        chaos.garble("nvmlGpmMetricsGet")
        for sample in (request.sample1, request.sample2):
            pynvml.nvmlGpmSampleGet(gpu, sample)
        pynvml.nvmlGpmMetricsGet(request)
        assert request.metrics[0].metricInfo.shortName == b"SM Activity"
        assert 0 < abs(request.metrics[0].value) < 1e-100
        assert code(lambda: pynvml.nvmlGpmSampleFree(request.sample1)) == 0


@pytest.mark.parametrize("driver", ["535", "580.82"])
def test_the_functions_of_the_simulator_are_named_exactly(driver: str) -> None:
    library = SimulatedNode(driver=driver).library
    named = functions(library)
    assert named == functions(Chaos(library))
    assert named == {name for name in all_functions() if hasattr(library, name)}
    assert all(callable(getattr(library, name)) for name in named)
    assert (named == all_functions()) is (driver == "580.82")


def test_it_stands_around_a_library_of_c_too() -> None:
    chaos = Chaos(ctypes.CDLL(None))
    assert functions(chaos) == frozenset()
    with pytest.raises(AttributeError):
        chaos.nvmlInit_v2  # noqa: B018 - looking it up is the test
    wrapped = Chaos(_Renamed(ctypes.CDLL(None)))
    wrapped.nvmlDeviceGetPowerUsage.restype = ctypes.c_char_p
    assert wrapped.nvmlDeviceGetPowerUsage(0) == b"Success"
    wrapped.refuse(POWER, 3)
    assert wrapped.nvmlDeviceGetPowerUsage(0) == 3


class _Renamed:
    """A real C function, the C library's `strerror`, under a name of NVML's."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.nvmlDeviceGetPowerUsage = library.strerror


def test_what_is_not_of_c_is_passed_through(chaos: Chaos) -> None:
    assert len(chaos.event_sets) == 0
    chaos.close()
