"""The stand-in for NVIDIA's library under the real binding, nvidia-ml-py."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pynvml
import pytest

from atlas_ops.errors import AtlasError
from atlas_ops.simulator import Fleet, NvmlLibrary, reasons, scenario_by_name
from atlas_ops.simulator.state import GpuState

Read = Callable[[], tuple[GpuState, ...]]


@pytest.fixture
def install() -> Iterator[Callable[[Read], None]]:
    """Return a function that puts a library under the binding; everything is put back at the end."""
    before = pynvml.nvmlLib

    def put(read: Read) -> None:
        pynvml.nvmlLib = NvmlLibrary(read)
        pynvml._nvmlGetFunctionPointer_cache.clear()
        pynvml.nvmlInit()

    yield put
    pynvml.nvmlLib = before
    pynvml._nvmlGetFunctionPointer_cache.clear()
    pynvml._nvmlLib_refcount = 0


@pytest.fixture
def fleet(install: Callable[[Read], None]) -> Fleet:
    fleet = Fleet(scenario=scenario_by_name("thermal_throttling"))
    fleet.advance(10)
    install(fleet.gpus)
    return fleet


@pytest.fixture
def handle(fleet: Fleet) -> object:
    return pynvml.nvmlDeviceGetHandleByIndex(1)


def test_the_library_tells_its_versions_and_counts_its_gpus(fleet: Fleet) -> None:
    assert pynvml.nvmlSystemGetDriverVersion() == "570.124.06"
    assert pynvml.nvmlSystemGetNVMLVersion() == "12.570.124.06"
    assert pynvml.nvmlDeviceGetCount() == len(fleet.gpus()) == 2


def test_a_gpu_has_an_identity(fleet: Fleet, handle: object) -> None:
    assert pynvml.nvmlDeviceGetName(handle) == "NVIDIA H100 80GB HBM3"
    assert pynvml.nvmlDeviceGetUUID(handle) == fleet.gpus()[1].uuid
    assert pynvml.nvmlDeviceGetMinorNumber(handle) == 1
    assert pynvml.nvmlDeviceGetIndex(handle) == 1
    assert pynvml.nvmlDeviceGetPciInfo(handle).busId == "00000000:11:00.0"
    assert pynvml.nvmlDeviceGetPciInfo(handle).busIdLegacy == "0000:11:00.0"


def test_memory_adds_up_in_both_versions(fleet: Fleet, handle: object) -> None:
    new, old = pynvml.nvmlDeviceGetMemoryInfo(handle, pynvml.nvmlMemory_v2), pynvml.nvmlDeviceGetMemoryInfo(handle)
    assert new.total == old.total == new.used + new.free + new.reserved == 81_559 * 2**20
    assert new.used == fleet.gpus()[1].memory_used_bytes
    assert old.used == new.used + new.reserved
    assert old.free == new.free


def test_what_the_gpu_does_is_what_the_fleet_does(fleet: Fleet, handle: object) -> None:
    state = fleet.gpus()[1]
    rates = pynvml.nvmlDeviceGetUtilizationRates(handle)
    assert rates.gpu == round(100 * state.utilization_ratio) > 0
    assert rates.memory == round(100 * state.memory_utilization_ratio) > 0
    assert pynvml.nvmlDeviceGetPowerUsage(handle) == round(1000 * state.power_watts)
    assert pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) == round(1000 * state.energy_joules)
    assert pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) == 700_000
    assert pynvml.nvmlDeviceGetPowerManagementLimit(handle) == 700_000
    assert pynvml.nvmlDeviceGetPerformanceState(handle) == pynvml.NVML_PSTATE_0


def test_temperatures_come_in_the_old_and_in_the_new_way(fleet: Fleet, handle: object) -> None:
    celsius = round(fleet.gpus()[1].temperature_celsius)
    assert pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU) == celsius
    assert pynvml.nvmlDeviceGetTemperatureV(handle, pynvml.NVML_TEMPERATURE_GPU) == celsius
    assert pynvml.nvmlDeviceGetMarginTemperature(handle) == pytest.approx(87 - celsius, abs=1)
    thresholds = (
        pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN,
        pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN,
        pynvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX,
    )
    assert [pynvml.nvmlDeviceGetTemperatureThreshold(handle, which) for which in thresholds] == [95, 89, 87]


def test_clocks_and_their_reasons_change_when_the_gpu_overheats(fleet: Fleet) -> None:
    hot = pynvml.nvmlDeviceGetHandleByIndex(0)
    clocks = (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_GRAPHICS, pynvml.NVML_CLOCK_MEM)
    assert [pynvml.nvmlDeviceGetMaxClockInfo(hot, clock) for clock in clocks] == [1980, 1980, 2619]
    assert pynvml.nvmlDeviceGetCurrentClocksEventReasons(hot) & reasons.HW_THERMAL == 0
    fleet.set_fault(active=True)
    fleet.advance(20)
    assert pynvml.nvmlDeviceGetClockInfo(hot, pynvml.NVML_CLOCK_SM) == fleet.gpus()[0].sm_clock_mhz < 1200
    assert pynvml.nvmlDeviceGetClockInfo(hot, pynvml.NVML_CLOCK_MEM) == 2619
    for ask in (pynvml.nvmlDeviceGetCurrentClocksEventReasons, pynvml.nvmlDeviceGetCurrentClocksThrottleReasons):
        assert ask(hot) & pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
        assert ask(hot) & pynvml.nvmlClocksThrottleReasonHwSlowdown
    for ask in (pynvml.nvmlDeviceGetSupportedClocksEventReasons, pynvml.nvmlDeviceGetSupportedClocksThrottleReasons):
        assert ask(hot) == 0x1FF
    assert pynvml.nvmlDeviceGetMarginTemperature(hot) < 0


def test_what_the_part_does_not_have_is_not_supported(handle: object) -> None:
    questions: tuple[Callable[[], object], ...] = (
        lambda: pynvml.nvmlDeviceGetFanSpeed(handle),
        lambda: pynvml.nvmlDeviceGetSerial(handle),
        lambda: pynvml.nvmlDeviceGetTemperatureThreshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX),
    )
    for ask in questions:
        with pytest.raises(pynvml.NVMLError_NotSupported):
            ask()


def test_what_the_library_does_not_have_is_a_missing_function(handle: object) -> None:
    with pytest.raises(pynvml.NVMLError_FunctionNotFound):
        pynvml.nvmlDeviceGetRemappedRows_v2(handle, pynvml.c_nvmlRemappedRowsInfo_v2_t())  # a function of driver 610


def test_wrong_arguments_are_refused(handle: object) -> None:
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceGetHandleByIndex(2)
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceGetTemperature(handle, 7)
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceGetName(pynvml.c_nvmlDevice_t())


def test_nothing_works_before_init_and_after_shutdown(handle: object) -> None:
    pynvml.nvmlShutdown()
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetName(handle)
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlShutdown()
    pynvml.nvmlInit()
    assert pynvml.nvmlDeviceGetName(handle)


def test_errors_have_texts(fleet: Fleet) -> None:
    assert pynvml.nvmlErrorString(pynvml.NVML_ERROR_GPU_IS_LOST) == "GPU is lost"
    assert pynvml.nvmlErrorString(pynvml.NVML_ERROR_UNKNOWN) == "Unknown Error"


def test_gpus_that_cannot_be_read_are_lost_but_still_count(install: Callable[[Read], None]) -> None:
    fleet, alive = Fleet(), True

    def read() -> tuple[GpuState, ...]:
        if not alive:
            raise AtlasError("gone")
        return fleet.gpus()

    install(read)
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    alive = False
    for ask in (pynvml.nvmlDeviceGetPowerUsage, pynvml.nvmlDeviceGetUUID, pynvml.nvmlDeviceGetFanSpeed):
        with pytest.raises(pynvml.NVMLError_GpuIsLost):
            ask(handle)
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        pynvml.nvmlDeviceGetHandleByIndex(0)
    assert pynvml.nvmlDeviceGetCount() == 2
    alive = True
    assert pynvml.nvmlDeviceGetPowerUsage(handle) > 0


def test_a_library_that_never_saw_a_gpu_has_none_to_count(install: Callable[[Read], None]) -> None:
    def read() -> tuple[GpuState, ...]:
        raise AtlasError("never there")

    install(read)
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        pynvml.nvmlDeviceGetCount()
