"""Drivers that open, do not open, or are closed; and who a GPU says it is."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pynvml
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import GpuForbidden, GpuLost, GpuUnavailable
from atlas_ops.exporter.nvml.binding import Nvml

from .rig import (
    GPU_IS_LOST,
    HANDLE,
    NO_PERMISSION,
    NOT_SUPPORTED,
    OPENING,
    UNKNOWN,
    UUID,
    break_function,
    labels_of,
    rig,
)

BY_FIELD = frozenset(
    {
        s.GPU_NVLINK_TX, s.GPU_NVLINK_RX, s.GPU_NVLINK_ERRORS, s.GPU_PCIE_TX, s.GPU_PCIE_RX, s.GPU_RECOVERY_ACTION,
        s.GPU_RETIRED_PAGES,
    }
)  # fmt: skip


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
        break_function(made, function, refusal)
        facts = dict(labels_of(made.ask(made.device()), s.GPU_INFO))
        assert facts.keys() == {"name", "driver_version", "pci_bus_id", "minor"} - {label}


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, None], ids=["not_supported", "missing"])
def test_a_part_without_a_uuid_is_measured(refusal: int | None) -> None:
    with rig() as made:
        break_function(made, UUID, refusal)
        assert made.backend.open()[0].identify().uuid == ""


def test_a_gpu_whose_uuid_cannot_be_read_just_now_is_lost_rather_than_taken_for_another() -> None:
    with rig() as made:
        break_function(made, UUID, UNKNOWN)
        with pytest.raises(GpuLost):
            made.device()


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN, GPU_IS_LOST, None])
def test_a_gpu_without_a_handle_is_lost(refusal: int | None) -> None:
    with rig() as made:
        break_function(made, HANDLE, refusal)
        with pytest.raises(GpuLost):
            made.device()


def test_a_gpu_of_another_container_is_forbidden_and_not_lost() -> None:
    with rig() as made:
        break_function(made, HANDLE, NO_PERMISSION)
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
        facts = dict(labels_of(made.ask(made.device()), s.GPU_INFO))
        assert facts["name"] == "NVIDIA \N{REPLACEMENT CHARACTER}1"
        assert facts["pci_bus_id"] == "0000\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, UNKNOWN, GPU_IS_LOST, 9, None])
@pytest.mark.parametrize("function", OPENING)
def test_a_driver_that_does_not_open_is_unavailable_and_says_what_to_do(function: str, refusal: int | None) -> None:
    with rig() as made:
        break_function(made, function, refusal)
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
