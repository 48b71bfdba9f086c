"""What NVML's answers and refusals become, through the real binding on the simulator's library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pynvml
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.backend import GpuForbidden, GpuIdentity, GpuLost, GpuUnavailable
from atlas_ops.exporter.gpu.throttle import EVERY_REASON
from atlas_ops.exporter.nvml import gpm, memory
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.samples import Labels, labels
from atlas_ops.simulator.nvml.heat import MEMORY_ABOVE_CORE_KELVIN

from .rig import GIB, GPU_IS_LOST, INVALID_ARGUMENT, KIB, MIB, NO_PERMISSION, NOT_SUPPORTED, UNKNOWN, Rig, Round, rig

FIELDS = "nvmlDeviceGetFieldValues"
HANDLE, UUID = "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"
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
    (s.GPU_TEMPERATURE_MARGIN, ()): 24,
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
    (s.GPU_MEMORY_FREE, ()): 50 * GIB - 600 * MIB,
    (s.GPU_MEMORY_RESERVED, ()): 600 * MIB,
    (s.GPU_MEMORY_TOTAL, ()): 80 * GIB,
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


def _labels(found: Round, signal: Signal) -> tuple[tuple[str, str], ...]:
    return next(iter(found.of(signal)))


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
    def status(_handle: Any, record: Any) -> int:
        found = record._obj
        found.aggregateUncParity, found.aggregateUncSecDed, found.aggregateUncBucketL2 = 2, 5, 3
        return 0

    with rig() as made:
        made.library.answers["nvmlDeviceGetSramEccErrorStatus"] = status
        found = made.ask(made.device()).of(s.GPU_ECC_ERRORS)
        assert found[(("type", "uncorrected"), ("location", "sram_l2"))] == 3
        assert found[(("type", "uncorrected"), ("location", "sram_other"))] == 4


def test_a_board_with_a_fan_and_little_else() -> None:
    with rig("rtx4080s") as made:
        found = made.settled(made.device())
        assert found.of(s.GPU_FAN) == {(): 0.35}
        assert found.failed == set()
        assert {"ecc", "remapped_rows", "nvlink_traffic", "nvlink_errors", "gpm", "memory_temperature"} <= found.absent


# --- a function that a part lacks, or that fails ----------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """The signals that a function is for, those that vanish when it is absent, and those that vanish when it fails."""

    of: frozenset[Signal]
    absent: frozenset[Signal]
    failed: frozenset[Signal]


def only(*signals: Signal) -> Effect:
    """A function without which its signals are gone."""
    return Effect(frozenset(signals), frozenset(signals), frozenset(signals))


def newer(*signals: Signal, loses: tuple[Signal, ...] = ()) -> Effect:
    """A function that an older one stands in for when it is absent, but not when it fails."""
    return Effect(frozenset(signals), frozenset(loses), frozenset(signals))


NONE = Effect(frozenset(), frozenset(), frozenset())
LOCATIONS = Effect(frozenset({s.GPU_ECC_ERRORS}), frozenset(), frozenset({s.GPU_ECC_ERRORS}))
MATRIX: dict[str, Effect] = {
    "nvmlDeviceGetTemperatureV": newer(s.GPU_TEMPERATURE),
    "nvmlDeviceGetMarginTemperature": newer(s.GPU_TEMPERATURE_MARGIN),
    "nvmlDeviceGetPowerUsage": only(s.GPU_POWER),
    "nvmlDeviceGetEnforcedPowerLimit": only(s.GPU_POWER_LIMIT),
    "nvmlDeviceGetTotalEnergyConsumption": only(s.GPU_ENERGY),
    "nvmlDeviceGetClockInfo": only(s.GPU_CLOCK),
    "nvmlDeviceGetMaxClockInfo": only(s.GPU_CLOCK_MAX),
    "nvmlDeviceGetUtilizationRates": only(s.GPU_UTILIZATION, s.GPU_MEMORY_UTILIZATION),
    "nvmlDeviceGetEncoderUtilization": only(s.GPU_ENCODER_UTILIZATION),
    "nvmlDeviceGetDecoderUtilization": only(s.GPU_DECODER_UTILIZATION),
    "nvmlDeviceGetFanSpeed": only(s.GPU_FAN),
    "nvmlDeviceGetPcieReplayCounter": only(s.GPU_PCIE_REPLAYS),
    "nvmlDeviceGetCurrPcieLinkGeneration": only(s.GPU_PCIE_GENERATION),
    "nvmlDeviceGetCurrPcieLinkWidth": only(s.GPU_PCIE_WIDTH),
    "nvmlDeviceGetMaxPcieLinkGeneration": only(s.GPU_PCIE_GENERATION_MAX),
    "nvmlDeviceGetMaxPcieLinkWidth": only(s.GPU_PCIE_WIDTH_MAX),
    "nvmlDeviceGetMemoryInfo_v2": newer(*memory.SIGNALS, loses=(s.GPU_MEMORY_RESERVED,)),
    "nvmlDeviceGetMemoryErrorCounter": LOCATIONS,
    "nvmlDeviceGetSramEccErrorStatus": LOCATIONS,
    "nvmlDeviceGetRemappedRows": only(s.GPU_REMAPPED_ROWS, s.GPU_ROW_REMAP_PENDING, s.GPU_ROW_REMAP_FAILURE),
    "nvmlDeviceGetComputeRunningProcesses_v3": newer(s.GPU_PROCESS_MEMORY),
    "nvmlDeviceGetGraphicsRunningProcesses_v3": newer(s.GPU_PROCESS_MEMORY),
    "nvmlGpmQueryDeviceSupport": only(*gpm.SIGNALS),
    "nvmlGpmSampleAlloc": only(*gpm.SIGNALS),
    "nvmlGpmSampleGet": only(*gpm.SIGNALS),
    "nvmlGpmMetricsGet": only(*gpm.SIGNALS),
    "nvmlGpmSampleFree": NONE,
    "nvmlDeviceGetMigMode": NONE,
    "nvmlDeviceGetName": Effect(frozenset({s.GPU_INFO}), frozenset(), frozenset()),
    "nvmlDeviceGetPciInfo_v3": Effect(frozenset({s.GPU_INFO}), frozenset(), frozenset()),
    "nvmlSystemGetDriverVersion": Effect(frozenset({s.GPU_INFO}), frozenset(), frozenset()),
    "nvmlDeviceGetMinorNumber": Effect(frozenset({s.GPU_INFO}), frozenset(), frozenset()),
}
OPENING = ("nvmlInitWithFlags", "nvmlDeviceGetCount_v2")


@contextmanager
def everything() -> Iterator[Rig]:
    """A GPU that has what no H100 has as well: a fan."""

    def speed(_handle: Any, out: Any) -> int:
        out._obj.value = 35
        return 0

    with rig() as made:
        made.library.answers["nvmlDeviceGetFanSpeed"] = speed
        yield made


@pytest.fixture(scope="module")
def healthy() -> Round:
    with everything() as made:
        return made.settled(made.device())


def test_the_matrix_names_every_function_that_is_asked() -> None:
    with everything() as made:
        made.settled(made.device())
    # Closed: what is given back was given back.
    assert set(made.library.calls) == {*MATRIX, *OPENING, HANDLE, UUID, FIELDS, "nvmlShutdown"}


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, NO_PERMISSION, None], ids=["not_supported", "forbidden", "missing"])
@pytest.mark.parametrize("function", MATRIX)
def test_a_function_that_a_part_lacks_costs_only_its_own_signals(
    function: str, refusal: int | None, healthy: Round
) -> None:
    with everything() as made:
        _break(made, function, refusal)
        found = made.settled(made.device())
    _assert_only(MATRIX[function].of, MATRIX[function].absent, found, healthy)
    assert found.failed == set()
    for signal in MATRIX[function].absent:
        assert signal in found.not_given or found.absent > healthy.absent


@pytest.mark.parametrize("function", MATRIX)
def test_a_function_that_fails_costs_only_its_own_signals_and_is_no_proof_that_the_part_lacks_them(
    function: str, healthy: Round
) -> None:
    with everything() as made:
        _break(made, function, UNKNOWN)
        found = made.settled(made.device())
    _assert_only(MATRIX[function].of, MATRIX[function].failed, found, healthy)
    assert bool(found.failed) == bool(MATRIX[function].failed or function == "nvmlDeviceGetMigMode")
    assert found.absent <= healthy.absent


def _break(made: Rig, function: str, refusal: int | None) -> None:
    if refusal is None:
        made.library.missing.add(function)
    else:
        made.library.refusals[function] = refusal


def _assert_only(of: frozenset[Signal], gone: frozenset[Signal], found: Round, healthy: Round) -> None:
    """Whatever is not of the function is as ever; of what it is for, some may be gone, and the rest is told."""
    others = {key: value for key, value in healthy.values.items() if key[0] not in of}
    assert {key: value for key, value in found.values.items() if key[0] not in of} == others
    told = {signal for signal, _, extra in found.values if extra != (("sensor", "memory"),)}
    assert (of & healthy.signals()) - told == gone & healthy.signals()


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, NO_PERMISSION, UNKNOWN, None])
def test_without_field_values_only_what_is_told_by_them_is_gone(refusal: int | None, healthy: Round) -> None:
    with everything() as made:
        _break(made, FIELDS, refusal)
        found = made.settled(made.device())
    gone = {key for key in healthy.values if key[0] in BY_FIELD or key[2] == (("sensor", "memory"),)}
    assert healthy.values.keys() - found.values.keys() == gone
    questions = {"memory_temperature", "nvlink_traffic", "nvlink_errors", "pcie_traffic", "recovery_action"}
    assert questions <= (found.failed if refusal == UNKNOWN else found.absent)


def test_one_field_that_fails_fails_its_own_question() -> None:
    with rig() as made:
        real = made.node.library.nvmlDeviceGetFieldValues

        def values(handle: Any, count: Any, array: Any) -> int:
            code: int = real(handle, count, array)
            for entry in array._obj:
                if entry.fieldId == 138:
                    entry.nvmlReturn = UNKNOWN
            return code

        made.library.answers[FIELDS] = values
        found = made.ask(made.device())
        assert found.failed == {"nvlink_traffic"}


def test_an_id_that_a_driver_does_not_know_is_absent_whatever_it_says_to_it() -> None:
    def values(_handle: Any, _count: Any, array: Any) -> int:
        for entry in array._obj:
            entry.nvmlReturn = INVALID_ARGUMENT
        return 0

    with rig() as made:
        made.library.answers[FIELDS] = values
        found = made.ask(made.device())
        assert "recovery_action" in found.absent
        assert found.failed == set()


def test_a_part_that_says_that_it_has_no_activity_counters_is_not_asked_for_them() -> None:
    with rig() as made:
        made.library.answers["nvmlGpmQueryDeviceSupport"] = lambda _handle, _out: 0
        assert "gpm" in made.settled(made.device()).absent
    assert "nvmlGpmSampleGet" not in made.library.calls


def test_a_field_that_is_no_number_is_not_told() -> None:
    with rig() as made:

        def values(_handle: Any, _count: Any, array: Any) -> int:
            for entry in array._obj:
                entry.nvmlReturn, entry.valueType, entry.value.dVal = 0, 0, float("nan")
            return 0

        made.library.answers[FIELDS] = values
        assert "memory_temperature" in made.ask(made.device()).absent


def test_an_activity_that_is_no_number_is_not_told() -> None:
    def metrics(record: Any) -> int:
        for entry in list(record._obj.metrics)[:8]:
            entry.nvmlReturn, entry.value = 0, float("nan") if entry.metricId == 2 else 50.0
        return 0

    with rig() as made:
        made.library.answers["nvmlGpmMetricsGet"] = metrics
        found = made.settled(made.device())
        assert s.GPU_SM_ACTIVE in found.not_given
        assert found.of(s.GPU_SM_OCCUPANCY) == {(): 0.5}


@pytest.mark.parametrize("domain", ["graphics", "sm", "memory", "video"])
def test_one_clock_that_a_part_lacks_leaves_the_other_domains(domain: str) -> None:
    with rig() as made:
        real = made.node.library.nvmlDeviceGetClockInfo
        lacking = ("graphics", "sm", "memory", "video").index(domain)
        made.library.answers["nvmlDeviceGetClockInfo"] = lambda handle, kind, out: (
            NOT_SUPPORTED if kind.value == lacking else real(handle, kind, out)
        )
        found = made.ask(made.device())
        assert len(found.of(s.GPU_CLOCK)) == 3
        assert (("domain", domain),) not in found.of(s.GPU_CLOCK)


def test_nothing_that_blocks_is_asked() -> None:
    with rig() as made:
        made.settled(made.device())
    assert "nvmlDeviceGetPcieThroughput" not in made.library.calls


def test_a_sample_of_throttle_reasons_is_one_call_to_the_driver() -> None:
    with rig() as made:
        made.library.missing.add("nvmlDeviceGetCurrentClocksEventReasons")
        device = made.device()
        device.throttle_bits()
        made.library.calls.clear()
        made.library.missed.clear()
        device.throttle_bits()
        assert made.library.calls == ["nvmlDeviceGetCurrentClocksThrottleReasons"]
        assert made.library.missed == []


def test_questions_have_the_same_names_at_every_call_and_each_its_own() -> None:
    with rig() as made:
        device = made.device()
        names = [question.name for question in device.questions()]
        device.identify()
        assert [question.name for question in device.questions()] == names
        assert len(names) == len(set(names))


def test_limits_that_the_driver_knows_by_heart_do_not_prove_that_a_gpu_is_there() -> None:
    with rig() as made:
        by_heart = {
            signal for question in made.device().questions() if not question.vital for signal in question.signals
        }
    assert by_heart == {
        s.GPU_INFO, s.GPU_POWER_LIMIT, s.GPU_CLOCK_MAX, s.GPU_PCIE_GENERATION_MAX, s.GPU_PCIE_WIDTH_MAX,
    }  # fmt: skip


# --- identity ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN, None], ids=["not_supported", "unknown", "missing"])
@pytest.mark.parametrize(
    ("function", "label"),
    [
        ("nvmlDeviceGetName", "name"),
        ("nvmlSystemGetDriverVersion", "driver_version"),
        ("nvmlDeviceGetPciInfo_v3", "pci_bus_id"),
        ("nvmlDeviceGetMinorNumber", "minor"),
    ],
)
def test_a_fact_that_the_driver_hides_is_left_out_and_the_others_are_told(
    function: str, label: str, refusal: int | None
) -> None:
    with rig() as made:
        _break(made, function, refusal)
        facts = dict(_labels(made.ask(made.device()), s.GPU_INFO))
        assert facts.keys() == {"name", "driver_version", "pci_bus_id", "minor"} - {label}


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, None], ids=["not_supported", "missing"])
def test_a_part_without_a_uuid_is_measured(refusal: int | None) -> None:
    with rig() as made:
        _break(made, UUID, refusal)
        assert made.backend.open()[0].identify().uuid == ""


def test_a_gpu_whose_uuid_cannot_be_read_just_now_is_lost_rather_than_taken_for_another() -> None:
    with rig() as made:
        _break(made, UUID, UNKNOWN)
        with pytest.raises(GpuLost):
            made.device()


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN, GPU_IS_LOST, None])
def test_a_gpu_without_a_handle_is_lost(refusal: int | None) -> None:
    with rig() as made:
        _break(made, HANDLE, refusal)
        with pytest.raises(GpuLost):
            made.device()


def test_a_gpu_of_another_container_is_forbidden_and_not_lost() -> None:
    with rig() as made:
        _break(made, HANDLE, NO_PERMISSION)
        with pytest.raises(GpuForbidden):
            made.device()


def test_a_name_that_is_no_utf_8_costs_a_letter_and_nothing_else() -> None:
    def name(_handle: Any, buffer: Any, _size: Any) -> int:
        buffer.value = b"NVIDIA \xff1"
        return 0

    def pci(_handle: Any, record: Any) -> int:
        record._obj.busId = b"0000\xfe"
        return 0

    with rig() as made:
        made.library.answers |= {"nvmlDeviceGetName": name, "nvmlDeviceGetPciInfo_v3": pci}
        facts = dict(_labels(made.ask(made.device()), s.GPU_INFO))
        assert facts["name"] == "NVIDIA \N{REPLACEMENT CHARACTER}1"
        assert facts["pci_bus_id"] == "0000\N{REPLACEMENT CHARACTER}"


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


# --- opening and closing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN, GPU_IS_LOST, 9, None])
@pytest.mark.parametrize("function", OPENING)
def test_a_driver_that_does_not_open_is_unavailable_and_says_what_to_do(function: str, refusal: int | None) -> None:
    with rig() as made:
        _break(made, function, refusal)
        with pytest.raises(GpuUnavailable) as caught:
            made.backend.open()
        assert caught.value.next_step


def test_a_driver_without_gpus_is_unavailable_and_let_go() -> None:
    with rig(gpus=0) as made:
        with pytest.raises(GpuUnavailable):
            made.backend.open()
        assert made.library.calls.count("nvmlShutdown") == 1


def test_everything_that_the_driver_kept_is_given_back_at_the_close() -> None:
    with rig("h100-mig") as made:
        device = made.device()
        made.settled(device)
        device.watch_events()
        assert len(made.node.library.gpm_samples) > 2
        assert len(made.node.library.event_sets) == 1
        made.backend.close()
        assert len(made.node.library.gpm_samples) == 0
        assert len(made.node.library.event_sets) == 0


def test_a_backend_opens_again_after_its_close() -> None:
    with rig() as made:
        made.settled(made.device())
        made.backend.close()
        assert made.settled(made.device()).of(s.GPU_POWER) == {(): 412.5}


def test_a_machine_without_the_library_is_told_to_install_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(pynvml, "CDLL", not_there)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    with pytest.raises(GpuUnavailable, match="library not found") as caught:
        Nvml().open()
    assert "install the NVIDIA driver" in caught.value.next_step


def test_a_binding_that_is_older_than_a_record_or_a_function_lacks_only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("c_nvmlEccSramErrorStatus_v1_t", "nvmlDeviceGetTemperatureV", "nvmlDeviceGetMarginTemperature"):
        monkeypatch.delattr(pynvml, name)
    with rig() as made:
        found = made.settled(made.device())
        assert found.failed == set()
        assert (("type", "uncorrected"), ("location", "sram")) in found.of(s.GPU_ECC_ERRORS)
        assert found.of(s.GPU_TEMPERATURE)[(("sensor", "gpu"),)] == 61


def test_the_binding_is_loaded_only_by_who_asks_for_gpus() -> None:
    script = "import sys, atlas_ops.exporter.gpu.collector, atlas_ops.exporter.nvml.binding; sys.exit('pynvml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_gpus_are_listed_in_the_drivers_order() -> None:
    with rig(gpus=3) as made:
        devices = made.backend.open()
        assert [device.index for device in devices] == [0, 1, 2]
        assert [device.identify().uuid for device in devices] == [gpu.uuid for gpu in made.node.read()]
