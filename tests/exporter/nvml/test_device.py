"""What NVML's answers and refusals become, through the real binding on the simulator's library."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.backend import GpuIdentity, GpuLost, GpuUnavailable
from atlas_ops.exporter.gpu.throttle import EVERY_REASON
from atlas_ops.exporter.samples import Labels, labels
from atlas_ops.simulator.nvml.heat import MEMORY_ABOVE_CORE_KELVIN

from .rig import GIB, KIB, MIB, NOT_SUPPORTED, UNKNOWN, rig

BY_FIELD = frozenset(
    {
        s.GPU_NVLINK_TX, s.GPU_NVLINK_RX, s.GPU_NVLINK_ERRORS, s.GPU_PCIE_TX, s.GPU_PCIE_RX, s.GPU_RECOVERY_ACTION,
        s.GPU_RETIRED_PAGES,
    }
)  # fmt: skip


FACTS = labels(name="NVIDIA H100 80GB HBM3", driver_version="580.82.07", pci_bus_id="00000000:10:00.0", minor="0")
EXPECTED: dict[tuple[Signal, Labels], Any] = {
    (s.GPU_INFO, FACTS): 1,
    (s.GPU_TEMPERATURE, (("sensor", "gpu"),)): 61,
    (s.GPU_TEMPERATURE, (("sensor", "memory"),)): 61 + MEMORY_ABOVE_CORE_KELVIN,
    (s.GPU_TEMPERATURE_MARGIN, ()): 26,
    (s.GPU_POWER, ()): 412.5,
    (s.GPU_POWER_LIMIT, ()): 700,
    (s.GPU_ENERGY, ()): 9000.25,
    (s.GPU_CLOCK, (("domain", "graphics"),)): 1755e6,
    (s.GPU_CLOCK, (("domain", "sm"),)): 1755e6,
    (s.GPU_CLOCK, (("domain", "memory"),)): 2619e6,
    (s.GPU_CLOCK, (("domain", "video"),)): 1369e6,
    (s.GPU_CLOCK_MAX, (("domain", "graphics"),)): 1980e6,
    (s.GPU_CLOCK_MAX, (("domain", "sm"),)): 1980e6,
    (s.GPU_CLOCK_MAX, (("domain", "memory"),)): 2619e6,
    (s.GPU_CLOCK_MAX, (("domain", "video"),)): 1545e6,
    (s.GPU_UTILIZATION, ()): 0.8,
    (s.GPU_MEMORY_UTILIZATION, ()): 0.25,
    (s.GPU_ENCODER_UTILIZATION, ()): 0.1,
    (s.GPU_DECODER_UTILIZATION, ()): 0.2,
    (s.GPU_PCIE_REPLAYS, ()): 9,
    (s.GPU_PCIE_GENERATION, ()): 3,
    (s.GPU_PCIE_WIDTH, ()): 8,
    (s.GPU_PCIE_GENERATION_MAX, ()): 5,
    (s.GPU_PCIE_WIDTH_MAX, ()): 16,
    (s.GPU_MEMORY_USED, ()): 30 * GIB,
    (s.GPU_MEMORY_FREE, ()): (81_559 - 480) * MIB - 30 * GIB,
    (s.GPU_MEMORY_RESERVED, ()): 480 * MIB,
    (s.GPU_MEMORY_TOTAL, ()): 81_559 * MIB,
    (s.GPU_SM_ACTIVE, ()): pytest.approx(0.95 * 0.8),
    (s.GPU_SM_OCCUPANCY, ()): pytest.approx(0.35 * 0.8),
    (s.GPU_TENSOR_ACTIVE, ()): pytest.approx(0.55),
    (s.GPU_DRAM_ACTIVE, ()): pytest.approx(0.25),
    (s.GPU_PCIE_TX_RATE, ()): pytest.approx(2 * MIB),
    (s.GPU_PCIE_RX_RATE, ()): pytest.approx(MIB),
    (s.GPU_NVLINK_TX_RATE, ()): pytest.approx(4 * MIB),
    (s.GPU_NVLINK_RX_RATE, ()): pytest.approx(8 * MIB),
    (s.GPU_NVLINK_TX, ()): 64 * KIB + 4 * MIB,
    (s.GPU_NVLINK_RX, ()): 128 * KIB + 8 * MIB,
    **{
        (s.GPU_NVLINK_ERRORS, (("type", kind), ("link", str(link)))): count if link == 0 else 0
        for kind, count in (("replay", 1), ("recovery", 2), ("crc", 7))
        for link in range(18)
    },
    (s.GPU_PCIE_TX, ()): 2 * MIB,
    (s.GPU_PCIE_RX, ()): MIB,
    (s.GPU_ECC_ERRORS, (("type", "corrected"), ("location", "dram"))): 3,
    (s.GPU_ECC_ERRORS, (("type", "uncorrected"), ("location", "dram"))): 1,
    (s.GPU_ECC_ERRORS, (("type", "corrected"), ("location", "sram"))): 5,
    (s.GPU_ECC_ERRORS, (("type", "uncorrected"), ("location", "sram_l2"))): 4,
    (s.GPU_ECC_ERRORS, (("type", "uncorrected"), ("location", "sram_sm"))): 2,
    (s.GPU_ECC_ERRORS, (("type", "uncorrected"), ("location", "sram_pcie"))): 0,
    (s.GPU_ECC_ERRORS, (("type", "uncorrected"), ("location", "sram_microcontroller"))): 0,
    (s.GPU_ECC_ERRORS, (("type", "uncorrected"), ("location", "sram_other"))): 0,
    (s.GPU_REMAPPED_ROWS, (("type", "correctable"),)): 7,
    (s.GPU_REMAPPED_ROWS, (("type", "uncorrectable"),)): 8,
    (s.GPU_ROW_REMAP_PENDING, ()): 1,
    (s.GPU_ROW_REMAP_FAILURE, ()): 0,
    (s.GPU_RECOVERY_ACTION, ()): 1,
    (s.GPU_PROCESS_MEMORY, (("pid", "100"),)): 20 * GIB,
    (s.GPU_PROCESS_MEMORY, (("pid", "200"),)): 10 * GIB,
}
"""Everything that an H100 with the rig's readings tells; meanwhile it sent and received over PCIe (2 and 1 MiB) and NVLink (4 and 8)."""


