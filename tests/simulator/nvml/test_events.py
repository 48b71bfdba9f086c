from __future__ import annotations

import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor

import pynvml
import pytest

from atlas_ops.errors import AtlasError
from atlas_ops.simulator import NvmlLibrary, SimulatedNode
from atlas_ops.simulator.state import EVENTS_KEPT, GpuState
from tests.simulator.binding import bound, code

from .conftest import Part

XID = pynvml.nvmlEventTypeXidCriticalError
DOUBLE_BIT = pynvml.nvmlEventTypeDoubleBitEccError
TIMEOUT, INVALID = pynvml.NVML_ERROR_TIMEOUT, pynvml.NVML_ERROR_INVALID_ARGUMENT
LONG_MS = 20_000


def registered(gpu: object, mask: int = XID) -> object:
    events = pynvml.nvmlEventSetCreate()
    pynvml.nvmlDeviceRegisterEvents(gpu, mask, events)
    return events


def drained(events: object) -> list[int]:
    """The data of everything that waits in a set."""
    found = []
    while True:
        try:
            found.append(pynvml.nvmlEventSetWait_v2(events, 0).eventData)
        except pynvml.NVMLError_Timeout:
            return found


def test_an_xid_reaches_a_set_that_waits(part: Part) -> None:
    node, _ = part(gpus=2)
    second = pynvml.nvmlDeviceGetHandleByIndex(1)
    events = registered(second)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(pynvml.nvmlEventSetWait_v2, events, LONG_MS)
        node.xid(0, 48)  # of a GPU that is not registered
        node.xid(1, 79)
        data = waiting.result()
    assert (data.eventType, data.eventData, data.gpuInstanceId) == (XID, 79, 0xFFFFFFFF)
    assert pynvml.nvmlDeviceGetUUID(data.device) == node.read()[1].uuid
    assert ctypes.cast(data.device, ctypes.c_void_p).value == ctypes.cast(second, ctypes.c_void_p).value


def test_every_set_gets_every_event_once_and_in_order(part: Part) -> None:
    node, gpu = part()
    sets = [registered(gpu), registered(gpu)]
    node.xid(0, 13, count=3)
    node.xid(0, 79)
    assert [drained(events) for events in sets] == [[13, 13, 13, 79]] * 2
    node.xid(0, 13)
    assert [drained(events) for events in sets] == [[13]] * 2


def test_what_was_before_the_registration_and_what_was_not_asked_for_is_not_told(part: Part) -> None:
    node, gpu = part()
    node.xid(0, 79)
    events = registered(gpu)
    node.event(0, DOUBLE_BIT)
    node.xid(0, 31)
    assert drained(events) == [31]
    pynvml.nvmlDeviceRegisterEvents(gpu, DOUBLE_BIT, events)
    node.event(0, DOUBLE_BIT)
    assert pynvml.nvmlEventSetWait_v2(events, 0).eventType == DOUBLE_BIT


def test_a_storm_is_kept_up_to_its_newest_events(part: Part) -> None:
    node, gpu = part()
    events = registered(gpu)
    node.xid(0, 1)
    node.xid(0, 94, count=EVENTS_KEPT)
    assert drained(events) == [94] * EVENTS_KEPT


def test_a_part_names_the_events_that_it_can_report(part: Part) -> None:
    _, gpu = part()
    mask = pynvml.nvmlDeviceGetSupportedEventTypes(gpu)
    assert mask & XID
    assert mask & DOUBLE_BIT
    assert mask & pynvml.nvmlEventTypeGpuRecoveryAction
    _, gpu = part("rtx4080s")
    mask = pynvml.nvmlDeviceGetSupportedEventTypes(gpu)
    assert mask & XID
    assert not mask & DOUBLE_BIT
    assert code(lambda: registered(gpu, XID | DOUBLE_BIT)) == pynvml.NVML_ERROR_NOT_SUPPORTED
    _, gpu = part(driver="535")
    assert not pynvml.nvmlDeviceGetSupportedEventTypes(gpu) & pynvml.nvmlEventTypeGpuRecoveryAction


def test_waiting_in_vain_ends_with_a_timeout(part: Part) -> None:
    _, gpu = part()
    events = registered(gpu)
    assert code(lambda: pynvml.nvmlEventSetWait_v2(events, 1)) == TIMEOUT


def test_a_set_that_was_given_back_is_none(part: Part) -> None:
    node, gpu = part()
    events = registered(gpu)
    pynvml.nvmlEventSetFree(events)
    assert len(node.library.event_sets) == 0
    for ask in (
        lambda: pynvml.nvmlEventSetWait_v2(events, 0),
        lambda: pynvml.nvmlEventSetFree(events),
        lambda: pynvml.nvmlDeviceRegisterEvents(gpu, XID, events),
    ):
        assert code(ask) == INVALID


def test_closing_the_library_ends_a_wait(part: Part) -> None:
    node, gpu = part()
    events = registered(gpu)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(code, lambda: pynvml.nvmlEventSetWait_v2(events, LONG_MS))
        node.library.close()
        assert waiting.result() == pynvml.NVML_ERROR_UNKNOWN


def test_gpus_that_cannot_be_read_have_no_events_until_they_can() -> None:
    node, readable = SimulatedNode(), threading.Event()
    readable.set()

    def read() -> tuple[GpuState, ...]:
        if not readable.is_set():
            raise AtlasError("gone")
        return node.read()

    with bound(NvmlLibrary(read)):
        events = registered(pynvml.nvmlDeviceGetHandleByIndex(0))
        readable.clear()
        node.xid(0, 79)
        with pytest.raises(pynvml.NVMLError_Timeout):
            pynvml.nvmlEventSetWait_v2(events, 0)
        readable.set()
        assert drained(events) == [79]
