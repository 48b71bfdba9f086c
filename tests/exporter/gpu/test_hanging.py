"""Driver calls that hang or fail: what each costs, that it shows, and that it is asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu import throttle_ledger, watcher
from atlas_ops.exporter.gpu.backend import Value
from atlas_ops.exporter.gpu.collector import CALL_LIMIT_SECONDS
from atlas_ops.exporter.gpu.relay import MOST_LEFT_BEHIND

from .fake_gpu import FakeGpu
from .rig import BASIC, WHEN_DOWN, Starter, gpu_threads, gpus, rigs, until


@pytest.fixture
def measure() -> Iterator[Starter]:
    with rigs() as begin:
        yield begin


def test_a_question_that_hangs_costs_its_own_signals_and_is_asked_again_when_it_returns(measure: Starter) -> None:
    rig = measure(*gpus(1), limit=0.05)
    until(lambda: rig.settled)
    gpu = rig.gpus[0]
    gpu.hang("power")
    until(lambda: rig.of(0) == BASIC - {s.GPU_POWER})
    assert rig.up() == {"GPU-0": 1}
    assert rig.own(s.EXPORTER_GPU_FAILING, 0) == 1
    assert (rig.own(s.EXPORTER_CALL_IN_FLIGHT, 0) or 0) > 0.05
    gpu.temperature(90)
    until(lambda: rig.value(s.GPU_TEMPERATURE, 0, sensor="gpu") == 90)
    gpu.release("power")
    until(lambda: rig.of(0) == BASIC)
    until(lambda: rig.own(s.EXPORTER_GPU_FAILING, 0) == 0)
    assert gpu_threads() == ["gpu-0-reader", "gpu-0-sampler", "gpu-0-watcher", "gpu-supervisor"]


def test_some_questions_that_hang_are_enough_and_the_gpu_recovers_when_one_returns(measure: Starter) -> None:
    gpu = FakeGpu(uuid="GPU-0", answers={"clock": [Value(s.GPU_FAN, 0.5)], "memory": [Value(s.GPU_UTILIZATION, 0.5)]})
    rig = measure(gpu, limit=0.05)
    until(lambda: rig.settled)
    gpu.hang("temperature", "power", "energy", "clock", "memory")
    until(lambda: rig.own(s.EXPORTER_GPU_FAILING, 0) == MOST_LEFT_BEHIND)
    until(lambda: rig.up() == {"GPU-0": 0})
    readers = [name for name in gpu_threads() if name.endswith("reader")]
    assert len(readers) == MOST_LEFT_BEHIND, "no thread more is left in the driver"
    gpu.release()
    until(lambda: rig.up() == {"GPU-0": 1})
    until(lambda: rig.own(s.EXPORTER_GPU_FAILING, 0) == 0)


def test_a_question_that_hangs_costs_the_sampler_no_tick(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    rig.gpus[0].hang("power")
    until(lambda: rig.gpus[0].hangs("power"))
    rig.gpus[0].bits = lambda: 0x40
    until(lambda: (rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0) > 0.02)


def test_a_sampler_that_hangs_costs_the_throttle_signals_alone_and_shows(measure: Starter) -> None:
    rig = measure(*gpus(1), limit=0.05)
    until(lambda: rig.settled)
    rig.gpus[0].hang("throttle_bits")
    until(lambda: rig.of(0) == BASIC - {s.GPU_THROTTLE_ACTIVE})
    until(lambda: (rig.own(s.EXPORTER_TICK_GAP, 0) or 0) > 0.05)
    assert rig.up() == {"GPU-0": 1}


def test_one_wedged_gpu_of_eight_leaves_the_other_seven_fresh(measure: Starter) -> None:
    rig = measure(*gpus(8))
    until(lambda: rig.settled)
    rig.gpus[3].hang()
    until(lambda: rig.gpus[3].hangs())
    for gpu in rig.gpus:
        gpu.temperature(77)
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    others = [index for index in range(8) if index != 3]
    # Collecting at all proves that it does not wait: no call about GPU 3 returns before it is released.
    until(lambda: all(rig.value(s.GPU_TEMPERATURE, index, sensor="gpu") == 77 for index in others))
    until(lambda: rig.up() == {f"GPU-{index}": float(index != 3) for index in range(8)})
    assert rig.of(3) == WHEN_DOWN
    assert (rig.own(s.EXPORTER_CALL_IN_FLIGHT, 3) or 0) > CALL_LIMIT_SECONDS
    assert all(rig.of(index) == BASIC for index in others)
    rig.gpus[3].release()
    until(lambda: rig.up()["GPU-3"] == 1)
    until(lambda: rig.value(s.GPU_TEMPERATURE, 3, sensor="gpu") == 77)


def test_a_gpu_that_hangs_at_its_first_call_is_told_as_down_after_five_seconds(measure: Starter) -> None:
    first, second = gpus(2)
    second.hang()
    rig = measure(first, second)
    until(lambda: rig.up() == {"GPU-0": 1})
    assert not rig.collector.ready
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    until(lambda: rig.up() == {"GPU-0": 1, "": 0})
    assert rig.collector.ready


def test_an_answer_that_is_made_while_it_is_read_may_hang_too(measure: Starter) -> None:
    gate = threading.Event()

    class Lazy(list[Value]):
        def __iter__(self) -> Iterator[Value]:
            gate.wait()
            return iter(())

    rig = measure(*gpus(1), limit=0.05)
    until(lambda: rig.settled)
    rig.gpus[0].answers["power"] = Lazy()
    until(lambda: rig.own(s.EXPORTER_GPU_FAILING, 0) == 1)
    rig.gpus[0].temperature(90)
    until(lambda: rig.value(s.GPU_TEMPERATURE, 0, sensor="gpu") == 90)
    gate.set()


def test_counters_of_the_hardware_go_on_while_the_sampler_hangs_or_fails(
    measure: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As long as two looks at the counters, as with real GPUs: what a sampler missed before would count against them.
    monkeypatch.setattr(throttle_ledger, "UNWATCHED_SECONDS", 0.02)
    (gpu,) = gpus(1)
    gpu.counters = lambda: {"hw_thermal": int(1e9 * time.monotonic())}
    gpu.bits = lambda: 0x40
    rig = measure(gpu)

    def counted() -> float:
        return rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0.0

    until(lambda: rig.value(s.GPU_THROTTLE_SOURCE, 0, reason="hw_thermal", source="hardware_counter") == 1)
    gpu.hang("throttle_bits")
    until(lambda: gpu.hangs("throttle_bits"))
    before = counted()
    until(lambda: counted() > before + 0.1)
    gpu.release()
    gpu.bits = lambda: None
    rig.clock.ahead += 3
    until(lambda: rig.own(s.EXPORTER_GPU_FAILING, 0) == 1)
    until(lambda: rig.value(s.GPU_THROTTLE_SOURCE, 0, reason="hw_thermal", source="hardware_counter") == 1)


def test_what_the_hardware_counted_before_is_told_however_slow_the_first_round_is(measure: Starter) -> None:
    (gpu,) = gpus(1)
    gpu.counters = lambda: {"hw_thermal": 42_000_000_000}
    gpu.hang("power")
    rig = measure(gpu)
    until(lambda: rig.value(s.GPU_THROTTLE_ACTIVE, 0, reason="hw_thermal") == 0)
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    until(lambda: rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="sw_thermal") == 0)
    assert rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") in (None, 42)
    until(lambda: rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") == 42)


def test_a_gpu_at_rest_has_no_call_in_flight_although_its_events_are_waited_for(
    measure: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    gpu = rig.gpus[0]
    monkeypatch.setattr(watcher, "WAIT_SECONDS", 60.0)
    waited = gpu.asked.count("wait_events")
    until(lambda: gpu.asked.count("wait_events") > waited + 1)
    gpu.hang("wait_events")
    until(lambda: gpu.hangs("wait_events"))
    until(lambda: rig.own(s.EXPORTER_CALL_IN_FLIGHT, 0) == 0)
    rig.clock.ahead += 100
    until(lambda: (rig.own(s.EXPORTER_CALL_IN_FLIGHT, 0) or 0) > 30)


def test_questions_that_cannot_be_made_are_tried_again(measure: Starter, caplog: pytest.LogCaptureFixture) -> None:
    (gpu,) = gpus(1)
    gpu.defect = ValueError("the backend has a bug")
    rig = measure(gpu)
    until(lambda: gpu.asked.count("identify") > 3)
    assert len([record for record in caplog.records if "defect" in record.message]) == 1, "told once"
    gpu.defect = None
    until(lambda: rig.up() == {"GPU-0": 1})


def test_questions_behind_one_call_hang_together_and_cost_one_thread(measure: Starter) -> None:
    gpu = FakeGpu(uuid="GPU-0", calls=dict.fromkeys(("power", "energy", "limit"), "one call"))
    rig = measure(gpu, limit=0.05)
    until(lambda: rig.settled)
    gpu.hang("power", "energy", "limit")
    until(lambda: rig.of(0) == BASIC - {s.GPU_POWER, s.GPU_POWER_LIMIT})
    until(lambda: rig.own(s.EXPORTER_GPU_FAILING, 0) == 3)
    assert len([name for name in gpu_threads() if name.endswith("reader")]) == 2
    assert rig.value(s.GPU_ENERGY, 0) == 9000.25, "a counter stays"


def test_a_backend_with_a_defect_costs_no_thread(measure: Starter, caplog: pytest.LogCaptureFixture) -> None:
    def defect() -> int:
        raise ZeroDivisionError

    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    rig.gpus[0].bits = defect
    until(lambda: any("defect" in record.message for record in caplog.records))
    rig.gpus[0].bits = lambda: 0x40
    until(lambda: rig.value(s.GPU_THROTTLE_ACTIVE, 0, reason="hw_thermal") == 1)
    assert len([record for record in caplog.records if "defect" in record.message]) == 1


def test_counters_of_the_hardware_are_told_when_the_part_has_them(measure: Starter) -> None:
    (gpu,) = gpus(1)
    gpu.counters = lambda: {"hw_thermal": 42_000_000_000}
    rig = measure(gpu)
    until(lambda: rig.settled)
    until(lambda: rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") == 42)
    assert rig.value(s.GPU_THROTTLE_SOURCE, 0, reason="hw_thermal", source="hardware_counter") == 1
    assert rig.value(s.GPU_THROTTLE_SOURCE, 0, reason="sw_thermal", source="sampled") == 1
    gpu.hang("throttle_counters")
    until(lambda: gpu.hangs("throttle_counters"))
    rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
    gpu.bits = lambda: 0x40
    until(lambda: rig.value(s.GPU_THROTTLE_SOURCE, 0, reason="hw_thermal", source="sampled") == 1)
    until(lambda: (rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0) > 42.02)
    assert rig.up() == {"GPU-0": 1}
