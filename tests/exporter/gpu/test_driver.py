"""Drivers that are missing, reloaded, replaced or stuck, and the threads of the GPU collector."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pynvml
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu import collector as gpu_module
from atlas_ops.exporter.gpu.collector import CALL_LIMIT_SECONDS, GpuCollector
from atlas_ops.exporter.nvml.binding import Nvml

from .fake_nvml import DRIVER_NOT_LOADED, GPU_IS_LOST, UNINITIALIZED, FakeNvml
from .rig import HOST, Starter, gpu_threads, gpus, rigs, until, wedge


@pytest.fixture
def measure() -> Iterator[Starter]:
    with rigs() as begin:
        yield begin


def test_a_reload_of_the_driver_is_survived_and_counters_go_on(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(2)))
    until(lambda: rig.collector.ready)
    rig.library.gpus[0].throttle = lambda: 0x40
    until(lambda: (rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0) > 0.02)
    for gpu in rig.library.gpus:
        gpu.refuses_all = UNINITIALIZED
    rig.library.refusals = {"nvmlInitWithFlags": DRIVER_NOT_LOADED}
    until(lambda: rig.up() == {"GPU-0": 0, "GPU-1": 0})
    counted = rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal")
    assert counted is not None
    rig.library.driver_version = b"575.57.08"
    for gpu in rig.library.gpus:
        gpu.refuses_all = 0
    rig.library.refusals = {}
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})
    assert rig.library.sessions == 2, "old handles would be refused"
    assert (rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0) >= counted
    info = next(dict(labels) for signal, labels in rig.page() if signal is s.GPU_INFO)
    assert info["driver_version"] == "575.57.08"


def test_a_gpu_that_is_gone_after_a_reload_is_told_as_down_under_its_own_name(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(3)))
    until(lambda: rig.collector.ready)
    rig.library.refusals = {"nvmlInitWithFlags": DRIVER_NOT_LOADED}
    for gpu in rig.library.gpus:
        gpu.refuses_all = UNINITIALIZED
    until(lambda: rig.library.open_sessions == 0)
    del rig.library.gpus[1]
    for gpu in rig.library.gpus:
        gpu.refuses_all = 0
    rig.library.refusals = {}
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 0, "GPU-2": 1})
    assert rig.value(s.GPU_UP, 1) == 1, "GPU-2 is at place 1 now"


def test_a_driver_on_which_no_gpu_answers_is_opened_anew(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(2)))
    until(lambda: rig.collector.ready)
    for gpu in rig.library.gpus:
        gpu.refuses_all = GPU_IS_LOST
    until(lambda: rig.library.sessions >= 3)
    for gpu in rig.library.gpus:
        gpu.refuses_all = 0
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})


def test_one_gpu_that_says_the_driver_is_gone_is_enough_to_open_it_anew(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(2)))
    until(lambda: rig.collector.ready)
    rig.library.gpus[0].refuses_all = UNINITIALIZED
    until(lambda: rig.library.sessions >= 2)
    rig.library.gpus[0].refuses_all = 0
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})


def test_a_loss_that_is_over_does_not_count_any_more(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(1)), retry=600)
    until(lambda: rig.collector.ready)
    rig.library.gpus[0].refuses_all = GPU_IS_LOST
    until(lambda: rig.up() == {"GPU-0": 0})
    rig.library.gpus[0].refuses_all = 0
    until(lambda: rig.up() == {"GPU-0": 1})
    rig.clock.ahead += 3600
    until(lambda: rig.up() == {"GPU-0": 1})
    time.sleep(0.05)
    assert rig.library.sessions == 1


def test_one_lost_gpu_does_not_cost_the_others_a_reopened_driver(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(2)))
    until(lambda: rig.collector.ready)
    rig.library.gpus[1].refuses_all = GPU_IS_LOST
    until(lambda: rig.up()["GPU-1"] == 0)
    rig.clock.ahead += 3600
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 0})
    time.sleep(0.05)
    assert rig.library.sessions == 1


def test_without_the_library_there_is_nothing_but_what_is_expected_until_a_driver_is_installed(
    measure: Starter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library = FakeNvml(*gpus(1))
    installed, attempts = threading.Event(), []

    def load(name: str) -> FakeNvml:
        attempts.append(name)
        if not installed.is_set():
            raise OSError(f"{name}: cannot open shared object file")
        return library

    monkeypatch.setattr(pynvml, "CDLL", load)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    pynvml._nvmlGetFunctionPointer_cache.clear()
    with caplog.at_level(logging.INFO):
        rig = measure(library, backend=Nvml(), expected=8, retry=0.01)
        until(lambda: len(attempts) > 3)
        assert rig.collector.ready
        assert rig.page() == {(s.GPU_EXPECTED, (("host_name", HOST),)): 8}
        lines = [record for record in caplog.records if "no GPU is measured" in record.message]
        assert len(lines) == 1, "told once, not at every attempt"
        assert lines[0].levelno == logging.INFO
        assert "install the NVIDIA driver" in lines[0].message
    installed.set()
    until(lambda: rig.up() == {"GPU-0": 1})


def test_without_a_driver_and_without_an_expectation_the_page_is_empty(measure: Starter) -> None:
    library = FakeNvml()
    library.refusals["nvmlInitWithFlags"] = DRIVER_NOT_LOADED
    rig = measure(library)
    until(lambda: rig.collector.ready)
    assert rig.page() == {}


def test_a_driver_that_hangs_when_it_is_opened_holds_up_nobody(
    measure: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_module, "_GOODBYE_SECONDS", 0.0)
    library = FakeNvml(*gpus(1))
    gate = library.hang_at_init = threading.Event()
    rig = measure(library, expected=1)
    assert rig.page() == {(s.GPU_EXPECTED, (("host_name", HOST),)): 1}
    assert not rig.collector.ready
    rig.collector.stop()
    gate.set()
    until(lambda: library.open_sessions == 0)


def test_no_thread_is_left_after_stop_and_the_driver_is_let_go(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(4)))
    until(lambda: rig.collector.ready)
    assert len(gpu_threads()) == 5
    rig.collector.stop()
    assert gpu_threads() == []
    assert rig.library.open_sessions == 0


def test_stop_leaves_a_wedged_call_behind_and_does_not_close_the_driver_under_it(
    measure: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_module, "_GOODBYE_SECONDS", 0.05)
    rig = measure(FakeNvml(*gpus(2)))
    until(lambda: rig.collector.ready)
    gate = wedge(rig.library.gpus[1])
    rig.collector.stop()
    assert gpu_threads() == ["gpu-1"]
    assert rig.library.open_sessions == 1
    gate.set()
    until(lambda: not gpu_threads())


def test_a_collector_that_was_never_started_can_be_stopped() -> None:
    collector = GpuCollector(Nvml(FakeNvml()), host_name=HOST, expected=None)
    collector.stop()
    assert collector.collect() == []
