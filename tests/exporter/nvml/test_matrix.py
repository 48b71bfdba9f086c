"""What a function of the driver costs that a part lacks, or that fails: its own signals, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.nvml import gpm, memory

from .rig import (
    FIELDS,
    HANDLE,
    INVALID_ARGUMENT,
    NO_PERMISSION,
    NOT_SUPPORTED,
    OPENING,
    UNKNOWN,
    UUID,
    Rig,
    Round,
    break_function,
    rig,
)

BY_FIELD = frozenset(
    {
        s.GPU_NVLINK_TX, s.GPU_NVLINK_RX, s.GPU_NVLINK_ERRORS, s.GPU_PCIE_TX, s.GPU_PCIE_RX, s.GPU_RECOVERY_ACTION,
        s.GPU_RETIRED_PAGES,
    }
)  # fmt: skip


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
    "nvmlDeviceGetMarginTemperature": only(s.GPU_TEMPERATURE_MARGIN),
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
        break_function(made, function, refusal)
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
        break_function(made, function, UNKNOWN)
        found = made.settled(made.device())
    _assert_only(MATRIX[function].of, MATRIX[function].failed, found, healthy)
    assert bool(found.failed) == bool(MATRIX[function].failed or function == "nvmlDeviceGetMigMode")
    assert found.absent <= healthy.absent


def _assert_only(of: frozenset[Signal], gone: frozenset[Signal], found: Round, healthy: Round) -> None:
    """Whatever is not of the function is as ever; of what it is for, some may be gone, and the rest is told."""
    others = {key: value for key, value in healthy.values.items() if key[0] not in of}
    assert {key: value for key, value in found.values.items() if key[0] not in of} == others
    told = {signal for signal, _, extra in found.values if extra != (("sensor", "memory"),)}
    assert (of & healthy.signals()) - told == gone & healthy.signals()


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, NO_PERMISSION, UNKNOWN, None])
def test_without_field_values_only_what_is_told_by_them_is_gone(refusal: int | None, healthy: Round) -> None:
    with everything() as made:
        break_function(made, FIELDS, refusal)
        found = made.settled(made.device())
    by_field = BY_FIELD - {s.GPU_PCIE_TX, s.GPU_PCIE_RX}  # GPM measures these, from the second round on
    gone = {key for key in healthy.values if key[0] in by_field or key[2] == (("sensor", "memory"),)}
    assert healthy.values.keys() - found.values.keys() == gone
    questions = {"memory_temperature", "nvlink_traffic", "nvlink_errors", "recovery_action"}
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
