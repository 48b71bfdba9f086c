"""What the exporter asks is recorded whole, without ids, and without anybody noticing."""

from __future__ import annotations

import ctypes
import inspect
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pynvml
import pytest

from atlas_ops.errors import EnvironmentProblem, UsageError
from atlas_ops.exporter.gpu.backend import GpuIdentity, GpuUnavailable
from atlas_ops.exporter.nvml import record
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.nvml.raw.recording import Recording
from atlas_ops.exporter.nvml.raw.writer import RecordingFile
from atlas_ops.exporter.nvml.record import RecordingLibrary, describe, driver_library
from atlas_ops.exporter.nvml.replay import ReplayLibrary
from atlas_ops.simulator import SimulatedNode
from atlas_ops.simulator.profiles import PROFILES, profile_by_name
from atlas_ops.simulator.state import GpuProcess

from .recordings import HEADER, Clock, Front, recording, replaying
from .rig import GIB, Rig, rig

PIDS = (3123457, 3123458)
SERIAL, BOARD = b"1563221017865", 0x1B2C3D


def lines(path: Path, function: str = "") -> list[dict[str, Any]]:
    told = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in told if not function or line.get("call") == function]


def asked(made: Rig, library: object) -> list[object]:
    """What the backend makes of every GPU of a library: all that it asks, twice, without the masked labels."""
    backend = Nvml(library, clock=made.clock)
    found: list[object] = []
    try:
        for device in backend.open():
            identity = device.identify()
            found.append(replace(identity, uuid=identity.uuid[:4], pci_bus_id=identity.pci_bus_id[:8]))
            rounds = [made.ask(device), made.ask(device)]
            for one in rounds:
                values = [(*key[:2], unmasked(key[2]), value) for key, value in one.values.items()]
                found.append((values, one.not_given, one.absent, one.failed))
            found += [device.throttle_mask(), device.throttle_bits(), device.throttle_counters()]
            found += [device.watch_events(), device.wait_events(0.0)]
    finally:
        backend.close()
    return found


def unmasked(labels: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(name, "" if name in ("pid", "pci_bus_id") else value) for name, value in labels]


@pytest.mark.parametrize("profile", [profile.name for profile in PROFILES])
def test_what_the_exporter_learns_from_a_recording_is_what_it_learned_from_the_driver(
    profile: str, tmp_path: Path
) -> None:
    path = tmp_path / "node.jsonl"
    with rig(profile, gpus=2) as made:
        clock = Clock()
        made.node.change(1, utilization_ratio=0.3, power_watts=99.0)
        with RecordingFile(path, HEADER, replace=False, clock=clock) as file:
            told = asked(made, RecordingLibrary(made.node.library, file))
        assert not file.not_recorded
        assert asked(made, ReplayLibrary(path, clock=clock)) == told
    assert any(isinstance(item, GpuIdentity) for item in told)
    fields = [field for line in lines(path, "nvmlDeviceGetFieldValues") for field in line["in"][1]]
    metrics = [metric for line in lines(path, "nvmlGpmMetricsGet") for metric in line["in"][0]["metrics"]]
    assert {key for question in fields + metrics for key in question} <= {"fieldId", "scopeId", "metricId"}, (
        "a record that is used again does not ask by the answer that is left in it"
    )


