"""What single functions tell of a GPU, through the real binding."""

from __future__ import annotations

import ctypes

import pynvml
import pytest

from atlas_ops.simulator import reasons
from atlas_ops.simulator.state import (
    EccCounts,
    GpuProcess,
    LinkErrors,
    NvlinkCounters,
    PcieCounters,
    RetiredPages,
    RowRemaps,
)
from tests.simulator.binding import code

from .conftest import Part

UNSUPPORTED, INVALID = pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_INVALID_ARGUMENT
CORRECTED, UNCORRECTED = pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
VOLATILE = pynvml.NVML_VOLATILE_ECC


def test_ecc_errors_are_told_by_place_and_in_all(part: Part) -> None:
    node, gpu = part()
    node.change(0, ecc=EccCounts(dram_corrected=5, dram_uncorrected=1, sram_corrected=7, sram_parity=2, sram_secded=4))
    assert pynvml.nvmlDeviceGetEccMode(gpu) == [1, 1]
    assert [pynvml.nvmlDeviceGetTotalEccErrors(gpu, kind, VOLATILE) for kind in (CORRECTED, UNCORRECTED)] == [12, 7]
    places = (pynvml.NVML_MEMORY_LOCATION_DRAM, pynvml.NVML_MEMORY_LOCATION_SRAM)
    counts = [
        pynvml.nvmlDeviceGetMemoryErrorCounter(gpu, kind, VOLATILE, place)
        for kind in (CORRECTED, UNCORRECTED)
        for place in places
    ]
    assert counts == [5, 7, 1, 6]
    l1 = pynvml.NVML_MEMORY_LOCATION_L1_CACHE
    assert code(lambda: pynvml.nvmlDeviceGetMemoryErrorCounter(gpu, CORRECTED, VOLATILE, l1)) == UNSUPPORTED
    assert code(lambda: pynvml.nvmlDeviceGetTotalEccErrors(gpu, 2, VOLATILE)) == INVALID


def test_sram_errors_are_told_by_how_they_were_found(part: Part) -> None:
    node, gpu = part()
    node.change(0, ecc=EccCounts(sram_corrected=7, sram_parity=2, sram_secded=4, sram_threshold_exceeded=True))
    status = pynvml.c_nvmlEccSramErrorStatus_v1_t()
    pynvml.nvmlDeviceGetSramEccErrorStatus(gpu, ctypes.byref(status))
    assert (status.volatileCor, status.volatileUncParity, status.volatileUncSecDed) == (7, 2, 4)
    assert (status.aggregateCor, status.aggregateUncParity, status.aggregateUncSecDed) == (7, 2, 4)
    assert status.bThresholdExceeded == 1
    status.version = 7
    mismatch = pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH
    assert code(lambda: pynvml.nvmlDeviceGetSramEccErrorStatus(gpu, ctypes.byref(status))) == mismatch


def test_remapped_rows_are_told(part: Part) -> None:
    node, gpu = part()
    node.change(0, rows=RowRemaps(corrected=3, uncorrected=1, pending=True))
    assert pynvml.nvmlDeviceGetRemappedRows(gpu) == (3, 1, 1, 0)


def test_retired_pages_are_listed_by_cause(part: Part) -> None:
    node, gpu = part("t4")
    node.change(0, pages=RetiredPages(single_bit=3, double_bit=1, pending=True))
    causes = (
        pynvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS,
        pynvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR,
    )
    assert [len(set(pynvml.nvmlDeviceGetRetiredPages(gpu, cause))) for cause in causes] == [3, 1]
    assert [len(pynvml.nvmlDeviceGetRetiredPages_v2(gpu, cause)) for cause in causes] == [3, 1]
    assert pynvml.nvmlDeviceGetRetiredPagesPendingStatus(gpu) == 1
    assert code(lambda: pynvml.nvmlDeviceGetRetiredPages(gpu, 2)) == INVALID


def test_processes_are_listed_with_their_memory(part: Part) -> None:
    node, gpu = part()
    assert pynvml.nvmlDeviceGetComputeRunningProcesses(gpu) == []
    many = tuple(GpuProcess(pid=100 + number, memory_bytes=number) for number in range(20))
    node.change(0, processes=(*many, GpuProcess(pid=7, memory_bytes=None, graphics=True)))
    for ask in (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, pynvml.nvmlDeviceGetComputeRunningProcesses_v2):
        assert [(process.pid, process.usedGpuMemory) for process in ask(gpu)] == [(100 + n, n) for n in range(20)]
    (graphics,) = pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3(gpu)
    assert (graphics.pid, graphics.usedGpuMemory, graphics.gpuInstanceId) == (7, None, 0xFFFFFFFF)


def test_the_pcie_link_tells_what_it_does_and_what_it_could(part: Part) -> None:
    node, gpu = part("a100")
    asks = (
        pynvml.nvmlDeviceGetCurrPcieLinkGeneration,
        pynvml.nvmlDeviceGetCurrPcieLinkWidth,
        pynvml.nvmlDeviceGetMaxPcieLinkGeneration,
        pynvml.nvmlDeviceGetMaxPcieLinkWidth,
        pynvml.nvmlDeviceGetPcieReplayCounter,
    )
    assert [ask(gpu) for ask in asks] == [4, 16, 4, 16, 0]
    node.change(0, pcie=PcieCounters(generation=1, width=8, replays=9))
    assert [ask(gpu) for ask in asks] == [1, 8, 4, 16, 9]


