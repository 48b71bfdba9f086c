"""XIDs and other events: counted from 0, each of them, with whose fault they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.xid import XIDS, owner_of
from atlas_ops.exporter.gpu import worker
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuEvent, GpuLost, Value
from atlas_ops.exporter.gpu.event_counts import UNCATALOGUED_LIMIT, EventCounts

from .fake_gpu import failed
from .rig import Starter, gpus, rigs, until


@pytest.fixture
def measure() -> Iterator[Starter]:
    with rigs() as begin:
        yield begin


def told(counts: EventCounts) -> dict[str, float]:
    """{code or kind: count}."""
    return {dict(v.extra).get("xid") or dict(v.extra)["event"]: v.value or 0.0 for v in counts.values() if _counts(v)}


def _counts(value: Value) -> bool:
    return value.signal in (s.GPU_XID_ERRORS, s.GPU_EVENTS)


def test_known_codes_are_told_at_zero_and_the_same_one_twice_is_two(measure: Starter) -> None:
    rig = measure(*gpus(2))
    until(lambda: rig.settled)
    code, owner = "79", owner_of(79)
    assert rig.value(s.GPU_XID_ERRORS, 0, xid=code, owner=owner) == 0
    assert rig.value(s.GPU_XID_LAST, 0, xid=code, owner=owner) is None
    told = {dict(labels)["xid"] for signal, labels in rig.page() if signal is s.GPU_XID_ERRORS}
    assert told == {str(xid.code) for xid in XIDS}
    for _ in range(2):
        rig.gpus[0].events.put(GpuEvent(xid=79))
    until(lambda: rig.value(s.GPU_XID_ERRORS, 0, xid=code, owner=owner) == 2)
    assert rig.value(s.GPU_XID_ERRORS, 1, xid=code, owner=owner) == 0
    assert (rig.value(s.GPU_XID_LAST, 0, xid=code, owner=owner) or 0) > 1e9


def test_a_lost_gpu_keeps_its_xids_and_is_watched_again_when_it_is_back(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    gpu = rig.gpus[0]
    gpu.events.put(GpuEvent(xid=79))
    until(lambda: rig.value(s.GPU_XID_ERRORS, 0, xid="79", owner=owner_of(79)) == 1)
    gpu.trouble = GpuLost("off the bus")
    until(lambda: rig.up() == {"GPU-0": 0})
    assert rig.value(s.GPU_XID_ERRORS, 0, xid="79", owner=owner_of(79)) == 1
    gpu.trouble = None
    until(lambda: rig.up() == {"GPU-0": 1})
    gpu.events.put(GpuEvent(xid=79))
    until(lambda: rig.value(s.GPU_XID_ERRORS, 0, xid="79", owner=owner_of(79)) == 2)


def test_a_wait_that_fails_is_begun_anew(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    rig.gpus[0].events.put(failed())
    rig.gpus[0].events.put(GpuEvent(event="recovery_action"))
    until(lambda: rig.value(s.GPU_EVENTS, 0, event="recovery_action") == 1)
    assert rig.gpus[0].asked.count("watch_events") == 2


def test_a_wait_that_keeps_failing_is_told_and_costs_no_processor(
    measure: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 60.0)
    gpu = rig.gpus[0]
    for _ in range(200):
        gpu.events.put(failed())
    until(lambda: rig.own(s.EXPORTER_GPU_FAILING, 0) == 1)
    asked, rounds = gpu.asked.count("wait_events"), gpu.asked.count("temperature")
    until(lambda: gpu.asked.count("temperature") >= rounds + 10)
    assert gpu.asked.count("wait_events") <= asked + 1, "not again and again without a pause"


def test_events_that_turn_out_not_to_be_there_are_not_told_as_zero(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    rig.gpus[0].events.put(GpuAbsent())
    until(lambda: rig.value(s.GPU_METRIC_SUPPORTED, 0, signal="atlas_gpu_xid_errors_total") == 0)
    assert s.GPU_XID_ERRORS not in rig.of(0)


def test_a_gpu_that_was_lost_for_a_moment_is_registered_for_anew(measure: Starter) -> None:
    rig = measure(*gpus(1))
    until(lambda: rig.settled)
    gpu = rig.gpus[0]
    gpu.hang("wait_events")
    until(lambda: gpu.hangs("wait_events"))
    gpu.trouble = GpuLost("off the bus")
    until(lambda: rig.up() == {"GPU-0": 0})
    gpu.trouble = None
    until(lambda: rig.up() == {"GPU-0": 1})
    gpu.release("wait_events")  # the watcher has seen nothing of the loss
    until(lambda: gpu.asked.count("watch_events") == 2)


def test_a_part_without_events_tells_none_and_says_so(measure: Starter) -> None:
    (gpu,) = gpus(1)
    gpu.kinds = ()
    rig = measure(gpu)
    until(lambda: rig.value(s.GPU_METRIC_SUPPORTED, 0, signal="atlas_gpu_xid_errors_total") == 0)
    assert not {s.GPU_XID_ERRORS, s.GPU_EVENTS} & rig.of(0)


def test_codes_that_no_catalogue_knows_are_counted_under_their_number_up_to_a_bound() -> None:
    counts = EventCounts()
    counts.kinds = ("xid",)
    for code in range(100_000, 100_000 + UNCATALOGUED_LIMIT + 7):
        counts.note(GpuEvent(xid=code), 1.0)
        counts.note(GpuEvent(xid=code), 2.0)
    found = told(counts)
    assert found["100000"] == 2
    assert found["other"] == 14
    assert len(found) == len(XIDS) + UNCATALOGUED_LIMIT + 1
    strangers = [value for value in counts.values() if ("xid", "100000") in value.extra and _counts(value)]
    assert [dict(value.extra)["owner"] for value in strangers] == ["unknown"]