def test_activity_is_told_apart_by_gpu_and_by_instance(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    with rig("h100-mig", gpus=2) as made, RecordingFile(path, HEADER, replace=False) as file:
        asked(made, RecordingLibrary(made.node.library, file))
        instances = {part.gpu_instance for part in profile_by_name("h100-mig").mig}
    samples = {line["in"][0]["sample1"]["handle"] for line in lines(path, "nvmlGpmMetricsGet")}
    of_gpus = {"gpmSample gpu0", "gpmSample gpu1"}
    assert samples == of_gpus | {f"{of_gpu}/gi{number}" for of_gpu in of_gpus for number in instances}


def simple_functions() -> list[Callable[[object], object]]:
    """Functions of the binding about one GPU, but for those that fill one and the same object again and again."""
    functions = []
    for name, function in sorted(vars(pynvml).items()):
        if name.startswith("nvmlDeviceGet") and "HandleBy" not in name and callable(function):
            handle, *others = [parameter.default for parameter in inspect.signature(function).parameters.values()] or [
                0
            ]
            if handle is inspect.Parameter.empty and all(isinstance(default, int) for default in others):
                functions.append(function)
    return functions


def everything(handle: object) -> dict[str, object]:
    """What the simple functions give, in a form that can be compared."""
    found: dict[str, object] = {}
    for function in simple_functions():
        try:
            found[function.__name__] = bytes_of(function(handle))
        except (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError) as error:
            found[function.__name__] = str(error)
    return found


def bytes_of(answer: object) -> object:
    if isinstance(answer, ctypes.Structure | ctypes.Array):
        return bytes(answer)
    if isinstance(answer, ctypes._Pointer):
        return bool(answer)
    return answer.__dict__ if isinstance(answer, pynvml.nvmlFriendlyObject) else answer


def test_the_binding_gives_the_same_call_by_call(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    with rig(gpus=2) as made:
        with recording(path, made.node.library):
            told = [everything(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in (0, 1)]
        with replaying(path):
            again = [everything(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in (0, 1)]
    ids = {"nvmlDeviceGetUUID", "nvmlDeviceGetPciInfo", "nvmlDeviceGetPciInfo_v3"} | {
        name for name in told[0] if "RunningProcesses" in name
    }
    for index in (0, 1):
        assert {name: value for name, value in again[index].items() if name not in ids} == {
            name: value for name, value in told[index].items() if name not in ids
        }
        assert all(again[index][name] != told[index][name] for name in ("nvmlDeviceGetUUID", "nvmlDeviceGetPciInfo"))
    answered = [name for name, value in told[0].items() if not isinstance(value, str) or "Not" not in value]
    assert len(answered) > 25


def test_no_id_is_anywhere_in_the_file(tmp_path: Path) -> None:
    def serial(_handle: object, buffer: Any, _size: object) -> int:
        buffer.value = SERIAL
        return 0

    def board(_handle: object, number: Any) -> int:
        number._obj.value = BOARD
        return 0

    path = tmp_path / "node.jsonl"
    with rig("h100-mig", gpus=2) as made:
        for index in (0, 1):
            processes = tuple(GpuProcess(pid=pid + 10 * index, memory_bytes=GIB) for pid in PIDS)
            made.node.change(index, processes=processes)
        first = partial(made.node.library.nvmlDeviceGetHandleByIndex_v2, ctypes.c_uint(0))
        front = Front(
            made.node.library,
            nvmlDeviceGetSerial=serial,
            nvmlDeviceGetBoardId=board,
            nvmlDeviceGetHandleByUUID=lambda _uuid, handle: first(handle),
        )
        ids: list[str] = [SERIAL.decode(), str(BOARD)]
        with recording(path, front):
            for index in (0, 1):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                everything(handle)
                instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, 0)
                pci = pynvml.nvmlDeviceGetPciInfo(handle)
                ids += [pynvml.nvmlDeviceGetUUID(one) for one in (handle, instance)]
                ids += [pci.busId, pci.busIdLegacy, f'"bus":{pci.bus}', f'"bus":{pci.bus},']
                ids += [str(process.pid) for process in pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)]
            pynvml.nvmlDeviceGetHandleByUUID(ids[2].encode())
    text = path.read_text()
    assert len(set(ids)) == len(ids) >= 14
    assert [one for one in ids if one.lower() in text.lower()] == []
    assert [one[4:] for one in ids if one[:4] in ("GPU-", "MIG-") and one[4:] in text] == []
    (uuid, *_), (by_uuid, *_) = lines(path, "nvmlDeviceGetUUID"), lines(path, "nvmlDeviceGetHandleByUUID")
    assert by_uuid["in"][0] == uuid["out"][0], "one id has one mask, asked or answered"
    assert by_uuid["out"][1] == {"handle": "gpu0"}


def test_an_answer_that_stays_the_same_is_told_once(tmp_path: Path) -> None:
    path, clock = tmp_path / "node.jsonl", Clock()
    with rig() as made, recording(path, made.node.library, clock):
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        for watts in (300.0, 300.0, 400.0, 400.0, 300.0):
            clock.now += 1
            made.node.change(0, power_watts=watts)
            made.now_ns += 10**9  # field values bear the time at which they were found
            pynvml.nvmlDeviceGetPowerUsage(handle)
            pynvml.nvmlDeviceGetFieldValues(handle, [82])
    power = [(line["at"], line["out"]) for line in lines(path, "nvmlDeviceGetPowerUsage")]
    assert power == [(1.0, [300000]), (3.0, [400000]), (5.0, [300000])]
    assert len(lines(path, "nvmlDeviceGetFieldValues")) == 1


def test_what_cannot_be_recorded_passes_unharmed_and_is_named(tmp_path: Path) -> None:
    def details(_handle: object, listing: Any) -> int:
        if not listing._obj.procArray:
            listing._obj.numProcArrayEntries = 1
            return 7
        listing._obj.procArray[0].pid = PIDS[0]
        return 0

    def name_of(_pid: object, buffer: Any, _size: object) -> int:
        buffer.value = b"train.py"
        return 0

    path = tmp_path / "node.jsonl"
    with rig() as made:
        front = Front(
            made.node.library, nvmlDeviceGetRunningProcessDetailList=details, nvmlSystemGetProcessName=name_of
        )
        with recording(path, front) as file:
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            for _ in range(2):
                (process,) = pynvml.nvmlDeviceGetRunningProcessDetailList(handle, 0x1000010, 0)
                assert process.pid == PIDS[0]
                assert pynvml.nvmlSystemGetProcessName(PIDS[0]) == "train.py"
        assert file.not_recorded == ("nvmlDeviceGetRunningProcessDetailList", "nvmlSystemGetProcessName")
    reasons = [line["not_recorded"] for line in lines(path) if "not_recorded" in line]
    assert reasons == [
        "it has a value of the type LP_c_nvmlProcessDetail_v1_t",
        "it tells ids or keys that are not masked",
    ]
    assert str(PIDS[0]) not in path.read_text()
    assert "train.py" not in path.read_text()
    with replaying(path):
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlSystemGetProcessName(PIDS[0])


def test_refusals_and_missing_functions_are_as_they_were(tmp_path: Path) -> None:
    with rig() as made:
        front = Front(made.node.library, nvmlDeviceGetPowerUsage=None, nvmlDeviceGetTemperatureV=lambda *_: 15)
        with recording(tmp_path / "node.jsonl", front):
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            with pytest.raises(pynvml.NVMLError_FunctionNotFound):
                pynvml.nvmlDeviceGetPowerUsage(handle)
            with pytest.raises(pynvml.NVMLError_GpuIsLost):
                pynvml.nvmlDeviceGetTemperatureV(handle, 0)
            assert pynvml.nvmlErrorString(15) == "GPU is lost"
        with replaying(tmp_path / "node.jsonl"):
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            with pytest.raises(pynvml.NVMLError_FunctionNotFound):
                pynvml.nvmlDeviceGetPowerUsage(handle)
            with pytest.raises(pynvml.NVMLError_GpuIsLost):
                pynvml.nvmlDeviceGetTemperatureV(handle, 0)
            assert pynvml.nvmlErrorString(1234) == "NVML error 1234"


def test_a_call_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    with rig(gpus=2) as made, recording(path, made.node.library) as file:
        first, second = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1))
        made.node.set_condition(0, "wedged")
        hung = threading.Thread(target=lambda: pynvml.nvmlDeviceGetPowerUsage(first))
        hung.start()
        assert pynvml.nvmlDeviceGetPowerUsage(second) > 0
        answers = file.answers
        made.node.set_condition(0, "healthy")
        hung.join()
        assert file.answers == answers + 1
    assert [line["of"] for line in lines(path, "nvmlDeviceGetPowerUsage")] == ["gpu1", "gpu0"]


