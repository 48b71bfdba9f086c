"""What NVML's answers and refusals become, through the real binding on a driver library made of Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pynvml
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.backend import GpuDevice, GpuForbidden, GpuIdentity, GpuLost, GpuUnavailable, Reading
from atlas_ops.exporter.gpu.throttle import EVERY_REASON
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.samples import Labels

from ..gpu.fake_nvml import FUNCTIONS, GIB, GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, UNKNOWN, FakeGpu, FakeNvml

FAMILY = frozenset({s.GPU_MEMORY_USED, s.GPU_MEMORY_FREE, s.GPU_MEMORY_RESERVED, s.GPU_MEMORY_TOTAL})
THROTTLE = frozenset(
    {s.GPU_THROTTLE_ACTIVE, s.GPU_THROTTLE_SECONDS, s.GPU_THROTTLE_EVENTS, s.GPU_THROTTLE_LONGEST},
)
NOTHING: frozenset[Signal] = frozenset()

# function: (signals that vanish when it is absent, signals that vanish when it fails)
MATRIX: dict[str, tuple[frozenset[Signal], frozenset[Signal]]] = {
    "nvmlDeviceGetUtilizationRates": (frozenset({s.GPU_UTILIZATION}), frozenset({s.GPU_UTILIZATION})),
    "nvmlDeviceGetMemoryInfo_v2": (frozenset({s.GPU_MEMORY_RESERVED}), FAMILY),
    "nvmlDeviceGetMemoryInfo": (NOTHING, NOTHING),
    "nvmlDeviceGetTemperatureV": (NOTHING, frozenset({s.GPU_TEMPERATURE})),
    "nvmlDeviceGetTemperature": (NOTHING, NOTHING),
    "nvmlDeviceGetMarginTemperature": (frozenset({s.GPU_TEMPERATURE_MARGIN}), frozenset({s.GPU_TEMPERATURE_MARGIN})),
    "nvmlDeviceGetPowerUsage": (frozenset({s.GPU_POWER}), frozenset({s.GPU_POWER})),
    "nvmlDeviceGetEnforcedPowerLimit": (frozenset({s.GPU_POWER_LIMIT}), frozenset({s.GPU_POWER_LIMIT})),
    "nvmlDeviceGetTotalEnergyConsumption": (frozenset({s.GPU_ENERGY}), frozenset({s.GPU_ENERGY})),
    "nvmlDeviceGetClockInfo": (frozenset({s.GPU_CLOCK}), frozenset({s.GPU_CLOCK})),
    "nvmlDeviceGetMaxClockInfo": (frozenset({s.GPU_CLOCK_MAX}), frozenset({s.GPU_CLOCK_MAX})),
    "nvmlDeviceGetFanSpeed": (frozenset({s.GPU_FAN}), frozenset({s.GPU_FAN})),
    "nvmlDeviceGetCurrentClocksEventReasons": (NOTHING, frozenset({s.GPU_THROTTLE_ACTIVE})),
    "nvmlDeviceGetCurrentClocksThrottleReasons": (NOTHING, NOTHING),
    "nvmlDeviceGetSupportedClocksEventReasons": (NOTHING, NOTHING),
    "nvmlDeviceGetSupportedClocksThrottleReasons": (NOTHING, NOTHING),
}
IDENTITY = {
    "nvmlDeviceGetName": "name",
    "nvmlDeviceGetPciInfo_v3": "pci_bus_id",
    "nvmlSystemGetDriverVersion": "driver_version",
}
OPENING = {"nvmlInitWithFlags", "nvmlDeviceGetCount_v2"}
HANDLE, UUID, SHUTDOWN = "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID", "nvmlShutdown"

opened: list[Nvml] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def library(function: str = "", refusal: int | None = None) -> FakeNvml:
    """A library with one GPU whose `function` is missing, or refuses."""
    missing = frozenset({function} if function and refusal is None else ())
    fake = FakeNvml(FakeGpu(uuid="GPU-a"), missing=missing)
    if refusal is not None:
        fake.refusals[function] = refusal
    return fake


def device(fake: FakeNvml) -> GpuDevice:
    backend = Nvml(fake)
    opened.append(backend)
    return backend.open()[0]


def ask(fake: FakeNvml) -> tuple[GpuIdentity, Reading]:
    gpu = device(fake)
    return gpu.identify(), gpu.read()


def values(reading: Reading) -> dict[tuple[Signal, Labels], float]:
    return {(value.signal, value.extra): value.value for value in reading.values if value.value is not None}


def test_the_units_of_the_driver_become_base_units() -> None:
    identity, reading = ask(library())
    assert identity == GpuIdentity(
        index=0,
        uuid="GPU-a",
        name="NVIDIA H100 80GB HBM3",
        driver_version="550.54.15",
        pci_bus_id="00000000:1B:00.0",
        throttle_mask=EVERY_REASON,
    )
    found = values(reading)
    assert {key: value for key, value in found.items() if key[0] is not s.GPU_THROTTLE_ACTIVE} == {
        (s.GPU_UTILIZATION, ()): 0.5,
        (s.GPU_MEMORY_USED, ()): 30 * GIB,
        (s.GPU_MEMORY_FREE, ()): 49 * GIB,
        (s.GPU_MEMORY_RESERVED, ()): 1 * GIB,
        (s.GPU_MEMORY_TOTAL, ()): 80 * GIB,
        (s.GPU_TEMPERATURE, (("sensor", "gpu"),)): 61,
        (s.GPU_TEMPERATURE_MARGIN, ()): -3,
        (s.GPU_POWER, ()): 412.5,
        (s.GPU_POWER_LIMIT, ()): 700,
        (s.GPU_ENERGY, ()): 9000.25,
        (s.GPU_CLOCK, (("domain", "graphics"),)): 1755e6,
        (s.GPU_CLOCK, (("domain", "sm"),)): 1740e6,
        (s.GPU_CLOCK, (("domain", "memory"),)): 2619e6,
        (s.GPU_CLOCK, (("domain", "video"),)): 1560e6,
        (s.GPU_CLOCK_MAX, (("domain", "graphics"),)): 1980e6,
        (s.GPU_CLOCK_MAX, (("domain", "sm"),)): 1980e6,
        (s.GPU_CLOCK_MAX, (("domain", "memory"),)): 2619e6,
        (s.GPU_CLOCK_MAX, (("domain", "video"),)): 1545e6,
        (s.GPU_FAN, ()): 0.35,
    }
    assert all(given for _, given in reading.support)


def test_the_matrix_names_every_function_that_is_asked() -> None:
    fake = library()
    ask(fake)
    for absent in ("nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetTemperatureV"):
        other = library(absent)
        ask(other)
        fake.calls |= other.calls
    covered = set(MATRIX) | set(IDENTITY) | OPENING | {HANDLE, UUID, SHUTDOWN}
    assert covered == FUNCTIONS
    assert fake.calls <= covered


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, NO_PERMISSION, None], ids=["not_supported", "forbidden", "missing"])
@pytest.mark.parametrize("function", MATRIX)
def test_a_function_that_a_part_lacks_costs_only_its_own_signals(function: str, refusal: int | None) -> None:
    healthy = values(ask(library())[1])
    identity, reading = ask(library(function, refusal))
    gone = MATRIX[function][0]
    assert values(reading) == {key: value for key, value in healthy.items() if key[0] not in gone} | (
        # Version 1 counts what the driver keeps as used.
        {(s.GPU_MEMORY_USED, ()): 31 * GIB} if function == "nvmlDeviceGetMemoryInfo_v2" else {}
    )
    assert {signal for signal, given in reading.support if not given} == gone
    assert identity.throttle_mask == EVERY_REASON


@pytest.mark.parametrize("function", MATRIX)
def test_a_function_that_fails_costs_only_its_own_signals_and_is_still_supported(function: str) -> None:
    healthy = values(ask(library())[1])
    _, reading = ask(library(function, UNKNOWN))
    gone = MATRIX[function][1]
    assert values(reading) == {key: value for key, value in healthy.items() if key[0] not in gone}
    assert all(given for _, given in reading.support)


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN, None], ids=["not_supported", "unknown", "missing"])
@pytest.mark.parametrize("function", IDENTITY)
def test_a_gpu_that_hides_a_fact_about_itself_is_measured_without_it(function: str, refusal: int | None) -> None:
    identity, reading = ask(library(function, refusal))
    assert getattr(identity, IDENTITY[function]) == ""
    assert identity.uuid == "GPU-a"
    assert values(reading) == values(ask(library())[1])


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, None], ids=["not_supported", "missing"])
def test_a_part_without_a_uuid_is_measured(refusal: int | None) -> None:
    identity, _ = ask(library(UUID, refusal))
    assert identity.uuid == ""


def test_a_gpu_whose_uuid_cannot_be_read_just_now_is_lost_rather_than_taken_for_another() -> None:
    with pytest.raises(GpuLost):
        device(library(UUID, UNKNOWN)).identify()


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN, GPU_IS_LOST, None])
def test_a_gpu_without_a_handle_is_lost(refusal: int | None) -> None:
    with pytest.raises(GpuLost):
        device(library(HANDLE, refusal)).identify()


def test_a_gpu_of_another_container_is_forbidden_and_not_lost() -> None:
    with pytest.raises(GpuForbidden):
        device(library(HANDLE, NO_PERMISSION)).identify()


def test_one_clock_that_a_part_lacks_leaves_the_other_domains() -> None:
    fake = library()
    fake.gpus[0].refuses_clock_type = 3
    _, reading = ask(fake)
    domains = {extra for signal, extra in values(reading) if signal is s.GPU_CLOCK}
    assert domains == {(("domain", name),) for name in ("graphics", "sm", "memory")}
    assert dict(reading.support)[s.GPU_CLOCK]


def test_only_reasons_that_the_part_can_report_are_told() -> None:
    fake = library()
    fake.gpus[0].throttle_supported = 0x40 | 0x4 | 0x200
    fake.gpus[0].throttle = lambda: 0x40 | 0x400
    identity, reading = ask(fake)
    assert identity.throttle_mask == 0x44
    assert {
        dict(extra)["reason"]: value
        for (signal, extra), value in values(reading).items()
        if extra and "reason" in dict(extra)
    } == {"sw_power_cap": 0.0, "hw_thermal": 1.0}


def test_throttle_bits_come_by_their_old_name_from_an_old_driver() -> None:
    fake = FakeNvml(
        FakeGpu(uuid="GPU-a", throttle=lambda: 0x28),
        missing=frozenset({"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetSupportedClocksEventReasons"}),
    )
    gpu = device(fake)
    gpu.identify()
    assert gpu.throttle_bits() == 0x28


def test_a_part_without_throttle_reasons_has_no_throttle_signals() -> None:
    fake = library()
    fake.gpus[0].refusals = dict.fromkeys((name for name in FUNCTIONS if "Reasons" in name), NOT_SUPPORTED)
    gpu = device(fake)
    gpu.identify()
    assert gpu.throttle_bits() is None
    assert {signal for signal, given in gpu.read().support if not given} == THROTTLE


def test_a_name_that_is_no_utf_8_costs_a_letter_and_nothing_else() -> None:
    fake = library()
    fake.gpus[0].name, fake.gpus[0].pci_bus_id = b"NVIDIA \xff1", b"0000\xfe"
    identity, _ = ask(fake)
    assert (identity.name, identity.pci_bus_id) == (
        "NVIDIA \N{REPLACEMENT CHARACTER}1",
        "0000\N{REPLACEMENT CHARACTER}",
    )


@pytest.mark.parametrize("code", [GPU_IS_LOST, UNKNOWN, 2, 16, 4711])
def test_a_gpu_that_refuses_everything_is_lost(code: int) -> None:
    fake = library()
    gpu = device(fake)
    gpu.identify()
    fake.gpus[0].refuses_all = code
    with pytest.raises(GpuLost):
        gpu.read()


def test_limits_that_the_driver_knows_by_heart_do_not_prove_that_a_gpu_is_there() -> None:
    fake = library()
    gpu = device(fake)
    gpu.identify()
    by_heart = {"nvmlDeviceGetMaxClockInfo", "nvmlDeviceGetEnforcedPowerLimit"}
    fake.gpus[0].refusals = dict.fromkeys(FUNCTIONS - by_heart, UNKNOWN)
    with pytest.raises(GpuLost):
        gpu.read()


def test_a_part_that_supports_nothing_is_there_all_the_same() -> None:
    fake = library()
    gpu = device(fake)
    gpu.identify()
    fake.gpus[0].refuses_all = NOT_SUPPORTED
    reading = gpu.read()
    assert reading.values == ()
    assert not any(given for _, given in reading.support)


@pytest.mark.parametrize("code", [1, 9, 18])
def test_a_driver_that_went_away_is_told_apart_from_a_lost_gpu(code: int) -> None:
    fake = library()
    gpu = device(fake)
    gpu.identify()
    fake.gpus[0].refuses_all = code
    with pytest.raises(GpuUnavailable):
        gpu.throttle_bits()


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN, GPU_IS_LOST, 9, None])
@pytest.mark.parametrize("function", sorted(OPENING))
def test_a_driver_that_does_not_open_is_unavailable_and_says_what_to_do(function: str, refusal: int | None) -> None:
    with pytest.raises(GpuUnavailable) as caught:
        device(library(function, refusal))
    assert caught.value.next_step


def test_a_driver_without_gpus_is_unavailable_and_let_go() -> None:
    fake = FakeNvml()
    with pytest.raises(GpuUnavailable):
        Nvml(fake).open()
    assert fake.open_sessions == 0


def test_a_machine_without_the_library_is_told_to_install_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(pynvml, "CDLL", not_there)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    with pytest.raises(GpuUnavailable, match="library not found") as caught:
        Nvml().open()
    assert "install the NVIDIA driver" in caught.value.next_step


def test_the_binding_is_loaded_only_by_who_asks_for_gpus() -> None:
    script = "import sys, atlas_ops.exporter.gpu.collector, atlas_ops.exporter.nvml.binding; sys.exit('pynvml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