def test_a_gpu_says_who_it_is() -> None:
    with rig() as made:
        identity = made.backend.open()[0].identify()
        assert identity == GpuIdentity(index=0, uuid=made.node.read()[0].uuid)


def test_the_units_of_the_driver_become_base_units() -> None:
    with rig() as made:
        device = made.device()
        made.ask(device)
        before = made.node.read()[0]
        made.node.change(
            0,
            pcie=replace(before.pcie, sent_bytes=1000 + 2 * MIB, received_bytes=2000 + MIB),
            nvlink=replace(before.nvlink, sent_bytes=64 * KIB + 4 * MIB, received_bytes=128 * KIB + 8 * MIB),
        )
        found = made.ask(device)
        assert {(signal, extra): value for (signal, _, extra), value in found.values.items()} == EXPECTED
        assert found.failed == set()
        assert found.not_given == set()
        lacking = {"nvmlDeviceGetFanSpeed", "retired_pages", "mig", "mig_memory", "mig_processes", "mig_gpm"}
        assert found.absent == lacking


def test_an_older_part_with_an_older_driver_tells_what_it_has() -> None:
    with rig("a100", "535") as made:
        found = made.settled(made.device())
        assert found.failed == set()
        assert found.of(s.GPU_TEMPERATURE_MARGIN) == {(): 89 - 61}
        assert found.of(s.GPU_NVLINK_ERRORS) == {
            (("type", kind), ("link", str(link))): count if link == 0 else 0
            for kind, count in (("replay", 1), ("recovery", 2), ("crc_flit", 3), ("crc_data", 4))
            for link in range(12)
        }
        assert found.of(s.GPU_ECC_ERRORS)[(("type", "uncorrected"), ("location", "sram"))] == 6
        assert {"gpm", "pcie_traffic", "recovery_action"} <= found.absent


def test_a_part_before_ampere_tells_retired_pages_and_every_cache_by_itself() -> None:
    def count(_handle: Any, kind: Any, counter: Any, location: Any, out: Any) -> int:
        since_the_boot, sram = counter.value == 0, location.value == 7
        out._obj.value = 10 * location.value + kind.value + 1000 * since_the_boot
        return NOT_SUPPORTED if sram else 0

    with rig("t4", "535") as made:
        made.library.answers["nvmlDeviceGetMemoryErrorCounter"] = count
        found = made.ask(made.device())
        assert found.of(s.GPU_RETIRED_PAGES) == {(("cause", "single_bit"),): 11, (("cause", "double_bit"),): 12}
        uncorrected = {
            dict(e)["location"]: v for e, v in found.of(s.GPU_ECC_ERRORS).items() if ("type", "uncorrected") in e
        }
        assert uncorrected == {
            "dram": 21, "l1": 1, "l2": 11, "registers": 31, "texture": 41, "texture_shared": 51, "cbu": 61,
        }  # fmt: skip


def test_an_sram_error_that_no_source_accounts_for_is_not_lost() -> None:
    l2 = 3

    def status(_handle: Any, record: Any) -> int:
        found = record._obj
        found.aggregateUncParity, found.aggregateUncSecDed, found.aggregateUncBucketL2 = 2, 5, l2
        return 0

    with rig() as made:
        made.library.answers["nvmlDeviceGetSramEccErrorStatus"] = status
        device = made.device()
        found = made.ask(device).of(s.GPU_ECC_ERRORS)
        assert found[(("type", "uncorrected"), ("location", "sram_l2"))] == 3
        assert found[(("type", "uncorrected"), ("location", "sram_other"))] == 4
        l2 = 6
        found = made.ask(device).of(s.GPU_ECC_ERRORS)
        assert found[(("type", "uncorrected"), ("location", "sram_other"))] == 4, "a counter does not fall"


