"""Which GPUs are found, who they are, and what their throttling looks like to the collector."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from atlas_ops.exporter.amd.backend import Amd
from atlas_ops.exporter.amd.device import AmdDevice
from atlas_ops.exporter.amd.devices import present
from atlas_ops.exporter.amd.metrics import RESIDENCIES
from atlas_ops.exporter.gpu.backend import GpuBackend, GpuDevice, GpuFailed, GpuIdentity, GpuUnavailable
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS

from .tables import table
from .trees import MI100, MI250X, MI300X, RX6800, Host, answers, no_library

BIT = dict(THROTTLE_BITS)
EVERY = BIT["sw_power_cap"] | BIT["hw_slowdown"] | BIT["hw_thermal"]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_backend_and_its_devices_are_what_the_collector_wants(host: Host) -> None:
    host.add(MI300X)
    backend: GpuBackend = Amd(str(host.root), load=no_library)
    device: GpuDevice = backend.open()[0]

    assert backend.name == "amd"
    assert device.watch_events() == ()
    assert device.wait_events(0.0) == ()
    backend.close()


def test_gpus_are_in_the_order_of_their_pci_addresses_whatever_the_kernel_calls_them(host: Host) -> None:
    for address in ("0000:e1:00.0", "0000:09:00.0", "10000:01:00.0", "0001:01:00.0"):
        host.add(MI300X, address)
    devices = host.open()

    assert [(device.index, device.identify().pci_bus_id) for device in devices] == [
        (0, "0000:09:00.0"),
        (1, "0000:e1:00.0"),
        (2, "0001:01:00.0"),
        (3, "10000:01:00.0"),
    ]


def test_a_gpu_is_known_by_its_serial_number_as_rocm_writes_it(host: Host) -> None:
    host.add(MI300X)

    assert host.open()[0].identify() == GpuIdentity(
        index=0, uuid="GPU-a1b2c3d4e5f60718", pci_bus_id="0000:c1:00.0"
    )  # fmt: skip


@pytest.mark.parametrize("number", [None, "", "0000000000000000\n", "not a number\n", "\xff" * 40])
def test_a_gpu_without_a_serial_number_is_known_by_its_pci_address(host: Host, number: str | None) -> None:
    host.add(MI100 if number is None else {**MI100, "unique_id": number})

    assert host.open()[0].identify().uuid == "0000:c1:00.0"


def test_a_gpu_keeps_its_name_when_its_serial_number_cannot_be_read_once(host: Host) -> None:
    path, device = host.add(MI300X) / "unique_id", host.open()[0]
    before = device.identify()
    path.unlink()

    assert device.identify() == before


def test_cards_of_others_and_what_is_no_card_are_left_out(host: Host) -> None:
    host.add({}, "0000:01:00.0", vendor="0x10de\n", driver="nvidia")
    host.add({}, "0000:02:00.0", vendor="0x1a03\n", driver="ast")
    host.add(MI300X)
    host.add({}, "amdgpu_xcp_0", vendor="", driver="")
    (host.root / "sys/class/drm/renderD128").mkdir()
    (host.root / "sys/class/drm/card9").mkdir()

    assert [device.identify().pci_bus_id for device in host.open()] == ["0000:c1:00.0"]


def test_a_machine_without_amd_is_seen_to_be_one_without_a_word(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert not present(str(host.root))
    host.add({}, vendor="0x10de\n", driver="nvidia")
    assert not present(str(host.root))
    with pytest.raises(GpuUnavailable, match="there is no AMD GPU"):
        host.open()

    assert not caplog.records


def test_a_card_without_the_driver_is_present_but_not_available_and_the_error_says_what_to_do(host: Host) -> None:
    host.add({}, driver="")
    host.add({}, "0000:c2:00.0", driver="radeon")

    assert present(str(host.root))
    with pytest.raises(GpuUnavailable, match="2 AMD GPU") as caught:
        host.open()
    assert "amdgpu" in caught.value.next_step


def test_the_backend_can_be_opened_again_and_sees_what_came_in_the_meantime(host: Host) -> None:
    host.add(MI300X)
    backend = Amd(str(host.root), load=no_library)
    assert len(backend.open()) == 1
    host.add(MI250X, "0000:c2:00.0")
    backend.close()

    assert len(backend.open()) == 2


def test_the_questions_keep_their_names_even_when_a_block_of_errors_comes_later(host: Host) -> None:
    folder, device = host.add(MI300X), host.open()[0]
    names = [question.name for question in device.questions()]
    (folder / "ras/sdma_err_count").write_text("ue: 0\nce: 0\n")

    assert [question.name for question in device.questions()] == names
    assert len(set(names)) == len(names)


def test_nothing_that_the_driver_knows_by_heart_proves_that_the_card_is_there(host: Host) -> None:
    host.add(MI300X)

    vital = {question.name for question in host.open()[0].questions() if question.vital}
    assert {"utilization", "temperature_junction", "power", "clock_sm", "energy"} <= vital
    assert not vital & {
        "info",
        "memory_used",
        "memory_total",
        "power_limit",
        "clock_max_sm",
        "pcie_width_max",
        "processes",
    }


# --- throttling ---------------------------------------------------------------------------------------------------------


def _device(host: Host, clock: Clock) -> AmdDevice:
    device = host.open()[0]
    device._clock = device._card._clock = clock
    return device


def _counted(cycles: int, throttled: int) -> bytes:
    return table(
        (1, 7), accumulation_counter=cycles, **dict.fromkeys(RESIDENCIES, 0) | {"ppt_residency_acc": throttled}
    )


def test_an_mi300x_counts_its_throttling_and_has_bits_that_agree(host: Host) -> None:
    clock, path = Clock(), host.add({**MI300X, "gpu_metrics": _counted(100, 7)}) / "gpu_metrics"
    device = _device(host, clock)

    assert device.throttle_mask() == EVERY
    assert device.throttle_bits() is None
    clock.now += 0.1
    path.write_bytes(_counted(200, 107))
    assert device.throttle_bits() == BIT["sw_power_cap"]
    assert device.throttle_counters()["sw_power_cap"] == pytest.approx(1e8)
    clock.now += 0.1
    path.write_bytes(_counted(300, 107))
    assert device.throttle_bits() == 0
    assert device.throttle_counters()["sw_power_cap"] == pytest.approx(1e8)


def test_an_mi250x_has_bits_alone(host: Host) -> None:
    clock, path = Clock(), host.add(MI250X) / "gpu_metrics"
    device = _device(host, clock)

    assert device.throttle_mask() == EVERY
    assert device.throttle_bits() == 0
    clock.now += 0.1
    path.write_bytes(table((1, 3), indep_throttle_status=1 << 36 | 1 << 0))
    assert device.throttle_bits() == BIT["hw_thermal"] | BIT["sw_power_cap"]
    assert device.throttle_counters() == {}


def test_a_part_that_reports_no_throttling_says_so_by_an_empty_mask(host: Host) -> None:
    host.add(MI100)
    device = host.open()[0]

    assert (device.throttle_mask(), device.throttle_bits(), device.throttle_counters()) == (0, None, {})


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"garbage"), lambda path: path.write_bytes(b"")]
)
def test_a_table_that_cannot_be_read_is_a_sample_less_and_loses_nothing_of_what_was_counted(
    host: Host, spoil: Callable[[Path], object]
) -> None:
    clock, path = Clock(), host.add({**MI300X, "gpu_metrics": _counted(0, 0)}) / "gpu_metrics"
    device = _device(host, clock)
    device.throttle_bits()
    clock.now += 0.1
    path.write_bytes(_counted(100, 100))
    device.throttle_bits()
    before = device.throttle_counters()
    clock.now += 0.1
    spoil(path)

    assert device.throttle_bits() is None
    assert device.throttle_counters() == before
    clock.now += 0.1
    path.write_bytes(_counted(300, 200))
    assert device.throttle_bits() == BIT["sw_power_cap"]
    assert device.throttle_counters()["sw_power_cap"] == pytest.approx(2e8), (
        "half of the 0.2 s since the last good read"
    )


def test_a_table_that_is_broken_from_the_start_says_nothing_about_what_the_part_can_report(host: Host) -> None:
    host.add({**MI300X, "gpu_metrics": b"garbage"})

    with pytest.raises(GpuFailed):
        host.open()[0].throttle_mask()


def test_a_consumer_card_asks_the_same_questions_as_every_other(host: Host) -> None:
    host.add(RX6800)
    other = Host(host.root / "other")
    other.add(MI100)

    assert answers(host.open()[0]).keys() == answers(other.open()[0]).keys()
