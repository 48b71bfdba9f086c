"""Field values: numbers by their ids, several in one call."""

from __future__ import annotations

import time

import pynvml
import pytest

from atlas_ops.simulator import reasons
from atlas_ops.simulator.nvml.fields import FUNCTIONS
from atlas_ops.simulator.state import (
    EccCounts,
    LinkErrors,
    NvlinkCounters,
    PcieCounters,
    RetiredPages,
    RowRemaps,
)
from tests.simulator.binding import code

from .conftest import Part

UNSUPPORTED, INVALID = pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_INVALID_ARGUMENT
UINT, ULL, INT = (
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT,
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
    pynvml.NVML_VALUE_TYPE_SIGNED_INT,
)
MEMBERS = {UINT: "uiVal", ULL: "ullVal", INT: "siVal"}
ALL_LINKS = 0xFFFFFFFF


def values(gpu: object, *ids: int | tuple[int, int]) -> list[int | None]:
    """Return the value of each id, None for what is not supported."""
    found = []
    for entry in pynvml.nvmlDeviceGetFieldValues(gpu, list(ids)):
        assert entry.nvmlReturn in (0, UNSUPPORTED)
        found.append(None if entry.nvmlReturn else getattr(entry.value, MEMBERS[entry.valueType]))
    return found


def test_each_entry_has_its_own_code_type_and_time(part: Part) -> None:
    _, gpu = part()
    good, unknown, wrong_link, signed, counter = pynvml.nvmlDeviceGetFieldValues(gpu, [82, 999, (161, 18), 193, 83])
    assert [entry.nvmlReturn for entry in (good, unknown, wrong_link, signed)] == [0, UNSUPPORTED, INVALID, 0]
    assert [good.valueType, signed.valueType, counter.valueType] == [UINT, INT, ULL]
    assert signed.value.siVal == -8
    assert all(entry.latencyUsec > 0 for entry in (good, unknown))
    assert abs(good.timestamp / 1e6 - time.time()) < 60
    assert code(lambda: pynvml.nvmlDeviceGetFieldValues(gpu, [])) == INVALID


@pytest.mark.parametrize(
    ("driver", "counters", "settings", "unknown"),
    [
        ("535", (), (), (251, 252, 253, 269, 270, 271)),
        ("570", (), (251, 252, 253), (269, 270, 271)),
        ("575", (251, 252, 253), (269, 270, 271), ()),
        ("580.65", (251, 252, 253), (269, 270, 271), ()),
        ("580.82", (269, 270, 271), (251, 252, 253), ()),
        ("590", (269, 270, 271), (251, 252, 253), ()),
    ],
)
def test_the_throttle_counters_have_the_ids_of_the_driver(
    part: Part, driver: str, counters: tuple[int, ...], settings: tuple[int, ...], unknown: tuple[int, ...]
) -> None:
    node, gpu = part(driver=driver)
    times = reasons.NO_TIMES
    for reason, nanoseconds in ((reasons.SW_THERMAL, 1), (reasons.HW_THERMAL, 20), (reasons.HW_POWER_BRAKE, 300)):
        times = reasons.add_time(times, reason, nanoseconds)
    node.change(0, throttle_times=times)
    assert values(gpu, *counters or [75]) == ([1, 20, 300] if counters else [1])
    if settings:
        found = pynvml.nvmlDeviceGetFieldValues(gpu, list(settings))
        assert [(entry.nvmlReturn, entry.valueType, entry.value.uiVal) for entry in found] == [(0, UINT, 0)] * 3
    if unknown:
        assert values(gpu, *unknown) == [None] * len(unknown)


def test_the_old_throttle_counters_have_the_same_ids_everywhere(part: Part) -> None:
    for driver in ("535", "570", "590"):
        node, gpu = part(driver=driver)
        node.change(0, throttle_times=tuple(range(1, 10)))
        # power, thermal, sync boost, board limit, low utilisation, reliability, application clocks, base clocks
        assert values(gpu, *range(74, 82)) == [3, 6, 5, 0, 1, 0, 4, 0]