def test_many_threads_write_a_file_that_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    node = SimulatedNode(gpus=8)

    def ask(index: int) -> None:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        for watts in range(100):
            node.change(index, power_watts=float(watts))
            pynvml.nvmlDeviceGetPowerUsage(handle)

    with recording(path, node.library):
        threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    Recording(path)
    assert len(lines(path, "nvmlDeviceGetPowerUsage")) == 800


def test_a_full_disk_disturbs_no_call_and_is_told() -> None:
    with RecordingFile(Path("/dev/full"), HEADER, replace=True) as file, rig() as made:
        asked(made, RecordingLibrary(made.node.library, file))
        file.flush()
        assert isinstance(file.trouble, EnvironmentProblem)
        assert "No space left" in file.trouble.message
        asked(made, RecordingLibrary(made.node.library, file))


def test_a_call_that_outlasts_the_recording_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    with rig() as made:
        with RecordingFile(path, HEADER, replace=True) as file:
            pass
        asked(made, RecordingLibrary(made.node.library, file))
    assert file.trouble is None
    assert len(lines(path)) == 1


def test_a_file_is_replaced_only_by_who_wants_that(tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists"):
        RecordingFile(path, HEADER, replace=False)
    assert path.read_text() == "precious"
    with RecordingFile(path, HEADER, replace=True):
        pass
    assert path.read_text() == HEADER.line()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="No such file or directory"):
        RecordingFile(tmp_path / "no" / "node.jsonl", HEADER, replace=False)


def test_the_header_says_which_driver_and_which_gpus() -> None:
    node = SimulatedNode("l40s", driver="590", gpus=2)
    header = describe(node.library, interval_seconds=0.5)
    assert header.gpus == ("NVIDIA L40S", "NVIDIA L40S")
    assert header.driver.startswith("590.")
    assert header.nvml.endswith(header.driver)
    assert header.interval_seconds == 0.5


def test_a_machine_without_driver_or_gpu_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "_LIBRARY", "libno-such-driver.so.1")
    with pytest.raises(GpuUnavailable) as caught:
        driver_library()
    assert "install the NVIDIA driver" in caught.value.next_step
    for library in (SimulatedNode(gpus=0).library, object()):
        with pytest.raises(GpuUnavailable) as caught:
            describe(library, interval_seconds=1.0)
        assert caught.value.next_step
