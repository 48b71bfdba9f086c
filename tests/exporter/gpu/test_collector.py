"""The page of the GPU collector: fresh while a GPU answers, its counters alone while it does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from atlas_ops.catalog import conventions
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import SignalType
from atlas_ops.exporter.gpu.collector import CALL_LIMIT_SECONDS
from atlas_ops.exporter.gpu.backend import GpuIdentity, Reading
from atlas_ops.exporter.gpu.record import GpuRecord

from .fake_nvml import GPU_IS_LOST, NO_PERMISSION, UNKNOWN, FakeGpu, FakeNvml
from .rig import HOST, Starter, gpu_threads, gpus, rigs, until, wedge, who

BASIC = {
    s.GPU_INFO,
    s.GPU_UP,
    s.GPU_UTILIZATION,
    s.GPU_MEMORY_USED,
    s.GPU_MEMORY_FREE,
    s.GPU_MEMORY_RESERVED,
    s.GPU_MEMORY_TOTAL,
    s.GPU_TEMPERATURE,
    s.GPU_TEMPERATURE_MARGIN,
    s.GPU_POWER,
    s.GPU_POWER_LIMIT,
    s.GPU_ENERGY,
    s.GPU_CLOCK,
    s.GPU_CLOCK_MAX,
    s.GPU_THROTTLE_ACTIVE,
    s.GPU_THROTTLE_SECONDS,
    s.GPU_THROTTLE_EVENTS,
    s.GPU_THROTTLE_LONGEST,
    s.GPU_THROTTLE_SOURCE,
    s.GPU_FAN,
    s.GPU_METRIC_SUPPORTED,
    s.EXPORTER_TICK_GAP,
}
WHEN_DOWN = {signal for signal in BASIC if signal.type is SignalType.COUNTER} | {s.GPU_UP, s.EXPORTER_TICK_GAP}


@pytest.fixture
def measure() -> Iterator[Starter]:
    with rigs() as begin:
        yield begin


def test_a_healthy_gpu_tells_every_basic_signal(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(1)), expected=2)
    until(lambda: rig.collector.ready)
    page = rig.page()
    assert {signal for signal, _ in page} == BASIC | {s.GPU_EXPECTED}
    assert page[s.GPU_EXPECTED, (("host_name", HOST),)] == 2
    own = who(rig.library.gpus[0], 0)
    facts = (("name", "NVIDIA H100 80GB HBM3"), ("driver_version", "550.54.15"), ("pci_bus_id", "00000000:1B:00.0"))
    assert page[s.GPU_INFO, own + facts] == 1
    assert page[s.GPU_UP, own] == 1
    assert page[s.GPU_POWER, own] == 412.5
    assert page[s.GPU_METRIC_SUPPORTED, (*own, ("signal", "atlas_gpu_power_watts"))] == 1
    for reason in conventions.THROTTLE_REASONS:
        assert page[s.GPU_THROTTLE_EVENTS, (*own, ("reason", reason))] == 0
        assert page[s.GPU_THROTTLE_SOURCE, (*own, ("reason", reason), ("source", "sampled"))] == 1


def test_new_values_of_the_driver_reach_the_page(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(1)))
    until(lambda: rig.value(s.GPU_TEMPERATURE, 0, sensor="gpu") == 61)
    rig.library.gpus[0].temperature = 83
    until(lambda: rig.value(s.GPU_TEMPERATURE, 0, sensor="gpu") == 83)


def test_the_running_sampler_counts_throttling(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(1)))
    until(lambda: rig.collector.ready)
    rig.library.gpus[0].throttle = lambda: 0x40
    until(lambda: (rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0) > 0.02)
    until(lambda: rig.value(s.GPU_THROTTLE_ACTIVE, 0, reason="hw_thermal") == 1)
    assert rig.value(s.GPU_THROTTLE_EVENTS, 0, reason="hw_thermal") == 1
    assert rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="sw_thermal") == 0


def test_one_wedged_gpu_of_eight_leaves_the_other_seven_fresh(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(8)))
    until(lambda: rig.collector.ready)
    gate = wedge(rig.library.gpus[3])
    for gpu in rig.library.gpus:
        gpu.temperature = 77
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    others = [index for index in range(8) if index != 3]
    # Collecting at all proves that it does not wait: the call of GPU 3 does not return before the gate opens.
    until(lambda: all(rig.value(s.GPU_TEMPERATURE, index, sensor="gpu") == 77 for index in others))
    until(lambda: rig.up() == {f"GPU-{index}": float(index != 3) for index in range(8)})
    assert rig.of(3) == WHEN_DOWN
    assert all(rig.of(index) == BASIC for index in others)
    rig.library.gpus[3].hang = None
    gate.set()
    until(lambda: rig.up()["GPU-3"] == 1)
    until(lambda: rig.value(s.GPU_TEMPERATURE, 3, sensor="gpu") == 77)


def test_a_reading_is_told_for_five_seconds_and_no_longer() -> None:
    record = GpuRecord(GpuIdentity(index=0, uuid="GPU-0"), 0.0)
    record.accept(Reading(values=(), support=()), 10.0)

    def up(now: float) -> float:
        return next(sample.value for sample in record.samples(HOST, now, 5.0) if sample.signal is s.GPU_UP)

    assert (up(10.0), up(15.0), up(15.1)) == (1, 1, 0)


@pytest.mark.parametrize("code", [GPU_IS_LOST, UNKNOWN])
def test_a_lost_gpu_keeps_its_counters_alone_and_recovers_by_itself(measure: Starter, code: int) -> None:
    rig = measure(FakeNvml(*gpus(2)))
    lost = rig.library.gpus[1]
    lost.throttle = lambda: 0x40
    until(lambda: (rig.value(s.GPU_THROTTLE_SECONDS, 1, reason="hw_thermal") or 0) > 0.02)
    lost.refuses_all = code
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 0})
    assert rig.of(1) == WHEN_DOWN
    assert rig.of(0) == BASIC
    assert rig.value(s.GPU_ENERGY, 1) == 9000.25
    counted = rig.value(s.GPU_THROTTLE_SECONDS, 1, reason="hw_thermal")
    assert counted is not None
    lost.refuses_all = 0
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})
    assert (rig.value(s.GPU_THROTTLE_SECONDS, 1, reason="hw_thermal") or 0) >= counted
    assert rig.of(1) == BASIC


def test_another_gpu_in_the_place_of_a_lost_one_is_not_taken_for_it(measure: Starter) -> None:
    rig = measure(FakeNvml(*gpus(2)))
    until(lambda: rig.collector.ready)
    rig.library.gpus[1].refuses_all = GPU_IS_LOST
    until(lambda: rig.up()["GPU-1"] == 0)
    rig.library.gpus[1] = FakeGpu(uuid="GPU-new")
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 0, "GPU-new": 1})


def test_a_gpu_that_is_lost_from_the_start_is_told_as_down(measure: Starter) -> None:
    library = FakeNvml(*gpus(2))
    library.gpus[1].refuses_all = GPU_IS_LOST
    rig = measure(library)
    until(lambda: rig.collector.ready)
    page = rig.page()
    assert page[s.GPU_UP, who(library.gpus[0], 0)] == 1
    assert page[s.GPU_UP, (("gpu", "1"), ("host_name", HOST))] == 0
    library.gpus[1].refuses_all = 0
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})


def test_a_gpu_that_hangs_at_its_first_call_is_told_as_down_after_five_seconds(measure: Starter) -> None:
    library = FakeNvml(*gpus(2))
    library.gpus[1].hang = threading.Event()
    rig = measure(library)
    until(lambda: rig.up() == {"GPU-0": 1})
    assert not rig.collector.ready
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    until(lambda: rig.up() == {"GPU-0": 1, "": 0})
    assert rig.collector.ready


def test_a_gpu_of_another_container_is_left_out(measure: Starter, caplog: pytest.LogCaptureFixture) -> None:
    library = FakeNvml(*gpus(2))
    library.gpus[0].refusals = {"nvmlDeviceGetHandleByIndex_v2": NO_PERMISSION}
    with caplog.at_level(logging.INFO):
        rig = measure(library)
        until(lambda: rig.up() == {"GPU-1": 1})
        until(lambda: rig.collector.ready)
    until(lambda: sorted(gpu_threads()) == ["gpu-1", "gpu-supervisor"])
    assert rig.up() == {"GPU-1": 1}
    assert [r.message for r in caplog.records if "left out" in r.message] == [
        "GPU 0 is left out: nvmlDeviceGetHandleByIndex: no permission"
    ]