def test_fields_that_came_with_a_driver_are_unknown_to_the_one_before(part: Part) -> None:
    _, gpu = part(driver="535")
    assert values(gpu, 197, 198, 230, 94) == [None, None, None, 0]


def test_nvlink_traffic_is_told_in_kib_by_link_or_in_all(part: Part) -> None:
    node, gpu = part()
    node.change(0, nvlink=NvlinkCounters(sent_bytes=18 * 4096, received_bytes=18 * 2048))
    assert values(gpu, (138, ALL_LINKS), (139, ALL_LINKS), (138, 0), (139, 17)) == [72, 36, 4, 2]
    assert values(gpu, (140, ALL_LINKS), (141, ALL_LINKS), 90, 91) == [72, 36, 26_562, 18]


def test_nvlink_errors_are_told_in_the_way_of_every_generation(part: Part) -> None:
    node, gpu = part("a100")
    errors = NvlinkCounters(errors=(LinkErrors(link=1, replay=3, recovery=4, crc_flit=5, crc_data=6, ecc=7),
                                    LinkErrors(link=7, replay=30, recovery=40, crc_flit=50, crc_data=60, ecc=70)))  # fmt: skip
    node.change(0, nvlink=errors)
    assert values(gpu, 47, 54, 33, 40, 149) == [3, 4, 5, 6, 7]
    assert values(gpu, 109, 115, 97, 103, 155) == [30, 40, 50, 60, 70]
    assert values(gpu, 52, 59, 38, 45, 160) == [33, 44, 55, 66, 77]
    assert values(gpu, (161, 1)) == [None]
    node, gpu = part("h100")
    node.change(0, nvlink=errors)
    assert values(gpu, (161, 1), (162, 1), (163, 1), (161, 0)) == [3, 4, 11, 0]


def test_pcie_counters_are_told_and_bytes_wrap(part: Part) -> None:
    node, gpu = part()
    traffic = PcieCounters(sent_bytes=2**40 + 3, received_bytes=5, replays=6, recoveries=7, errors=tuple(range(11)))
    node.change(0, pcie=traffic)
    assert values(gpu, 197, 198, 94, 169) == [3, 5, 6, 7]
    assert values(gpu, *range(173, 184)) == list(range(11))


def test_memory_faults_are_told(part: Part) -> None:
    node, gpu = part()
    node.change(
        0,
        ecc=EccCounts(dram_corrected=5, dram_uncorrected=1, sram_corrected=7, sram_parity=2),
        rows=RowRemaps(corrected=3, uncorrected=2, pending=True),
        recovery_action=1,
    )
    assert values(gpu, 1, 3, 4, 5, 6, 11, 12) == [1, 12, 3, 12, 3, 5, 1]
    assert values(gpu, 142, 143, 144, 145, 230) == [3, 2, 1, 0, 1]
    assert values(gpu, 29, 30, 31) == [None] * 3
    node, gpu = part("t4")
    node.change(0, pages=RetiredPages(single_bit=4, double_bit=1, pending=True))
    assert values(gpu, 29, 30, 31, 142) == [4, 1, 1, None]


def test_heat_and_power_are_told(part: Part) -> None:
    node, gpu = part()
    node.change(0, power_watts=500.5, energy_joules=7.25, temperature_celsius=60.0)
    assert values(gpu, 185, 186, 187, 188, 189, 83) == [500_500, 500_500, 200_000, 700_000, 700_000, 7_250]
    assert values(gpu, 82, 193, 194, 195, 196) == [68, -8, -2, 0, 0]


def test_a_null_array_is_refused(part: Part) -> None:
    node, gpu = part()
    ((name, _),) = FUNCTIONS
    assert getattr(node.library, name)(gpu, 1, None) == INVALID
