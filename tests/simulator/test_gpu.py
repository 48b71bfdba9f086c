from __future__ import annotations

from dataclasses import replace

import pytest

from atlas_ops.errors import UsageError
from atlas_ops.simulator import reasons as nvml
from atlas_ops.simulator.effects import GpuEffect
from atlas_ops.simulator.gpu import Gpu
from atlas_ops.simulator.profile import Profile
from atlas_ops.simulator.profiles import PROFILES, profile_by_name

THERMAL = nvml.HW_THERMAL | nvml.SW_THERMAL | nvml.HW_SLOWDOWN
H100 = profile_by_name("h100")


def work(gpu: Gpu, seconds: float, *, prefill: float = 0.2, decode: float = 0.8) -> list[int]:
    """Keep the GPU at work and return the reasons for its clock, ten times a second."""
    reasons = []
    for _ in range(round(10 * seconds)):
        gpu.advance(0.1, prefill=prefill, decode=decode)
        reasons.append(gpu.state().reasons)
    return reasons


@pytest.fixture
def gpu() -> Gpu:
    return Gpu(index=0, uuid="GPU-0", memory_used_bytes=2**35, profile=H100)


def test_a_cooled_gpu_works_at_full_clock_far_from_its_limits(gpu: Gpu) -> None:
    assert not any(work(gpu, 120))
    state = gpu.state()
    assert state.sm_clock_mhz == H100.sm_clock_mhz
    assert 50 < state.temperature_celsius < 75
    assert state.power_watts < H100.power_limit_watts


def test_without_cooling_it_gets_too_hot_within_ten_seconds_and_halves_its_clock(gpu: Gpu) -> None:
    work(gpu, 60)
    gpu.effect = GpuEffect(cooled=False)
    reasons = work(gpu, 10)
    assert reasons[0] & THERMAL == 0
    assert reasons[-1] & THERMAL == THERMAL
    assert all(reason & nvml.HW_THERMAL for reason in work(gpu, 120))
    assert 0.35 < gpu.clock_ratio < 0.55
    assert gpu.state().temperature_celsius < H100.shutdown_celsius


@pytest.mark.parametrize("decode", [0.7, 1.0])
def test_a_slowdown_does_not_flap_under_any_usual_load(gpu: Gpu, decode: float) -> None:
    gpu.effect = GpuEffect(cooled=False)
    work(gpu, 30, prefill=0.3, decode=0.7)
    assert all(reason & nvml.HW_THERMAL for reason in work(gpu, 60, prefill=0.0, decode=decode))
    assert gpu.state().temperature_celsius < H100.shutdown_celsius


def test_it_recovers_within_seconds_when_the_cooling_is_back(gpu: Gpu) -> None:
    gpu.effect = GpuEffect(cooled=False)
    work(gpu, 60)
    gpu.effect = GpuEffect(cooled=True)
    work(gpu, 5)
    assert not any(work(gpu, 60))
    assert gpu.clock_ratio == 1.0


def test_a_burst_of_prompts_meets_the_power_limit_and_costs_a_little_clock(gpu: Gpu) -> None:
    assert set(work(gpu, 5, prefill=1.0, decode=0.0)) == {nvml.SW_POWER_CAP}
    assert gpu.state().power_watts == pytest.approx(H100.power_limit_watts)
    assert 0.9 < gpu.clock_ratio < 1.0


def test_an_idle_gpu_says_so_and_keeps_its_clock(gpu: Gpu) -> None:
    assert set(work(gpu, 5, prefill=0, decode=0)) == {nvml.IDLE}
    state = gpu.state()
    assert state.utilization_ratio == 0
    assert state.sm_clock_mhz == H100.sm_clock_mhz


def test_energy_is_power_over_time(gpu: Gpu) -> None:
    work(gpu, 10)
    before = gpu.state().energy_joules
    work(gpu, 10)
    assert gpu.state().energy_joules - before == pytest.approx(10 * gpu.state().power_watts)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_part_keeps_cool_under_load_and_throttles_without_cooling(profile: Profile) -> None:
    gpu = Gpu(index=0, uuid="GPU-0", memory_used_bytes=0, profile=profile)
    assert not any(reason & THERMAL for reason in work(gpu, 60))
    gpu.effect = GpuEffect(cooled=False)
    work(gpu, 30)
    assert all(reason & nvml.HW_THERMAL for reason in work(gpu, 60))
    assert gpu.state().temperature_celsius < profile.shutdown_celsius
    assert gpu.state().sm_clock_mhz < 0.6 * profile.sm_clock_mhz


def test_the_counters_count_exactly_what_the_bits_show(gpu: Gpu) -> None:
    seen: list[int] = []
    for cooled in (True, False, True):
        gpu.effect = GpuEffect(cooled=cooled)
        seen += work(gpu, 20, prefill=0.5, decode=0.5)
    seen += work(gpu, 2, prefill=0, decode=0)
    for bit in range(nvml.COUNT):
        shown = sum(reason >> bit & 1 for reason in seen)
        assert gpu.state().throttle_times[bit] == 100_000_000 * shown
    assert gpu.state().throttle_times[nvml.HW_THERMAL.bit_length() - 1] > 0


def test_a_condition_and_xids_are_told_and_change_nothing_else(gpu: Gpu) -> None:
    work(gpu, 5)
    before = gpu.state()
    gpu.set_condition("lost")
    gpu.xid(79, 2)
    gpu.xid(48, 1)
    after = gpu.state()
    assert after.condition == "lost"
    assert [(event.sequence, event.data) for event in after.events] == [(1, 79), (2, 79), (3, 48)]
    assert replace(after, condition="healthy", events=()) == before
    with pytest.raises(UsageError, match="tired") as refused:
        gpu.set_condition("tired")
    assert "wedged" in refused.value.next_step