def test_nvlinks_tell_their_state_and_their_errors(part: Part) -> None:
    node, gpu = part()
    node.change(0, nvlink=NvlinkCounters(down=(4,), errors=(LinkErrors(link=2, replay=6, crc_data=1),)))
    assert [pynvml.nvmlDeviceGetNvLinkState(gpu, link) for link in (3, 4, 17)] == [1, 0, 1]
    kinds = (pynvml.NVML_NVLINK_ERROR_DL_REPLAY, pynvml.NVML_NVLINK_ERROR_DL_CRC_DATA)
    assert [pynvml.nvmlDeviceGetNvLinkErrorCounter(gpu, 2, kind) for kind in kinds] == [6, 1]
    assert [pynvml.nvmlDeviceGetNvLinkErrorCounter(gpu, 3, kind) for kind in kinds] == [0, 0]
    assert code(lambda: pynvml.nvmlDeviceGetNvLinkState(gpu, 18)) == INVALID
    assert code(lambda: pynvml.nvmlDeviceGetNvLinkErrorCounter(gpu, 2, 5)) == INVALID


def test_fans_turn_where_there_are_some(part: Part) -> None:
    node, gpu = part("rtx4080s")
    node.change(0, fan_ratio=0.5)
    assert pynvml.nvmlDeviceGetNumFans(gpu) == 2
    assert [pynvml.nvmlDeviceGetFanSpeed(gpu), pynvml.nvmlDeviceGetFanSpeed_v2(gpu, 1)] == [50, 50]
    assert pynvml.nvmlDeviceGetFanSpeedRPM(gpu) == 1800
    assert code(lambda: pynvml.nvmlDeviceGetFanSpeed_v2(gpu, 2)) == INVALID


def test_encoders_and_decoders_tell_their_share(part: Part) -> None:
    node, gpu = part()
    node.change(0, encoder_ratio=0.25, decoder_ratio=0.75)
    assert pynvml.nvmlDeviceGetEncoderUtilization(gpu)[0] == 25
    assert pynvml.nvmlDeviceGetDecoderUtilization(gpu)[0] == 75


def test_power_limits_are_those_of_the_part(part: Part) -> None:
    _, gpu = part("l4")
    assert pynvml.nvmlDeviceGetPowerManagementDefaultLimit(gpu) == 72_000
    assert pynvml.nvmlDeviceGetPowerManagementLimitConstraints(gpu) == [40_000, 72_000]


def test_the_clocks_of_every_domain_are_told(part: Part) -> None:
    node, gpu = part()
    node.change(0, sm_clock_mhz=990)
    domains = (pynvml.NVML_CLOCK_GRAPHICS, pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM, pynvml.NVML_CLOCK_VIDEO)
    assert [pynvml.nvmlDeviceGetMaxClockInfo(gpu, domain) for domain in domains] == [1980, 1980, 2619, 1545]
    assert [pynvml.nvmlDeviceGetClockInfo(gpu, domain) for domain in domains] == [990, 990, 2619, 772]
    assert code(lambda: pynvml.nvmlDeviceGetClockInfo(gpu, 4)) == INVALID


def test_violations_are_the_times_of_the_throttle_reasons(part: Part) -> None:
    node, gpu = part()
    times = reasons.add_time(reasons.NO_TIMES, reasons.SW_POWER_CAP, 5_000)
    node.change(0, throttle_times=reasons.add_time(times, reasons.SW_THERMAL | reasons.HW_THERMAL, 70))
    policies = (
        pynvml.NVML_PERF_POLICY_POWER,
        pynvml.NVML_PERF_POLICY_THERMAL,
        pynvml.NVML_PERF_POLICY_SYNC_BOOST,
        pynvml.NVML_PERF_POLICY_TOTAL_BASE_CLOCKS,
    )
    found = [pynvml.nvmlDeviceGetViolationStatus(gpu, policy) for policy in policies]
    assert [status.violationTime for status in found] == [5_000, 70, 0, 0]
    assert found[0].referenceTime > 0
    assert code(lambda: pynvml.nvmlDeviceGetViolationStatus(gpu, 6)) == INVALID


@pytest.mark.parametrize(
    ("profile", "architecture", "capability"),
    [
        ("t4", pynvml.NVML_DEVICE_ARCH_TURING, (7, 5)),
        ("a100", pynvml.NVML_DEVICE_ARCH_AMPERE, (8, 0)),
        ("l40s", pynvml.NVML_DEVICE_ARCH_ADA, (8, 9)),
        ("h200", pynvml.NVML_DEVICE_ARCH_HOPPER, (9, 0)),
    ],
)
def test_a_part_tells_its_architecture(
    part: Part, profile: str, architecture: int, capability: tuple[int, int]
) -> None:
    _, gpu = part(profile)
    assert pynvml.nvmlDeviceGetArchitecture(gpu) == architecture
    assert pynvml.nvmlDeviceGetCudaComputeCapability(gpu) == capability
