"""The page of the GPU collector: fresh while a GPU answers, its counters alone while it does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from atlas_ops.catalog import conventions
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuForbidden, GpuLost, Value
from atlas_ops.exporter.gpu.collector import CALL_LIMIT_SECONDS
from atlas_ops.exporter.gpu.reader import ABSENT_SECONDS
from atlas_ops.exporter.samples import labels

from .fake_gpu import INSTANCE, FakeGpu, failed
from .rig import BASIC, WHEN_DOWN, Starter, gpu_threads, gpus, rigs, until, who


@pytest.fixture
def measure() -> Iterator[Starter]:
    with rigs() as begin:
        yield begin


def test_a_healthy_gpu_tells_every_basic_signal(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    page = rig.page()
    assert {signal for signal, _ in page} == BASIC
    own = who(rig.gpus[0], 0)
    assert page[s.GPU_UP, own] == 1
    assert page[s.GPU_POWER, own] == 412.5
    assert page[s.GPU_METRIC_SUPPORTED, (*own, ("signal", "atlas_gpu_power_watts"))] == 1
    for reason in conventions.THROTTLE_REASONS:
        assert page[s.GPU_THROTTLE_EVENTS, (*own, ("reason", reason))] == 0
        assert page[s.GPU_THROTTLE_SOURCE, (*own, ("reason", reason), ("source", "sampled"))] == 1


def test_new_values_of_the_driver_reach_the_page(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.value(s.GPU_TEMPERATURE, 0, sensor="gpu") == 61)
    rig.gpus[0].temperature(83)
    until(lambda: rig.value(s.GPU_TEMPERATURE, 0, sensor="gpu") == 83)


def test_the_running_sampler_counts_throttling_and_says_when_it_last_saw_it(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    assert rig.value(s.GPU_THROTTLE_LAST, 0, reason="hw_thermal") is None
    rig.gpus[0].bits = lambda: 0x40
    until(lambda: (rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") or 0) > 0.02)
    assert rig.value(s.GPU_THROTTLE_ACTIVE, 0, reason="hw_thermal") == 1
    assert rig.value(s.GPU_THROTTLE_EVENTS, 0, reason="hw_thermal") == 1
    assert rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="sw_thermal") == 0
    assert (rig.value(s.GPU_THROTTLE_LAST, 0, reason="hw_thermal") or 0) > 1e9


def test_only_reasons_that_the_part_has_are_told_and_none_of_a_part_without(measure: Starter) -> None:
    some, without = gpus(2)
    some.mask, without.mask = 0x44, 0
    rig = measure(some, without)
    until(lambda: rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") == 0)
    until(lambda: rig.value(s.GPU_METRIC_SUPPORTED, 1, signal="atlas_gpu_throttle_seconds_total") == 0)
    told = {dict(labels)["reason"] for signal, labels in rig.page() if signal is s.GPU_THROTTLE_SECONDS}
    assert told == {"sw_power_cap", "hw_thermal"}
    assert s.GPU_THROTTLE_EVENTS not in rig.of(1)


def test_what_a_part_lacks_is_absent_and_said_to_be_unsupported(measure: Starter) -> None:
    (gpu,) = gpus(1)
    gpu.answers["power"] = GpuAbsent()
    gpu.signals["power"] = (s.GPU_POWER,)
    gpu.answers["energy"] = [Value(s.GPU_ENERGY, None)]
    rig = measure(gpu)
    until(lambda: rig.settled)
    assert not {s.GPU_POWER, s.GPU_ENERGY} & rig.of(0)
    assert rig.value(s.GPU_METRIC_SUPPORTED, 0, signal="atlas_gpu_power_watts") == 0
    assert rig.value(s.GPU_METRIC_SUPPORTED, 0, signal="atlas_gpu_energy_joules_total") == 0
    assert rig.up() == {"GPU-0": 1}


def test_what_a_part_lacks_is_asked_for_again_ten_seconds_later(measure: Starter) -> None:
    (gpu,) = gpus(1)
    power, gpu.answers["power"] = gpu.answers["power"], GpuAbsent()
    gpu.signals["power"] = (s.GPU_POWER,)
    rig = measure(gpu)
    until(lambda: gpu.asked.count("temperature") > 5)
    assert gpu.asked.count("power") == 1
    gpu.answers["power"] = power
    rig.clock.ahead += ABSENT_SECONDS
    until(lambda: s.GPU_POWER in rig.of(0))


def test_a_question_that_fails_costs_its_own_signals_and_is_counted_until_it_works(
    measure: Starter, caplog: pytest.LogCaptureFixture
) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    power = rig.gpus[0].answers["power"]
    with caplog.at_level(logging.INFO):
        for trouble in (failed("no luck"), ValueError("the backend has a defect")):
            rig.gpus[0].answers["power"] = trouble
            until(lambda: rig.own(s.EXPORTER_GPU_FAILING, 0) == 1)
            rig.clock.ahead += CALL_LIMIT_SECONDS + 0.1
            until(lambda: rig.of(0) == BASIC - {s.GPU_POWER})
            assert rig.value(s.GPU_METRIC_SUPPORTED, 0, signal="atlas_gpu_power_watts") == 1, "no proof of a lack"
            rig.gpus[0].answers["power"] = power
            until(lambda: rig.of(0) == BASIC)
            assert rig.own(s.EXPORTER_GPU_FAILING, 0) == 0
    assert [r.message for r in caplog.records if "fails" in r.message] == [
        "GPU 0: power fails: no luck",
        "GPU 0: power fails: the backend has a defect",
    ], "told once each"


def test_an_answer_that_is_asked_for_seldom_is_told_for_twice_its_time(measure: Starter) -> None:
    gpu = FakeGpu(uuid="GPU-0", every={"power": 60.0})
    rig = measure(gpu)
    until(lambda: rig.settled)
    rig.clock.ahead += 55
    until(lambda: rig.value(s.GPU_TEMPERATURE, 0, sensor="gpu") == 61)
    assert rig.value(s.GPU_POWER, 0) == 412.5
    asked = gpu.asked.count("temperature")
    until(lambda: gpu.asked.count("temperature") > asked + 3)
    assert gpu.asked.count("power") == 1
    rig.clock.ahead += 10
    until(lambda: gpu.asked.count("power") == 2)


@pytest.mark.parametrize("trouble", [GpuLost("off the bus"), failed()])
def test_a_lost_gpu_keeps_its_counters_alone_and_recovers_by_itself(measure: Starter, trouble: Exception) -> None:
    rig = measure(*gpus(2))
    lost = rig.gpus[1]
    lost.bits = lambda: 0x40
    until(lambda: rig.settled)
    until(lambda: (rig.value(s.GPU_THROTTLE_SECONDS, 1, reason="hw_thermal") or 0) > 0.02)
    lost.trouble = trouble
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 0})
    assert rig.of(1) == WHEN_DOWN
    assert rig.of(0) == BASIC
    assert rig.value(s.GPU_ENERGY, 1) == 9000.25
    counted = rig.value(s.GPU_THROTTLE_SECONDS, 1, reason="hw_thermal")
    assert counted is not None
    lost.trouble = None
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})
    assert (rig.value(s.GPU_THROTTLE_SECONDS, 1, reason="hw_thermal") or 0) >= counted
    until(lambda: rig.of(1) == BASIC | {s.GPU_THROTTLE_LAST})


def test_limits_that_the_driver_knows_by_heart_do_not_prove_that_a_gpu_is_there(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    for question in ("temperature", "power", "energy"):
        rig.gpus[0].answers[question] = failed()
    until(lambda: rig.up() == {"GPU-0": 0})


def test_a_part_that_has_nothing_is_there_all_the_same(measure: Starter) -> None:
    gpu = FakeGpu(uuid="GPU-0", mask=0, kinds=())
    gpu.answers = dict.fromkeys(gpu.answers, GpuAbsent())
    rig = measure(gpu)
    until(lambda: rig.up() == {"GPU-0": 1})


def test_another_gpu_in_the_place_of_a_lost_one_is_not_taken_for_it(measure: Starter) -> None:
    rig = measure(*gpus(2))
    until(lambda: rig.settled)
    rig.gpus[1].trouble = GpuLost("off the bus")
    until(lambda: rig.up()["GPU-1"] == 0)
    rig.gpus[1].uuid, rig.gpus[1].trouble = "GPU-new", None
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 0, "GPU-new": 1})


def test_a_gpu_that_is_lost_from_the_start_is_told_as_down(measure: Starter) -> None:
    first, second = gpus(2)
    second.identity = GpuLost("off the bus")
    rig = measure(first, second)
    until(lambda: rig.up() == {"GPU-0": 1, "": 0})
    second.identity = None
    until(lambda: rig.up() == {"GPU-0": 1, "GPU-1": 1})


def test_a_gpu_of_another_container_is_left_out(measure: Starter, caplog: pytest.LogCaptureFixture) -> None:
    first, second = gpus(2)
    first.identity = GpuForbidden("no permission")
    with caplog.at_level(logging.INFO):
        rig = measure(first, second)
        until(lambda: rig.up() == {"GPU-1": 1})
        until(lambda: rig.collector.ready)
    until(lambda: gpu_threads() == ["gpu-1-reader", "gpu-1-sampler", "gpu-1-watcher", "gpu-supervisor"])
    assert rig.up() == {"GPU-1": 1}
    assert [r.message for r in caplog.records if "left out" in r.message] == ["GPU 0 is left out: no permission"]


def test_an_instance_is_told_under_its_own_uuid_and_name(measure: Starter) -> None:
    gpu = FakeGpu(uuid="GPU-0", answers={"instances": [Value(s.GPU_MEMORY_USED, 7.0, (), INSTANCE)]})
    rig = measure(gpu)
    until(lambda: rig.settled)
    own = labels(gpu="0", uuid="MIG-1", host_name="node-1", mig="1/0")
    assert rig.page()[s.GPU_MEMORY_USED, own] == 7


def test_processes_and_devices_are_told_with_who_uses_them(measure: Starter) -> None:
    gpu = FakeGpu(
        uuid="GPU-0",
        answers={
            "processes": [
                Value(s.GPU_PROCESS_MEMORY, 10.0, labels(pid="42")),
                Value(s.GPU_PROCESS_MEMORY, 3.0, labels(pid="other")),
                Value(s.GPU_PROCESS_MEMORY, 5.0, labels(pid="43"), INSTANCE),
            ]
        },
    )
    rig = measure(gpu)
    pod = labels(k8s_namespace_name="chat", k8s_pod_name="llama-0", k8s_container_name="vllm")
    rig.workloads.processes[42] = (("process", "vllm"), *pod)
    rig.workloads.devices = {"GPU-0": [(*pod, ("sharing", "exclusive"))], "MIG-1": []}
    until(lambda: rig.value(s.GPU_PROCESS_MEMORY, 0, pid="42", process="vllm", **dict(pod)) == 10)
    assert rig.value(s.GPU_PROCESS_MEMORY, 0, pid="other") == 3
    assert rig.value(s.GPU_WORKLOAD_INFO, 0, **dict(pod), sharing="exclusive") == 1
    assert rig.workloads.pids == {"GPU-0": [42], "MIG-1": [43]}


def test_who_uses_a_gpu_is_asked_with_its_place_on_the_bus(measure: Starter) -> None:
    facts = labels(name="NVIDIA H100", pci_bus_id="00000000:10:00.0", minor="3")
    rig = measure(FakeGpu(uuid="GPU-0", answers={"info": [Value(s.GPU_INFO, 1.0, facts)]}))
    until(lambda: rig.settled)
    asked = rig.workloads.asked["GPU-0"]
    assert (asked.index, asked.pci_bus_id, asked.minor) == (0, "00000000:10:00.0", 3)


def test_a_part_with_counters_and_no_reasons_tells_what_it_counts(measure: Starter) -> None:
    (gpu,) = gpus(1)
    gpu.mask, gpu.counters = 0, lambda: {"hw_thermal": 7_000_000_000}
    rig = measure(gpu)
    until(lambda: rig.value(s.GPU_THROTTLE_SECONDS, 0, reason="hw_thermal") == 7)
    assert rig.value(s.GPU_METRIC_SUPPORTED, 0, signal="atlas_gpu_throttle_seconds_total") == 1
    until(lambda: rig.value(s.GPU_METRIC_SUPPORTED, 0, signal="atlas_gpu_throttle_active") == 0)


def test_a_signal_that_some_values_have_is_supported(measure: Starter) -> None:
    values = [Value(s.GPU_PROCESS_MEMORY, None, labels(pid="1")), Value(s.GPU_PROCESS_MEMORY, 5.0, labels(pid="2"))]
    rig = measure(FakeGpu(uuid="GPU-0", answers={"processes": values}))
    until(lambda: rig.settled)
    assert rig.value(s.GPU_METRIC_SUPPORTED, 0, signal="atlas_gpu_process_memory_bytes") == 1


def test_a_collector_that_was_never_started_can_be_stopped(measure: Starter) -> None:
    rig = measure(*gpus(1))
    other = type(rig.collector)(rig.backend, host_name="x", workloads=rig.workloads)
    other.stop()
    assert other.collect() == []
    assert threading.active_count() > 1
