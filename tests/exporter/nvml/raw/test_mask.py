"""Ids are masked: the same by the same, in their form, and what is not known to be harmless counts as an id."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atlas_ops.exporter.nvml.raw.mask import Mask
from atlas_ops.exporter.nvml.raw.plain import Plain

UUID = "4b9f1a5e-0f3c-4d1e-9a77-8c52d0e6b1aa"
IDS = [
    ("nvmlDeviceGetUUID", f"GPU-{UUID}", r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ("nvmlDeviceGetUUID", f"MIG-{UUID}", r"MIG-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ("nvmlDeviceGetUUID", f"MIG-GPU-{UUID}/7/0", r"MIG-GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/7/0"),
    ("nvmlDeviceGetSerial", "1563221017865", r"[0-9]{13}"),
    ("busId", "00000001:1B:00.0", r"00000000:01:00\.0"),
    ("busIdLegacy", "0000:e3:1f.0", r"0000:01:00\.0"),
    ("clusterUuid", {"hex": "9f3a5c7711223344aabbccddeeff0011"}, r"[0-9a-f]{32}"),
    ("nvmlNobodyKnowsYet", "rack-17.Fra", r"[a-z]{4}-[0-9]{2}\.[A-Z][a-z]{2}"),
    ("chassisSerialNumber", "\udcffAB\x01cd", r"[a-z][A-Z]{2}[a-z]{3}"),
]


@pytest.mark.parametrize(("name", "original", "form"), IDS)
def test_an_id_keeps_its_form_and_nothing_else(name: str, original: str | dict[str, str], form: str) -> None:
    mask = Mask()
    masked = mask.plain(original, name)  # type: ignore[arg-type]
    text = masked["hex"] if isinstance(masked, dict) else masked
    assert re.fullmatch(form, str(text))
    assert masked != original
    assert mask.plain(original, name) == masked  # type: ignore[arg-type]


@given(st.lists(st.uuids(), min_size=2, max_size=2, unique=True))
def test_two_gpus_stay_two(uuids: list[object]) -> None:
    mask = Mask()
    first, second = (mask.plain(f"GPU-{uuid}", "nvmlDeviceGetUUID") for uuid in uuids)
    assert first != second
    assert mask.plain(f"GPU-{uuids[0]}".upper(), "uuid") == first, "whatever its case"


def test_two_recordings_mask_the_same_gpu_differently() -> None:
    assert Mask().plain(f"GPU-{UUID}", "uuid") != Mask().plain(f"GPU-{UUID}", "uuid")


def test_a_place_on_the_bus_is_the_same_in_text_and_in_numbers() -> None:
    mask = Mask()
    mask.plain("00000000:01:00.0", "busId")
    pci: dict[str, Plain] = {
        "busIdLegacy": "0001:1B:02.0",
        "domain": 1,
        "bus": 27,
        "device": 2,
        "busId": "00000001:1B:02.0",
    }
    assert mask.plain({**pci, "pciDeviceId": 7}, "nvmlDeviceGetPciInfo_v3") == {
        "busIdLegacy": "0000:02:00.0",
        "busId": "00000000:02:00.0",
        "bus": 2,
        "pciDeviceId": 7,
    }
    assert mask.plain("0001:1b:02.0", "nvmlDeviceGetHandleByPciBusId_v2") == "0000:02:00.0"


def test_more_places_than_one_bus_domain_has_stay_apart() -> None:
    mask = Mask()
    masked = {mask.plain(f"{number:08X}:00:00.0", "busId") for number in range(600)}
    assert len(masked) == 600


@given(st.lists(st.integers(1, 1 << 22), unique=True, min_size=1, max_size=50))
def test_processes_get_numbers_that_linux_hardly_reaches(pids: list[int]) -> None:
    mask = Mask()
    masked = mask.plain([{"pid": pid, "usedGpuMemory": pid} for pid in pids], "nvmlDeviceGetComputeRunningProcesses_v3")
    assert masked == [{"pid": 4_000_000 + number, "usedGpuMemory": pid} for number, pid in enumerate(pids, 1)], (
        "sizes are no ids"
    )


def test_a_process_number_that_is_nonsense_stays_nonsense() -> None:
    masked = Mask().plain({"pid": 0xFFFFFFF0}, "nvmlDeviceGetComputeRunningProcesses_v3")
    assert isinstance(masked, dict)
    assert masked["pid"] == (1 << 22) + 1


def test_a_board_is_numbered() -> None:
    mask = Mask()
    assert [mask.plain([board], "nvmlDeviceGetBoardId") for board in (7936, 512, 7936)] == [[1], [2], [1]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nvmlSystemGetDriverVersion", "580.65.06"),
        ("nvmlDeviceGetName", "NVIDIA H100 80GB HBM3"),
        ("name", "MIG 1g.10gb"),
        ("shortName", "SM Util"),
        ("handle", "gpu0/mig1"),
    ],
)
def test_versions_and_models_are_told(name: str, text: str) -> None:
    assert Mask().plain(text, name) == text


@given(st.text(min_size=12, alphabet=st.characters(categories=["L", "N"])))
def test_no_text_that_could_be_an_id_is_told(text: str) -> None:
    masked = Mask().plain(text, "nvmlNobodyKnowsYet")
    assert isinstance(masked, str)
    assume(len(set(text)) > 6)
    assert masked != text
    assert len(masked) == len(text)
