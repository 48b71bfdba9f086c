"""Traffic and errors of links; counters that wrap."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.nvml.links import Unwrapped
from atlas_ops.simulator.state import LinkErrors, NvlinkCounters, PcieCounters

from .rig import UNKNOWN, rig

RANGE = 2**32


@given(st.integers(0, RANGE - 1), st.lists(st.integers(0, RANGE // 2 - 1), min_size=1))
def test_a_counter_that_wraps_is_followed_for_as_long_as_it_is_read_twice_a_turn(first: int, steps: list[int]) -> None:
    counter, true = Unwrapped(), first
    counter.take(first)
    for step in steps:
        true += step
        total = counter.take(true % RANGE)
    assert total == true - first


@given(st.integers(RANGE, 2**63), st.integers(0, 2**40))
def test_a_wide_counter_that_starts_over_counts_on(before: int, after: int) -> None:
    counter = Unwrapped()
    counter.take(before)
    assert counter.take(after) == (after if after < before else after - before)


def test_a_narrow_counter_that_starts_over_does_not_count_its_whole_range() -> None:
    counter = Unwrapped()
    counter.take(1000)
    assert counter.take(10) == 10


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2))
def test_whatever_the_driver_says_the_total_never_falls(raw: list[int]) -> None:
    counter = Unwrapped()
    totals = [counter.take(value) for value in raw]
    assert totals[0] == 0
    assert totals == sorted(totals)


def test_pcie_traffic_counts_on_over_a_wrap_and_over_a_loss_of_the_gpu() -> None:
    with rig("a100") as made:
        device = made.device()
        made.node.change(0, pcie=PcieCounters(sent_bytes=RANGE - 100, received_bytes=5))
        made.ask(device)
        made.node.change(0, pcie=PcieCounters(sent_bytes=50, received_bytes=9))
        found = made.ask(device)
        assert (found.of(s.GPU_PCIE_TX), found.of(s.GPU_PCIE_RX)) == ({(): 150}, {(): 4})
        device.identify()
        made.node.change(0, pcie=PcieCounters(sent_bytes=60, received_bytes=9))
        assert made.ask(device).of(s.GPU_PCIE_TX) == {(): 160}


def test_pcie_traffic_that_wraps_the_count_many_times_a_second_is_told_whole_where_the_part_measures_it() -> None:
    with rig("h100") as made:
        device = made.device()
        made.node.change(0, pcie=PcieCounters(sent_bytes=0, received_bytes=0))
        made.ask(device)
        for seconds in (1, 2):
            made.node.change(0, pcie=PcieCounters(sent_bytes=seconds * 3 * 10**9, received_bytes=seconds * 58 * 10**9))
            found = made.ask(device)
        assert found.of(s.GPU_PCIE_TX) == {(): 6 * 10**9}
        assert found.of(s.GPU_PCIE_RX) == {(): 116 * 10**9}


def test_pcie_traffic_counts_on_by_the_drivers_count_when_nobody_measures_it_any_more() -> None:
    with rig("h100") as made:
        device = made.device()
        made.node.change(0, pcie=PcieCounters(sent_bytes=0))
        made.ask(device)
        made.node.change(0, pcie=PcieCounters(sent_bytes=5000))
        made.ask(device)
        made.library.refusals["nvmlGpmSampleGet"] = UNKNOWN
        totals: list[float] = []
        for sent in (5000, 5700):
            made.node.change(0, pcie=PcieCounters(sent_bytes=sent))
            totals += made.ask(device).of(s.GPU_PCIE_TX).values()
        assert totals == [5000, 5700]


def test_links_of_blackwell_are_told_by_their_own_counters() -> None:
    answered = {91: 2, 206: 1, 207: 2, 208: 3, 211: 4, 212: 5, 214: 6}

    def values(_handle: Any, _count: Any, array: Any) -> int:
        for entry in array._obj:
            entry.nvmlReturn = 0 if entry.fieldId in answered else 3
            entry.valueType, entry.value.ullVal = (
                3,
                answered.get(entry.fieldId, 0) * (entry.scopeId == 1 or entry.fieldId == 91),
            )
        return 0

    with rig() as made:
        made.library.answers["nvmlDeviceGetFieldValues"] = values
        errors = made.ask(made.device()).of(s.GPU_NVLINK_ERRORS)
        assert {dict(extra)["type"]: count for extra, count in errors.items() if ("link", "1") in extra} == {
            "malformed_packet": 1, "buffer_overrun": 2, "receive": 3, "link_integrity": 4, "transmit_discard": 5,
            "recovery_failed": 6,
        }  # fmt: skip
        assert {dict(extra)["link"] for extra in errors} == {"0", "1"}


def test_the_links_of_an_older_part_are_found_by_their_two_rows_of_ids() -> None:
    with rig("a100", "535") as made:
        made.node.change(0, nvlink=NvlinkCounters(errors=(LinkErrors(link=5, replay=1), LinkErrors(link=11, replay=2))))
        errors = made.ask(made.device()).of(s.GPU_NVLINK_ERRORS)
        assert {dict(extra)["link"]: count for extra, count in errors.items() if count} == {"5": 1, "11": 2}


def test_how_many_links_there_are_is_asked_once() -> None:
    with rig() as made:
        asked: list[int] = []
        real = made.node.library.nvmlDeviceGetFieldValues

        def values(handle: Any, count: Any, array: Any) -> int:
            asked.extend(entry.fieldId for entry in array._obj)
            code: int = real(handle, count, array)
            return code

        made.library.answers["nvmlDeviceGetFieldValues"] = values
        made.settled(made.device())
        assert asked.count(91) == 1


def test_a_driver_that_lies_about_its_links_is_not_followed_to_the_end_of_the_world() -> None:
    def values(_handle: Any, _count: Any, array: Any) -> int:
        for entry in array._obj:
            entry.nvmlReturn, entry.valueType, entry.value.ullVal = 0, 3, 2**63
        return 0

    with rig() as made:
        made.library.answers["nvmlDeviceGetFieldValues"] = values
        errors = made.ask(made.device()).of(s.GPU_NVLINK_ERRORS)
        assert len({dict(extra)["link"] for extra in errors}) == 18
