"""Events of the driver: what is registered for, and what arrives."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuEvent, GpuFailed, GpuLost
from atlas_ops.exporter.nvml.device import NvmlDevice

from .rig import GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, UNKNOWN, Rig, rig

SOON = 5.0
"""Seconds; what is there already comes at once."""


def watched(made: Rig) -> NvmlDevice:
    device = made.device()
    device.watch_events()
    return device


def sent(made: Rig, *, device: int | None = None, **fields: int) -> GpuEvent | None:
    """What becomes of one event of the driver, of this GPU's handle unless another is given."""
    gpu = watched(made)
    own = made.handle_of(gpu)

    def wait(_set: Any, data: Any, _milliseconds: Any) -> int:
        record = data._obj
        record.gpuInstanceId = record.computeInstanceId = 0xFFFFFFFF
        ctypes.c_void_p.from_buffer(record).value = own if device is None else device
        for name, value in fields.items():
            setattr(record, name, value)
        return 0

    made.library.answers["nvmlEventSetWait_v2"] = wait
    events = gpu.wait_events(SOON)
    return events[0] if events else None


def test_a_part_tells_which_events_it_reports_and_noise_is_not_asked_for() -> None:
    masks: list[int] = []
    with rig() as made:
        real = made.node.library.nvmlDeviceRegisterEvents

        def register(handle: Any, mask: Any, event_set: Any) -> int:
            masks.append(mask.value)
            code: int = real(handle, mask, event_set)
            return code

        made.library.answers["nvmlDeviceRegisterEvents"] = register
        kinds = made.device().watch_events()
    assert kinds[0] == "xid"
    assert set(kinds) <= {"xid", *c.GPU_EVENTS}
    assert {"ecc_double_bit", "ecc_single_bit_storm", "recovery_action", "gpu_unavailable"} <= set(kinds)
    assert not masks[0] & (0x1 | 0x4)


def test_a_part_without_ecc_reports_no_ecc() -> None:
    with rig("rtx4080s") as made:
        kinds = made.device().watch_events()
        assert "xid" in kinds
        assert not any("ecc" in kind for kind in kinds)


def test_two_events_of_the_same_xid_are_two() -> None:
    with rig() as made:
        device = watched(made)
        made.node.xid(0, 79, count=2)
        assert [event for _ in range(2) for event in device.wait_events(SOON)] == [GpuEvent(xid=79)] * 2
        assert device.wait_events(0.0) == ()


def test_an_xid_before_the_registration_is_not_told_as_new() -> None:
    with rig() as made:
        made.node.xid(0, 79)
        assert watched(made).wait_events(0.0) == ()


def test_the_events_of_another_gpu_are_not_this_ones() -> None:
    with rig(gpus=2) as made:
        device = watched(made)
        made.node.xid(1, 79)
        assert device.wait_events(0.0) == ()


@pytest.mark.parametrize(
    ("bit", "kind"),
    [
        (0x2, "ecc_double_bit"), (0x80, "power_source_change"), (0x100, "mig_config_change"), (0x200, "ecc_single_bit_storm"),
        (0x400, "dram_retirement"), (0x800, "dram_retirement_failure"), (0x1000, "poison_nonfatal"),
        (0x2000, "poison_fatal"), (0x4000, "gpu_unavailable"), (0x8000, "recovery_action"),
    ],
)  # fmt: skip
def test_every_kind_has_the_contracts_word(bit: int, kind: str) -> None:
    with rig() as made:
        assert sent(made, eventType=bit) == GpuEvent(event=kind)
        assert kind in c.GPU_EVENTS


def test_every_word_of_the_contract_can_come() -> None:
    with rig() as made:
        found = {
            event.event for bit in range(16) if (event := sent(made, eventType=1 << bit)) is not None and not event.xid
        }
    assert found - {""} == set(c.GPU_EVENTS)


def test_an_event_of_a_foreign_handle_or_of_no_known_kind_is_left_out() -> None:
    with rig() as made:
        assert sent(made, eventType=8, eventData=79, device=0xBAD) is None
        assert sent(made, eventType=0x10) is None
        assert sent(made, eventType=1 << 40) is None


@pytest.mark.parametrize("refusal", [NOT_SUPPORTED, NO_PERMISSION, None])
@pytest.mark.parametrize(
    "function",
    ["nvmlEventSetCreate", "nvmlDeviceGetSupportedEventTypes", "nvmlDeviceRegisterEvents", "nvmlEventSetWait_v2"],
)
def test_a_part_or_library_that_lacks_events_reports_none(function: str, refusal: int | None) -> None:
    with rig() as made:
        if refusal is None:
            made.library.missing.add(function)
        else:
            made.library.refusals[function] = refusal
        device = made.device()
        with pytest.raises(GpuAbsent):  # noqa: PT012 - with or without permission to register, there is no wait
            device.watch_events()
            device.wait_events(0.0)


def test_where_nobody_can_wait_nothing_is_registered() -> None:
    with rig() as made:
        made.library.missing.add("nvmlEventSetWait_v2")
        with pytest.raises(GpuAbsent):
            made.device().watch_events()
        assert len(made.node.library.event_sets) == 0


def test_a_part_without_events_reports_none() -> None:
    with rig() as made:
        made.library.answers["nvmlDeviceGetSupportedEventTypes"] = lambda _handle, _out: 0
        with pytest.raises(GpuAbsent):
            made.device().watch_events()


@pytest.mark.parametrize(
    "function", ["nvmlEventSetCreate", "nvmlDeviceGetSupportedEventTypes", "nvmlDeviceRegisterEvents"]
)
def test_a_registration_that_fails_is_tried_again_and_leaves_nothing_behind(function: str) -> None:
    with rig() as made:
        device = made.device()
        made.library.refusals[function] = UNKNOWN
        with pytest.raises(GpuFailed):
            device.watch_events()
        assert len(made.node.library.event_sets) == 0
        del made.library.refusals[function]
        assert "xid" in device.watch_events()


def test_registering_anew_leaves_one_registration() -> None:
    with rig() as made:
        device = watched(made)
        device.watch_events()
        made.node.xid(0, 31)
        assert device.wait_events(SOON) == (GpuEvent(xid=31),)
        assert device.wait_events(0.0) == ()
        assert len(made.node.library.event_sets) == 1


def test_waiting_for_a_lost_gpu_says_so() -> None:
    with rig() as made:
        device = watched(made)
        made.library.refusals["nvmlEventSetWait_v2"] = GPU_IS_LOST
        with pytest.raises(GpuLost):
            device.wait_events(0.0)


def test_waiting_without_a_registration_asks_for_one() -> None:
    with rig() as made, pytest.raises(GpuFailed):
        made.device().wait_events(0.0)
