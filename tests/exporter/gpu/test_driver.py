"""Drivers that are missing, reloaded, replaced or stuck, and the threads of the GPU collector."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu import collector as collector_module
from atlas_ops.exporter.gpu.backend import GpuLost, GpuNone, GpuUnavailable
from atlas_ops.exporter.gpu.collector import CALL_LIMIT_SECONDS

from .fake_gpu import FakeBackend
from .rig import Starter, gpu_threads, gpus, rigs, until

NO_DRIVER = GpuUnavailable("driver not loaded", next_step="load the kernel module")


@pytest.fixture
def measure() -> Iterator[Starter]:
    with rigs() as begin:
        yield begin


def test_a_reload_of_the_driver_is_survived_and_counters_go_on(measure: Starter) -> None:
    rig = measure(*gpus(2))
    until(lambda: rig.settled)
    rig.gpus[0].bits = lambda: 0x40
    until(lambda: (rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0) > 0.02)
    rig.backend.trouble = NO_DRIVER
    for gpu in rig.gpus:
        gpu.trouble = NO_DRIVER
    until(lambda: not rig.backend.is_open)
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    until(lambda: rig.up() == {"GPU-0": 0, "GPU-1": 0})
    counted = rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal")
    assert counted is not None
    for gpu in rig.gpus:
        gpu.trouble = None
    rig.backend.trouble = None
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})
    assert rig.backend.opened == 2, "old handles would be refused"
    assert (rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0) >= counted


def test_a_gpu_that_is_gone_after_a_reload_is_told_as_down_under_its_own_name(measure: Starter) -> None:
    rig = measure(*gpus(3))
    until(lambda: rig.settled)
    rig.backend.trouble = NO_DRIVER
    for gpu in rig.gpus:
        gpu.trouble = NO_DRIVER
    until(lambda: not rig.backend.is_open)
    del rig.gpus[1]
    for gpu in rig.gpus:
        gpu.trouble = None
    rig.backend.trouble = None
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 0, "GPU-2": 1})
    assert rig.value(s.GPU_UP, 1) == 1, "GPU-2 is at place 1 now"


def test_a_driver_on_which_no_gpu_answers_is_opened_anew(measure: Starter) -> None:
    rig = measure(*gpus(2))
    until(lambda: rig.settled)
    for gpu in rig.gpus:
        gpu.trouble = GpuLost("off the bus")
    until(lambda: rig.backend.opened >= 3)
    for gpu in rig.gpus:
        gpu.trouble = None
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})


def test_one_gpu_that_says_the_driver_is_gone_is_enough_to_open_it_anew(measure: Starter) -> None:
    rig = measure(*gpus(2))
    until(lambda: rig.settled)
    rig.gpus[0].trouble = NO_DRIVER
    until(lambda: rig.backend.opened >= 2)
    rig.gpus[0].trouble = None
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})


def test_a_loss_that_is_over_does_not_count_any_more(measure: Starter) -> None:
    rig = measure(*gpus(1), retry=600)
    until(lambda: rig.settled)
    rig.gpus[0].trouble = GpuLost("off the bus")
    until(lambda: rig.up() == {"GPU-0": 0})
    rig.gpus[0].trouble = None
    until(lambda: rig.up() == {"GPU-0": 1})
    rig.clock.ahead += 3600
    until(lambda: rig.up() == {"GPU-0": 1})
    time.sleep(0.05)
    assert rig.backend.opened == 1


def test_one_lost_gpu_does_not_cost_the_others_a_reopened_driver(measure: Starter) -> None:
    rig = measure(*gpus(2))
    until(lambda: rig.settled)
    rig.gpus[1].trouble = GpuLost("off the bus")
    until(lambda: rig.up()["GPU-1"] == 0)
    rig.clock.ahead += 3600
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 0})
    time.sleep(0.05)
    assert rig.backend.opened == 1


def test_without_a_driver_the_page_is_empty_and_one_line_says_so_until_there_is_one(
    measure: Starter, caplog: pytest.LogCaptureFixture
) -> None:
    backend = FakeBackend(*gpus(1))
    backend.trouble = NO_DRIVER
    with caplog.at_level(logging.INFO):
        rig = measure(backend=backend, retry=0.01)
        until(lambda: rig.collector.ready)
        assert rig.page() == {}
        time.sleep(0.05)
        lines = [record for record in caplog.records if "no GPU is measured" in record.message]
        assert len(lines) == 1, "told once, not at every attempt"
        assert lines[0].levelno == logging.INFO
        assert "load the kernel module" in lines[0].message
    backend.trouble = None
    until(lambda: rig.up() == {"GPU-0": 1})


@pytest.mark.parametrize(
    ("trouble", "works"),
    [
        (GpuNone("library not found", next_step="install the driver"), True),
        (NO_DRIVER, False),
        (ZeroDivisionError("the backend has a defect"), False),
    ],
)
def test_a_driver_that_does_not_open_is_a_failure_and_a_machine_without_gpus_is_none(
    measure: Starter, trouble: Exception, works: bool
) -> None:
    backend = FakeBackend(*gpus(1))
    backend.trouble = trouble
    rig = measure(backend=backend, retry=0.01)
    until(lambda: rig.collector.ready)
    last = rig.collector.last_round()
    assert last is not None
    assert last.success == works
    backend.trouble = None
    until(lambda: rig.up() == {"GPU-0": 1})
    last = rig.collector.last_round()
    assert last is not None
    assert last.success


def test_a_driver_that_hangs_when_it_is_opened_holds_up_nobody(
    measure: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector_module, "_GOODBYE_SECONDS", 0.0)
    backend = FakeBackend(*gpus(1))
    backend.gate = threading.Event()
    rig = measure(backend=backend)
    assert rig.page() == {}
    assert not rig.collector.ready
    rig.clock.ahead += 60
    last = rig.collector.last_round()
    assert last is not None
    assert not last.success
    assert last.age_seconds >= 60
    rig.collector.stop()
    backend.gate.set()
    until(lambda: backend.opened == backend.closed == 1)


def test_no_thread_is_left_after_stop_and_the_driver_is_let_go(measure: Starter) -> None:
    rig = measure(*gpus(4))
    until(lambda: rig.settled)
    assert len(gpu_threads()) == 13
    rig.collector.stop()
    assert gpu_threads() == []
    assert not rig.backend.is_open


def test_stop_leaves_a_wedged_call_behind_and_does_not_close_the_driver_under_it(
    measure: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector_module, "_GOODBYE_SECONDS", 0.2)
    rig = measure(*gpus(2))
    until(lambda: rig.settled)
    rig.gpus[1].hang("power")
    until(lambda: rig.gpus[1].hangs("power"))
    rig.collector.stop()
    assert gpu_threads() == ["gpu-1-reader"]
    assert rig.backend.is_open
    rig.gpus[1].release()
    until(lambda: not gpu_threads())


def test_a_call_that_returns_after_the_halt_changes_nothing(measure: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector_module, "_GOODBYE_SECONDS", 0.05)
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    rig.gpus[0].hang("power", "throttle_bits")
    until(lambda: rig.gpus[0].hangs("power") and rig.gpus[0].hangs("throttle_bits"))
    rig.collector.stop()
    rig.gpus[0].bits = lambda: 0x40
    rig.gpus[0].answers["power"] = []
    rig.gpus[0].release()
    until(lambda: not gpu_threads())
    assert rig.value(s.GPU_POWER, 0) == 412.5
    assert rig.value(s.GPU_THROTTLE_ACTIVE, 0, reason="hw_thermal") == 0
