"""Residencies become time that is never more than has passed, and bits that agree with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.amd.metrics import RESIDENCIES, Metrics
from atlas_ops.exporter.amd.throttling import RESIDENCY_REASONS, ResidencyMeter, possible_bits, status_bits
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS
from atlas_ops.exporter.gpu.throttle_ledger import HARDWARE_COUNTER, Moment, ThrottleLedger

BIT = dict(THROTTLE_BITS)
SECOND = 10**9
FULL = 2**32


@dataclass
class Firmware:
    """Counts cycles and residencies in 32 bits, as the real one does."""

    cycles: int = 0
    counts: tuple[int, ...] = (0, 0, 0, 0, 0)

    def run(self, cycles: int, **throttled: int) -> Metrics:
        """Go on for some cycles, of which so many throttled: `ppt=5`."""
        self.cycles = (self.cycles + cycles) % FULL
        more = (throttled.get(name.removesuffix("_residency_acc"), 0) for name in RESIDENCIES)
        self.counts = tuple((count + new) % FULL for count, new in zip(self.counts, more, strict=True))
        return self.table()

    def table(self) -> Metrics:
        return Metrics(cycles=self.cycles, residencies=dict(zip(RESIDENCIES, self.counts, strict=True)))


def test_time_is_the_throttled_share_of_the_cycles_times_the_time_between_two_looks() -> None:
    meter, firmware = ResidencyMeter(), Firmware(cycles=123, counts=(4, 5, 6, 7, 8))
    meter.look(firmware.table(), 10.0)
    meter.look(firmware.run(100, ppt=25, prochot=100), 12.0)

    assert meter.nanoseconds == {"sw_power_cap": SECOND // 2, "hw_slowdown": 2 * SECOND, "hw_thermal": 0}


def test_heat_in_several_places_at_once_is_counted_once() -> None:
    meter, firmware = ResidencyMeter(), Firmware()
    meter.look(firmware.table(), 0.0)
    meter.look(firmware.run(100, socket_thm=100, vr_thm=60, hbm_thm=100), 1.0)

    assert meter.nanoseconds["hw_thermal"] == SECOND


def test_a_table_that_has_not_moved_yet_loses_no_time() -> None:
    meter, firmware = ResidencyMeter(), Firmware()
    meter.look(firmware.table(), 0.0)
    for now in (0.1, 0.2, 0.3):
        meter.look(firmware.table(), now)
    meter.look(firmware.run(40, ppt=40), 0.4)

    assert meter.nanoseconds["sw_power_cap"] == pytest.approx(0.4 * SECOND)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Firmware(5000, (9, 900, 9, 9, 9)), Firmware(3, (0, 2, 0, 0, 0))),  # the GPU was reset
        (Firmware(FULL - 10, (0, 50, 0, 0, 0)), Firmware(90, (0, 60, 0, 0, 0))),  # the cycles are full
        (Firmware(100, (0, FULL - 5, 0, 0, 0)), Firmware(200, (0, 5, 0, 0, 0))),  # a residency is full
    ],
)
def test_a_counter_that_runs_backwards_costs_one_look_and_adds_nothing(before: Firmware, after: Firmware) -> None:
    meter = ResidencyMeter()
    meter.look(before.table(), 0.0)
    meter.look(before.run(1, ppt=1), 1.0)
    meter.look(after.table(), 2.0)
    assert meter.nanoseconds["sw_power_cap"] == SECOND
    assert meter.bits(2.0) is None

    meter.look(after.run(10, ppt=5), 3.0)
    assert meter.nanoseconds["sw_power_cap"] == 3 * SECOND // 2
    assert meter.bits(3.0) == BIT["sw_power_cap"]


def test_residencies_that_a_part_does_not_give_are_no_reasons() -> None:
    def table(cycles: int, count: int) -> Metrics:
        return Metrics(cycles=cycles, residencies={"vr_thm_residency_acc": count})

    meter = ResidencyMeter()
    meter.look(table(0, 0), 0.0)
    meter.look(table(10, 10), 1.0)

    assert meter.nanoseconds == {"hw_thermal": SECOND}
    assert possible_bits(table(0, 0)) == BIT["hw_thermal"]


def test_counters_are_given_from_the_first_look_on_so_that_they_can_be_watched() -> None:
    meter = ResidencyMeter()
    assert meter.nanoseconds == {}
    meter.look(Firmware(7, (1, 2, 3, 4, 5)).table(), 0.0)

    assert meter.nanoseconds == {"sw_power_cap": 0, "hw_slowdown": 0, "hw_thermal": 0}


def test_nothing_is_said_of_this_moment_before_the_second_look_nor_when_the_table_stands_still() -> None:
    meter, firmware = ResidencyMeter(), Firmware()
    assert meter.bits(0.0) is None
    meter.look(firmware.table(), 0.0)
    assert meter.bits(0.0) is None
    meter.look(firmware.run(10, ppt=10), 0.1)
    assert meter.bits(0.1) == BIT["sw_power_cap"]

    meter.look(firmware.table(), 0.9)
    assert meter.bits(0.9) == BIT["sw_power_cap"]
    meter.look(firmware.table(), 1.2)
    assert meter.bits(1.2) is None


STEPS = st.lists(
    st.tuples(
        st.floats(0.001, 100.0),
        st.integers(0, 10_000),
        st.tuples(*(st.integers(0, 20_000) for _ in RESIDENCIES)),  # a firmware that lies counts more than there was
        st.booleans(),
    ),
    max_size=30,
)


@given(st.tuples(st.integers(0, FULL - 1), st.integers(0, FULL - 1)), STEPS)
def test_no_reason_gets_more_time_than_has_passed_and_none_loses_any(
    start: tuple[int, int], steps: list[tuple[float, int, tuple[int, ...], bool]]
) -> None:
    meter, firmware, now = ResidencyMeter(), Firmware(start[0], (start[1],) * 5), 0.0
    meter.look(firmware.table(), now)
    before: dict[str, int] = {}
    for seconds, cycles, throttled, reset in steps:
        now += seconds
        if reset:
            firmware = Firmware()
        names = (name.removesuffix("_residency_acc") for name in RESIDENCIES)
        table = firmware.run(cycles, **dict(zip(names, throttled, strict=True)))
        given_now = {name: count for name, count in table.residencies.items() if count % 7 or count < 100}
        meter.look(replace(table, residencies=given_now), now)
        after = meter.nanoseconds
        assert all(0 <= value <= now * SECOND + 1 for value in after.values())
        assert all(after[reason] >= value for reason, value in before.items())
        before = after


@given(st.lists(st.integers(0, 100), min_size=1, max_size=300))
def test_who_samples_the_bits_gets_the_time_that_the_counter_has(shares: list[int]) -> None:
    meter, firmware, on = ResidencyMeter(), Firmware(), 0
    meter.look(firmware.table(), 0.0)
    for place, share in enumerate(shares, start=1):
        meter.look(firmware.run(100, ppt=share), place * 0.1)
        on += bool(meter.bits(place * 0.1))

    assert meter.nanoseconds["sw_power_cap"] / SECOND == pytest.approx(sum(shares) / 1000)
    assert abs(on - sum(shares) / 100) <= 0.5 + 1e-9


@pytest.mark.parametrize("duty", [1, 7, 50, 100], ids=lambda duty: f"{duty} % of the time")
def test_the_collector_believes_the_counters_at_any_duty_cycle(duty: int) -> None:
    meter, firmware, ledger = ResidencyMeter(), Firmware(), ThrottleLedger()
    for tick in range(600):
        now = tick * 0.1
        meter.look(firmware.run(100, ppt=duty), now)
        bits = meter.bits(now)
        moment = Moment(now=now, wall=now)
        if bits is not None:
            ledger.sample(bits, moment, 0.1)
        if tick % 10 == 0:
            ledger.look(meter.nanoseconds, moment)

    (story,) = (story for story in ledger.stories(-1) if story.totals.reason == "sw_power_cap")
    assert story.source == HARDWARE_COUNTER
    assert story.totals.seconds == pytest.approx(60 * duty / 100, abs=1.1)


@pytest.mark.parametrize(
    ("bit", "reason"),
    [(0, "sw_power_cap"), (7, "sw_power_cap"), (16, "sw_power_cap"), (23, "sw_power_cap"), (32, "hw_thermal"),
     (36, "hw_thermal"), (44, "hw_thermal"), (45, "hw_thermal"), (46, "hw_slowdown"), (47, "hw_slowdown")],
)  # fmt: skip
def test_a_bit_of_the_status_is_the_reason_that_it_stands_for(bit: int, reason: str) -> None:
    assert status_bits(1 << bit) == BIT[reason]


def test_a_status_may_hold_several_reasons_none_or_some_that_the_contract_does_not_know() -> None:
    assert status_bits(0) == 0
    assert status_bits(1 << 56 | 1 << 57 | 1 << 63) == 0
    assert status_bits(1 << 1 | 1 << 34 | 1 << 47) == BIT["sw_power_cap"] | BIT["hw_thermal"] | BIT["hw_slowdown"]


def test_the_reasons_that_a_part_can_report_are_those_of_its_table() -> None:
    every = sum(BIT[reason] for reason in RESIDENCY_REASONS)

    assert possible_bits(Firmware().table()) == every
    assert possible_bits(Metrics(throttle_status=0)) == every
    assert possible_bits(Metrics(energy=1.0)) == 0
