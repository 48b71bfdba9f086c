"""Throttle time from samples: driven by a script of moments, without waiting for any."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog import conventions
from atlas_ops.exporter.gpu.backend import GpuIdentity
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.record import GpuRecord
from atlas_ops.exporter.gpu.sampler import Sampler
from atlas_ops.exporter.gpu.throttle import EVERY_REASON, THROTTLE_BITS, ThrottleMeter, ThrottleTotals, TickGap
from atlas_ops.exporter.gpu.throttle_ledger import Moment

from .fake_gpu import FakeDevice, FakeGpu, failed

HW_THERMAL, SW_POWER_CAP = 0x40, 0x4


def meter_of(*moments: tuple[float, int]) -> ThrottleMeter:
    meter = ThrottleMeter()
    for at, bits in moments:
        meter.sample(bits, at)
    return meter


def hw_thermal(*moments: tuple[float, int]) -> ThrottleTotals:
    (totals,) = meter_of(*moments).totals(HW_THERMAL)
    return totals


def test_the_bits_are_the_reasons_of_the_contract() -> None:
    assert tuple(reason for reason, _ in THROTTLE_BITS) == conventions.THROTTLE_REASONS
    assert EVERY_REASON == 0x1FF


def test_every_reason_of_the_part_is_told_from_the_first_sample_on() -> None:
    assert [totals.reason for totals in meter_of((0, 0)).totals(0x44)] == ["sw_power_cap", "hw_thermal"]
    assert all((t.seconds, t.events, t.longest) == (0, 0, 0) for t in meter_of((0, 0)).totals(EVERY_REASON))


def test_nothing_is_told_before_the_first_sample() -> None:
    assert list(ThrottleMeter().totals(EVERY_REASON)) == []


def test_a_reason_counts_from_the_sample_that_saw_it_to_the_one_that_did_not() -> None:
    totals = hw_thermal((0, 0), (0.1, HW_THERMAL), (0.2, HW_THERMAL), (0.3, HW_THERMAL), (0.4, 0), (0.5, 0))
    assert totals.seconds == pytest.approx(0.3)
    assert totals.longest == pytest.approx(0.3)
    assert totals.events == 1


def test_reasons_are_counted_apart() -> None:
    meter = meter_of((0, 0), (1, HW_THERMAL), (2, HW_THERMAL | SW_POWER_CAP), (3, SW_POWER_CAP), (4, 0))
    cap, thermal = meter.totals(HW_THERMAL | SW_POWER_CAP)
    assert (thermal.seconds, thermal.events) == (2, 1)
    assert (cap.seconds, cap.events) == (2, 1)


def test_longest_is_the_longest_run_and_not_the_sum() -> None:
    on = HW_THERMAL
    totals = hw_thermal((0, on), (0.5, 0), (1, on), (1.5, on), (2, on), (2.5, 0), (3, on), (3.5, on))
    assert totals.seconds == pytest.approx(2.5)
    assert totals.longest == pytest.approx(1.5)
    assert totals.events == 2, "the first run was on before anybody looked"


def test_a_gap_longer_than_a_second_is_credited_with_one_second_and_ends_the_run() -> None:
    totals = hw_thermal((0, HW_THERMAL), (0.5, HW_THERMAL), (60.5, HW_THERMAL), (61, HW_THERMAL), (61.5, 0))
    assert totals.seconds == pytest.approx(2.5)
    assert totals.longest == pytest.approx(1.5)
    assert totals.events == 0


def test_throttling_that_began_in_a_gap_is_an_event() -> None:
    assert hw_thermal((0, 0), (60, HW_THERMAL)).events == 1


@given(st.lists(st.tuples(st.floats(0, 30, allow_nan=False), st.sampled_from((0, HW_THERMAL))), min_size=1))
def test_totals_never_run_ahead_of_time_or_backwards(steps: list[tuple[float, int]]) -> None:
    meter, now = ThrottleMeter(), 0.0
    before = (0.0, 0, 0.0)
    for elapsed, bits in steps:
        now += elapsed
        meter.sample(bits, now)
        (totals,) = meter.totals(HW_THERMAL)
        after = (totals.seconds, totals.events, totals.longest)
        assert all(new >= old for new, old in zip(after, before, strict=True))
        assert totals.longest <= totals.seconds + 1e-9
        assert totals.seconds <= now + 1e-9
        before = after


class Script:
    """A sampler on one GPU whose clock and throttle bits the test sets."""

    def __init__(self, bits: Callable[[float], int]) -> None:
        self.now = 100.0
        self.sampled_at: list[float] = []
        self._bits = bits
        self.fails = False
        self.gpu = gpu = FakeGpu(uuid="GPU-a", bits=self._throttle)
        self.record = GpuRecord.of(GpuIdentity(index=0, uuid="GPU-a"), self.now)
        self.record.throttle.look({}, Moment(now=self.now, wall=self.now))
        halt, in_flight = threading.Event(), CallsInFlight(self._clock)
        self.sampler = Sampler(FakeDevice(gpu, 0), halt, in_flight, seconds=0.1, clock=self._clock)

    def _clock(self) -> float:
        return self.now

    def _throttle(self) -> int | None:
        if self.fails:
            return None
        self.sampled_at.append(self.now)
        return self._bits(self.now)

    def step(self, late: float = 0.0) -> None:
        self.sampler.step(self.record, 1)
        self.now += self.sampler.delay() + late


def test_the_sampler_measures_a_scripted_timeline_at_its_own_pace() -> None:
    """Two thermal throttles, of 200 ms and of 1 s, in 5 s of a driver that says what the script says."""

    def thermal(now: float) -> int:
        return HW_THERMAL if 101.0 <= now < 101.2 or 103.0 <= now < 104.0 else 0

    script = Script(thermal)
    while script.now < 105:
        script.step(late=0.004)  # the thread wakes up a little late
    (story,) = script.record.throttle.stories(HW_THERMAL)
    assert story.totals.seconds == pytest.approx(1.2, abs=0.11)
    assert story.totals.events == 2
    assert story.totals.longest == pytest.approx(1.0, abs=0.11)
    assert 0.1 <= (script.sampler.gap.longest(script.now) or 0) < 0.11


def test_a_call_that_fails_is_one_sample_less_and_does_not_end_a_throttle() -> None:
    script = Script(lambda now: HW_THERMAL)
    step = 0
    while script.now < 104:
        step += 1
        script.fails = step % 10 == 0
        script.step()
    (story,) = script.record.throttle.stories(HW_THERMAL)
    assert story.totals.events == 0, "it was on before anybody looked, and never off"
    assert story.totals.longest == pytest.approx(story.totals.seconds)
    assert story.totals.seconds == pytest.approx(4.0, abs=0.3)


def test_what_is_known_of_the_part_holds_while_the_driver_does_not_say() -> None:
    script = Script(lambda _: 0)
    script.step()
    script.gpu.trouble = failed()
    script.sampler.step(script.record, 2)  # met again
    assert script.record.throttle_now.mask == EVERY_REASON


def test_a_part_without_throttle_reasons_is_not_sampled() -> None:
    script = Script(lambda _: 0)
    script.gpu.mask = 0
    for _ in range(5):
        script.step()
    assert script.sampled_at == []
    assert script.record.throttle_now.mask == 0


def test_a_late_sampler_leaves_slots_out_instead_of_catching_up() -> None:
    script = Script(lambda _: 0)
    script.step()
    script.sampled_at.clear()
    script.now = 100.1
    for late in (0.25, 0.0, 0.0, 0.0):
        script.step(late=late)
    assert script.sampled_at == pytest.approx([100.1, 100.45, 100.5, 100.6])


def test_the_gap_between_samples_is_the_longest_of_the_last_minutes_and_the_open_one() -> None:
    gap = TickGap()
    assert gap.longest(0) is None
    for at in (0.0, 0.1, 0.9, 1.0):
        gap.tick(at)
    assert gap.longest(1.0) == pytest.approx(0.8)
    assert gap.longest(4.0) == pytest.approx(3.0), "a sampler that hangs says so"
    for tenth in range(11, 1300):
        gap.tick(tenth / 10)
    assert gap.longest(129.9) == pytest.approx(0.1), "and what is long over is forgotten"