def test_a_value_by_which_the_driver_says_that_it_has_none_is_not_told() -> None:
    def milliwatts(_handle: Any, out: Any) -> int:
        out._obj.value = 2**32 - 1
        return 0

    def rates(_handle: Any, out: Any) -> int:
        out._obj.gpu = out._obj.memory = 2**32 - 1
        return 0

    with rig() as made:
        made.library.answers |= {"nvmlDeviceGetPowerUsage": milliwatts, "nvmlDeviceGetUtilizationRates": rates}
        found = made.ask(made.device())
        assert not {s.GPU_POWER, s.GPU_UTILIZATION, s.GPU_MEMORY_UTILIZATION} & found.signals()
        assert {"nvmlDeviceGetPowerUsage", "utilization"} <= found.absent


def test_a_margin_is_not_made_up_for_a_part_whose_margin_is_no_constant_less_the_temperature() -> None:
    with rig("h100") as hopper, rig("a100") as ampere:
        for made in (hopper, ampere):
            made.library.missing.add("nvmlDeviceGetMarginTemperature")
        assert s.GPU_TEMPERATURE_MARGIN not in hopper.ask(hopper.device()).signals()
    with rig("a100") as ampere:
        ampere.library.missing.add("nvmlDeviceGetMarginTemperature")
        assert s.GPU_TEMPERATURE_MARGIN in ampere.ask(ampere.device()).signals()


def test_a_board_with_a_fan_and_little_else() -> None:
    with rig("rtx4080s") as made:
        found = made.settled(made.device())
        assert found.of(s.GPU_FAN) == {(): 0.35}
        assert found.failed == set()
        assert {"ecc", "remapped_rows", "nvlink_traffic", "nvlink_errors", "gpm", "memory_temperature"} <= found.absent


# --- loss -------------------------------------------------------------------------------------------------------------


def test_a_lost_gpu_is_lost_to_every_question() -> None:
    with rig() as made:
        device = made.device()
        made.settled(device)
        made.node.set_condition(0, "lost")
        for question in device.questions():
            if question.name not in ("info", "mig_memory", "mig_processes", "mig_gpm"):
                with pytest.raises(GpuLost):
                    tuple(question.ask())
        with pytest.raises(GpuLost):
            device.throttle_bits()


@pytest.mark.parametrize("code", [1, 9, 18])
def test_a_driver_that_went_away_is_told_apart_from_a_lost_gpu(code: int) -> None:
    with rig() as made:
        device = made.device()
        made.library.refusals["nvmlDeviceGetCurrentClocksEventReasons"] = code
        with pytest.raises(GpuUnavailable):
            device.throttle_bits()


def test_a_gpu_that_comes_back_is_asked_by_its_new_handle_and_its_activity_begins_anew() -> None:
    with rig() as made:
        device = made.device()
        made.settled(device)
        made.node.set_condition(0, "lost")
        with pytest.raises(GpuLost):
            device.identify()
        made.node.set_condition(0, "healthy")
        device.identify()
        again = made.ask(device)
        assert again.of(s.GPU_POWER) == {(): 412.5}
        assert again.of(s.GPU_SM_ACTIVE) == {}
        assert made.ask(device).of(s.GPU_SM_ACTIVE) != {}


# --- throttle reasons -------------------------------------------------------------------------------------------------


def test_only_reasons_that_are_words_of_the_contract_are_possible() -> None:
    def possible(_handle: Any, out: Any) -> int:
        out._obj.value = 0x40 | 0x4 | 0x200
        return 0

    with rig() as made:
        made.library.answers["nvmlDeviceGetSupportedClocksEventReasons"] = possible
        assert made.device().throttle_mask() == 0x44


def test_throttle_bits_come_by_their_old_name_from_an_old_driver() -> None:
    with rig() as made:
        made.library.missing |= {
            "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetSupportedClocksEventReasons",
        }  # fmt: skip
        device = made.device()
        made.node.throttle(0, 0x28)
        assert device.throttle_bits() == 0x28
        assert device.throttle_mask() & 0x28 == 0x28
        assert "nvmlDeviceGetSupportedClocksThrottleReasons" in made.library.calls


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN])
def test_where_the_driver_does_not_say_which_reasons_there_are_it_may_be_any(refusal: int) -> None:
    with rig() as made:
        for name in ("nvmlDeviceGetSupportedClocksEventReasons", "nvmlDeviceGetSupportedClocksThrottleReasons"):
            made.library.refusals[name] = refusal
        assert made.device().throttle_mask() == EVERY_REASON


def test_a_part_without_throttle_reasons_has_none() -> None:
    with rig() as made:
        for kind in ("Current", "Supported"):
            for word in ("Event", "Throttle"):
                made.library.refusals[f"nvmlDeviceGet{kind}Clocks{word}Reasons"] = NOT_SUPPORTED
        device = made.device()
        assert device.throttle_bits() is None
        assert device.throttle_mask() == 0


def test_a_sample_that_fails_is_one_sample_less() -> None:
    with rig() as made:
        made.library.refusals["nvmlDeviceGetCurrentClocksEventReasons"] = UNKNOWN
        assert made.device().throttle_bits() is None
