"""Hardware counters of throttle time: when they are believed, when not, and that no change of heart makes a jump."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.exporter.gpu.throttle_ledger import Moment, ThrottleLedger, ThrottleStory

HW_THERMAL, SW_POWER_CAP = 0x40, 0x4
Spans = list[tuple[float, float]]


@dataclass
class Hardware:
    """A GPU that throttles in given spans of time (seconds), and what its driver tells of it."""

    spans: Spans
    unit: float = 1e9
    raw_before: int = 0
    lag: float = 0.0
    """The driver refreshes its counters this often."""

    def bits(self, now: float) -> int:
        return HW_THERMAL if any(begin <= now < end for begin, end in self.spans) else 0

    def raw(self, now: float) -> int:
        if self.lag:
            now -= now % self.lag
        total = sum(max(0.0, min(end, now) - begin) for begin, end in self.spans)
        return self.raw_before + int(total * self.unit)

    def seconds(self, now: float) -> float:
        return self.raw(now) / self.unit


def watch(
    hardware: Hardware,
    until: float,
    counter: Callable[[float], int | None] | None = None,
    *,
    watched: bool = True,
    ledger: ThrottleLedger | None = None,
) -> Iterator[tuple[float, ThrottleStory | None]]:
    """Sample ten times a second and look once a second; yield what is told."""
    ledger = ledger or ThrottleLedger()
    read = counter or hardware.raw
    look_due = 0.0
    for tick in range(int(until * 10)):
        now = tick / 10
        moment = Moment(now=now, wall=1e9 + now)
        if watched:
            ledger.sample(hardware.bits(now), moment, 0.1)
        if now >= look_due:
            look_due = now + 1.0
            raw = read(now)
            ledger.look({} if raw is None else {"hw_thermal": raw}, moment)
        yield now, next(iter(ledger.stories(HW_THERMAL)), None)


def last(steps: Iterator[tuple[float, ThrottleStory | None]]) -> ThrottleStory:
    story = list(steps)[-1][1]
    assert story is not None
    return story


def told(steps: Iterator[tuple[float, ThrottleStory | None]]) -> list[float]:
    return [story.totals.seconds for _, story in steps if story is not None]


def test_a_counter_that_behaves_is_believed_after_three_looks_and_told_from_its_own_beginning() -> None:
    hardware = Hardware([(3.0, 3.2)], raw_before=int(15814e9))
    steps = list(watch(hardware, 10))
    first = next((now, story) for now, story in steps if story is not None)
    assert first[0] < 2.5
    assert first[1].source == "hardware_counter"
    assert first[1].totals.seconds == pytest.approx(15814)
    assert steps[-1][1] is not None
    assert steps[-1][1].totals.seconds == pytest.approx(15814.2)
    assert steps[-1][1].totals.events == 1


def test_a_throttle_between_two_samples_is_counted_by_the_counter_alone() -> None:
    story = last(watch(Hardware([(3.01, 3.05), (7.02, 7.06)]), 10))
    assert story.totals.seconds == pytest.approx(0.08)
    assert story.totals.events == 2
    assert story.totals.longest == pytest.approx(0.04)
    assert story.last_seen == pytest.approx(1e9 + 8.0, abs=0.5)


def test_a_counter_that_is_ahead_of_the_next_sample_makes_no_second_event() -> None:
    ledger, hardware = ThrottleLedger(), Hardware([(4.95, 5.4)])
    for tick in range(100):
        now = tick / 10
        ledger.sample(hardware.bits(now), Moment(now=now, wall=now), 0.1)
        if tick % 10 == 9:  # a look behind the sample, as the reader's thread takes it
            ledger.look({"hw_thermal": hardware.raw(now + 0.08)}, Moment(now=now + 0.08, wall=now))
    (story,) = ledger.stories(HW_THERMAL)
    assert story.source == "hardware_counter"
    assert story.totals.events == 1


def test_the_first_total_of_a_counter_is_the_same_at_every_start_whatever_its_unit() -> None:
    """A restart under throttling knows the unit sooner, and must not tell another total for that."""
    idle = told(watch(Hardware([(9.0, 9.5)], unit=1e6, raw_before=36_000_000_000), 5))
    active = told(watch(Hardware([(0.0, 9.5)], unit=1e6, raw_before=36_000_000_000), 5))
    assert idle[0] == pytest.approx(36.0)
    assert active[0] == pytest.approx(36.0, abs=2.5)


def test_a_counter_that_lags_makes_no_second_event_of_one_that_was_sampled() -> None:
    story = last(watch(Hardware([(2.85, 3.15), (5.5, 5.9)], lag=0.5), 10))
    assert story.source == "hardware_counter"
    assert story.totals.events == 2


@pytest.mark.parametrize("unit", [1e9, 1e6])
def test_nanoseconds_and_microseconds_are_told_apart_by_what_the_sampler_saw(unit: float) -> None:
    steps = list(watch(Hardware([(2.0, 2.4), (6.0, 8.0)], unit=unit), 10))
    assert steps[-1][1] is not None
    assert steps[-1][1].source == "hardware_counter"
    assert steps[-1][1].totals.seconds == pytest.approx(2.4, abs=0.01)


@pytest.mark.parametrize(
    ("what", "counter"),
    [
        ("runs backwards", lambda now: int(100e9 - now * 1e6)),
        ("runs ahead of time", lambda now: int(now * 3e9)),
        ("stands still while the bit is on", lambda now: 7),
        ("runs while the bit is off", lambda now: int(now * 0.9e9)),
        ("is not given any more", lambda now: 0 if now < 1 else None),
        ("is not given", lambda now: None),
    ],
)
def test_a_counter_that_misbehaves_is_replaced_by_the_sampler(
    what: str, counter: Callable[[float], int | None]
) -> None:
    hardware = Hardware([(10.0, 13.0)])
    steps = list(watch(hardware, 20, counter))
    assert steps[-1][1] is not None
    assert steps[-1][1].source == "sampled", what
    assert steps[-1][1].totals.events == 1
    before = next(story.totals.seconds for now, story in steps if now >= 9.9 and story is not None)
    # A counter that stands still is found out after a second of throttling, of which it told nothing.
    missing = 1.0 if what.startswith("stands") else 0.0
    assert 3.0 - missing - 0.25 <= steps[-1][1].totals.seconds - before <= 3.25, what


def test_a_change_of_the_source_is_no_jump() -> None:
    hardware = Hardware([(2.0, 4.0), (12.0, 13.0)], raw_before=int(500e9))
    seconds = told(watch(hardware, 20, lambda now: hardware.raw(now) if now < 8 else 3))
    assert seconds[-1] == pytest.approx(503.0, abs=0.25)
    assert all(0 <= after - before <= 1.2 for before, after in itertools.pairwise(seconds))


def test_a_driver_that_is_loaded_anew_makes_no_jump_and_its_counter_is_believed_again() -> None:
    ledger = ThrottleLedger()
    first = told(watch(Hardware([(2.0, 3.0)], raw_before=int(100e9)), 5, ledger=ledger))
    ledger.restart()
    again = list(watch(Hardware([(2.0, 2.5)], raw_before=int(9000e9)), 5, ledger=ledger))
    seconds = [story.totals.seconds for _, story in again if story is not None]
    assert all(after >= before for before, after in itertools.pairwise([first[-1], *seconds]))
    assert seconds[0] == pytest.approx(first[-1], abs=0.15)
    assert seconds[-1] == pytest.approx(first[-1] + 0.5, abs=0.15)
    assert again[-1][1] is not None
    assert again[-1][1].source == "hardware_counter"


def test_what_was_told_is_not_taken_back_when_a_counter_is_believed_again() -> None:
    """A power cap that flickers: the sampler sees a tenth of a second where the counter has a hundredth."""
    hardware, ledger = Hardware([(1.0 + n / 10, 1.01 + n / 10) for n in range(80)]), ThrottleLedger()
    list(watch(Hardware([(2.0, 3.0)]), 5, ledger=ledger))
    ledger.restart()
    seconds = told(watch(hardware, 9, ledger=ledger))
    assert all(after >= before for before, after in itertools.pairwise(seconds))


def test_a_pause_of_the_sampler_does_not_cost_the_counter_its_credit() -> None:
    hardware = Hardware([(12.0, 52.0)])
    ledger = ThrottleLedger()
    list(watch(hardware, 10, ledger=ledger))
    for now in (60.0, 61.0, 62.0):
        moment = Moment(now=now, wall=1e9 + now)
        ledger.sample(0, moment, 0.1)
        ledger.look({"hw_thermal": hardware.raw(now)}, moment)
    (story,) = ledger.stories(HW_THERMAL)
    assert story.source == "hardware_counter"
    assert story.totals.seconds == pytest.approx(40.0)
    assert story.totals.events == 1


def test_a_part_with_counters_and_no_bits_is_counted_by_its_counters() -> None:
    hardware = Hardware([(4.2, 9.1), (15.0, 15.2)])
    story = last(watch(hardware, 20, watched=False))
    assert story.source == "hardware_counter"
    assert story.totals.seconds == pytest.approx(5.1)
    assert story.totals.events == 2
    assert story.totals.longest == pytest.approx(4.9, abs=0.01)


def test_short_throttles_that_only_a_counter_has_are_counted_each() -> None:
    story = last(watch(Hardware([(n + 0.3, n + 0.6) for n in range(4, 16)]), 20, watched=False))
    assert story.totals.events == 12
    assert story.totals.longest == pytest.approx(0.3)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    unit=st.sampled_from((1e9, 1e6)),
    before=st.integers(0, 10**15),
    lag=st.sampled_from((0.0, 0.05)),
)
def test_whatever_the_throttling_a_true_counter_gives_the_true_time(
    seed: int, unit: float, before: int, lag: float
) -> None:
    rng, spans, at = random.Random(seed), [(1.0, 1.3)], 2.0
    while at < 22:
        begin = at + rng.uniform(0.3, 4)
        at = begin + rng.uniform(0.15, 1.5)
        spans.append((begin, at))
    hardware = Hardware(spans, unit=unit, raw_before=before, lag=lag)
    steps = list(watch(hardware, 28))
    seconds = [story.totals.seconds for _, story in steps if story is not None]
    assert all(after >= before_ for before_, after in itertools.pairwise(seconds))
    end = steps[-1][1]
    assert end is not None
    assert end.source == "hardware_counter"
    expected = hardware.seconds(27.0) - hardware.seconds(0)
    # Where the unit is not known from the start, the first throttle teaches it.
    assert end.totals.seconds - seconds[0] == pytest.approx(expected, abs=1.6)
    assert end.totals.events == len(spans)
