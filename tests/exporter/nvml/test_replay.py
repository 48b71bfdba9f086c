"""A recording answers as the driver did: at its time, each event once, and nothing that was never asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from atlas_ops.errors import ConfigError
from atlas_ops.exporter.nvml.raw.lines import Answer
from atlas_ops.exporter.nvml.replay import ReplayLibrary
from atlas_ops.simulator import SimulatedNode

from .recordings import HEADER, Clock, recording, replaying, under_the_binding
from .rig import rig

XID, FOREVER_MS, PATIENCE_SECONDS = 0x8, 600_000, 30


def power_at(folder: Path, *watts: float, then: Callable[[object], object] = lambda _: None) -> Path:
    """A recording of a GPU whose power changes every second."""
    path, clock, node = folder / "node.jsonl", Clock(), SimulatedNode()
    with recording(path, node.library, clock):
        for number in watts:
            node.change(0, power_watts=number)
            pynvml.nvmlDeviceGetPowerUsage(pynvml.nvmlDeviceGetHandleByIndex(0))
            clock.now += 1
        then(pynvml.nvmlDeviceGetHandleByIndex(0))
    return path


def xids_at(folder: Path, *events: tuple[float, int, int]) -> Path:
    """A recording of two GPUs with (seconds, GPU, XID) events, seen by an event set for each GPU."""
    path, clock, node = folder / "node.jsonl", Clock(), SimulatedNode(gpus=2)
    with recording(path, node.library, clock):
        sets = [watching(index) for index in (0, 1)]
        for index in (0, 1):
            assert xids(sets[index]) == []
        for at, index, code in events:
            clock.now = at
            node.xid(index, code)
            assert xids(sets[index]) == [code]
    node.library.close()
    return path


def watching(*indices: int) -> object:
    event_set = pynvml.nvmlEventSetCreate()
    for index in indices:
        pynvml.nvmlDeviceRegisterEvents(pynvml.nvmlDeviceGetHandleByIndex(index), XID, event_set)
    return event_set


def xids(event_set: object, milliseconds: int = 0) -> list[int]:
    """The codes of all events that a set has by now."""
    found = []
    while True:
        try:
            found.append(pynvml.nvmlEventSetWait_v2(event_set, milliseconds).eventData)
        except pynvml.NVMLError_Timeout:
            return found


def test_answers_come_at_the_time_at_which_they_were_given(tmp_path: Path) -> None:
    with replaying(power_at(tmp_path, 100, 200, 300)) as clock:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        told = []
        for clock.now in (0.0, 0.9, 1.1, 1.9, 2.1, 3600.0):
            told.append(pynvml.nvmlDeviceGetPowerUsage(handle) // 1000)
    assert told == [100, 100, 200, 200, 300, 300], "behind the end its last answers stay"


def test_time_begins_when_the_driver_is_opened_and_goes_on_when_it_is_opened_again(tmp_path: Path) -> None:
    clock = Clock(now=500.0)
    library = ReplayLibrary(power_at(tmp_path, 100, 200), clock=clock)
    clock.now = 1000.0
    told = []
    for _ in range(2):
        with under_the_binding(library):
            told.append(pynvml.nvmlDeviceGetPowerUsage(pynvml.nvmlDeviceGetHandleByIndex(0)) // 1000)
        clock.now += 1.5
    assert told == [100, 200]


def test_what_was_never_asked_is_not_supported_and_what_was_never_called_not_there(tmp_path: Path) -> None:
    def ask(handle: object) -> None:
        pynvml.nvmlDeviceGetClockInfo(handle, 0)

    with replaying(power_at(tmp_path, 100, then=ask)):
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        assert pynvml.nvmlDeviceGetClockInfo(handle, 0) > 0
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetClockInfo(handle, 1)
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetHandleByIndex(1)
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetPowerUsage(pynvml.c_nvmlDevice_t())
        with pytest.raises(pynvml.NVMLError_FunctionNotFound):
            pynvml.nvmlDeviceGetTemperatureV(handle, 0)


def test_arguments_that_no_recording_can_hold_are_not_supported(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    name = "nvmlDeviceGetRunningProcessDetailList"
    path.write_text(HEADER.line() + Answer(at=0.0, function=name, code=7, outputs=[{"numProcArrayEntries": 1}]).line())
    with replaying(path), pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetRunningProcessDetailList(None, 0x1000010, 0)


def test_each_event_is_told_once_to_each_set_that_watches_its_gpu(tmp_path: Path) -> None:
    path = xids_at(tmp_path, (1.0, 0, 79), (2.0, 1, 48), (2.0, 0, 79), (3.0, 0, 31))
    with replaying(path) as clock:
        first, both, other = watching(0), watching(0, 1), watching(1)
        assert [xids(each) for each in (first, both, other)] == [[], [], []]
        clock.now = 2.5
        assert [xids(each) for each in (first, both, other)] == [[79, 79], [79, 48, 79], [48]]
        assert xids(first) == []
        clock.now = 9.0
        assert [xids(each) for each in (first, both, other)] == [[31], [31], []]


def test_a_storm_of_the_same_event_is_told_in_full(tmp_path: Path) -> None:
    path, node = tmp_path / "node.jsonl", SimulatedNode()
    with recording(path, node.library):
        event_set = watching(0)
        node.xid(0, 31, count=5)
        assert xids(event_set) == [31] * 5
    path.write_text(path.read_text().replace('"at":0.0', '"at":1.0'))
    with replaying(path) as clock:
        event_set = watching(0)
        clock.now = 1.0
        assert xids(event_set) == [31] * 5


def test_an_event_says_on_which_gpu_it_was(tmp_path: Path) -> None:
    with replaying(xids_at(tmp_path, (1.0, 1, 48))) as clock:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1)]
        event_set = watching(0, 1)
        clock.now = 1.0
        event = pynvml.nvmlEventSetWait_v2(event_set, 0)
    assert bytes(event.device) == bytes(handles[1]) != bytes(handles[0])
    assert (event.eventType, event.eventData, event.gpuInstanceId) == (XID, 48, 0xFFFFFFFF)


def test_events_from_before_the_registration_are_lost_as_they_are_with_the_driver(tmp_path: Path) -> None:
    with replaying(xids_at(tmp_path, (1.0, 0, 79), (2.0, 0, 31))) as clock:
        clock.now = 1.5
        event_set = watching(0)
        clock.now = 2.5
        assert xids(event_set) == [31]
        pynvml.nvmlEventSetFree(event_set)
        assert xids(event_set) == []


def test_a_recording_without_events_tells_none(tmp_path: Path) -> None:
    with replaying(xids_at(tmp_path)):
        event_set = watching(0)
        with pytest.raises(pynvml.NVMLError_Timeout):
            pynvml.nvmlEventSetWait_v2(event_set, 1)


def test_who_waits_for_an_event_is_woken_by_it_and_holds_up_no_other_call(tmp_path: Path) -> None:
    found: list[int] = []
    with replaying(xids_at(tmp_path, (0.02, 0, 79))) as clock:
        event_set = watching(0)
        waiting = threading.Thread(
            target=lambda: found.append(pynvml.nvmlEventSetWait_v2(event_set, FOREVER_MS).eventData), daemon=True
        )
        waiting.start()
        assert pynvml.nvmlDeviceGetHandleByIndex(0)
        assert not found
        clock.now = 1.0
        waiting.join(PATIENCE_SECONDS)
    assert found == [79]


def test_an_answer_that_fits_no_argument_costs_its_own_call_and_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = power_at(tmp_path, 100)
    path.write_text(path.read_text().replace("[100000]", '["a lot"]'))
    with replaying(path):
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        for _ in range(2):
            with pytest.raises(pynvml.NVMLError_Unknown):
                pynvml.nvmlDeviceGetPowerUsage(handle)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "nvmlDeviceGetPowerUsage" in warnings[0]
    assert "expected a number that fits c_uint, found 'a lot'" in warnings[0]


@pytest.mark.parametrize("outputs", ["[61, 7]", "[null, 61, 7]", '[{"gpu": 1}]'])
def test_answers_to_other_arguments_are_of_no_use(outputs: str, tmp_path: Path) -> None:
    path = power_at(tmp_path, 100)
    path.write_text(path.read_text().replace("[100000]", outputs))
    with replaying(path), pytest.raises(pynvml.NVMLError_Unknown):
        pynvml.nvmlDeviceGetPowerUsage(pynvml.nvmlDeviceGetHandleByIndex(0))


def test_a_recording_that_was_cut_off_can_be_closed(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    with rig() as made:
        with recording(path, made.node.library):
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            pynvml.nvmlGpmSampleGet(handle, pynvml.nvmlGpmSampleAlloc())
            pynvml.nvmlEventSetCreate()
        path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with replaying(path):
        pynvml.nvmlGpmSampleFree(pynvml.nvmlGpmSampleAlloc())
        pynvml.nvmlEventSetFree(pynvml.nvmlEventSetCreate())


def test_what_is_replayed_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = power_at(tmp_path, 100)
    with caplog.at_level(logging.INFO), replaying(path):
        pass
    assert "1 GPU(s), driver 580.82.07, of 2026-01-31" in caplog.text


def test_a_file_that_is_no_recording_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    path.write_text("{}\n")
    with pytest.raises(ConfigError):
        ReplayLibrary(path)
