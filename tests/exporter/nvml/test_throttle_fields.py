"""Which field ids are asked for throttle counters, driver by driver."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed
from atlas_ops.exporter.nvml.throttle_fields import SINCE_575, SINCE_580_82, candidates, parse_version

from .rig import NOT_SUPPORTED, SECOND, UNKNOWN, Rig, rig

HW_THERMAL, SW_POWER_CAP, SW_THERMAL = 0x40, 0x4, 0x20
BASE = {"sw_power_cap": 74, "sync_boost": 76}
OLD = BASE | {"sw_thermal": 75}
FIRST = BASE | {"sw_thermal": 251, "hw_thermal": 252, "hw_power_brake": 253}
SECOND_SET = BASE | {"sw_thermal": 269, "hw_thermal": 270, "hw_power_brake": 271}
ULL, UINT = 3, 1


def answering(*ids: int, kind: int = ULL) -> Any:
    """A driver that answers these ids, each with its own number, and refuses all others."""

    def values(_handle: Any, _count: Any, array: Any) -> int:
        for entry in array._obj:
            entry.nvmlReturn = 0 if entry.fieldId in ids else NOT_SUPPORTED
            entry.valueType, entry.value.ullVal = kind, entry.fieldId
        return 0

    return values


def pretend(made: Rig, version: str) -> None:
    def write(buffer: Any, _size: Any) -> int:
        buffer.value = version.encode()
        return 0

    made.library.answers["nvmlSystemGetDriverVersion"] = write


EVERY_ID = (74, 75, 76, 80, 251, 252, 253, 269, 270, 271)
"""What a driver says that answers everything: for power smoothing, too."""


@pytest.mark.parametrize(
    ("version", "chosen"),
    [
        ("550.54.15", OLD),
        ("570.124.06", OLD),
        ("575.51.03", FIRST),
        ("580.65.06", FIRST),
        ("580.82.07", SECOND_SET),
        ("590.44.01", SECOND_SET),
        ("615.10", SECOND_SET),
        # Between 580.65 and 580.82 nobody knows, and a driver that answers both sets does not help.
        ("580.70.02", OLD),
        ("", OLD),
        ("unknown", OLD),
        ("580", OLD),
        ("-580.82", OLD),
        ("580.820000", OLD),
        ("\N{ARABIC-INDIC DIGIT FIVE}80.82", OLD),
        ("9" * 60 + ".1", OLD),
    ],
)
def test_the_ids_follow_the_version_and_not_what_answers(version: str, chosen: dict[str, int]) -> None:
    with rig() as made:
        pretend(made, version)
        made.library.answers["nvmlDeviceGetFieldValues"] = answering(*EVERY_ID)
        assert made.device().throttle_counters() == chosen


@pytest.mark.parametrize(
    ("answered", "chosen"),
    [
        ((251, 252, 253), FIRST),
        ((269, 270, 271), SECOND_SET),
        ((251, 252, 253, 269, 270), FIRST),
        ((251, 252), OLD),
        ((), OLD),
    ],
)
def test_between_the_two_known_spans_the_only_set_that_answers_in_full_is_taken(
    answered: tuple[int, ...], chosen: dict[str, int]
) -> None:
    with rig() as made:
        pretend(made, "580.70.02")
        made.library.answers["nvmlDeviceGetFieldValues"] = answering(74, 75, 76, *answered)
        assert made.device().throttle_counters() == chosen


def test_a_setting_of_power_smoothing_is_no_counter() -> None:
    with rig() as made:
        made.library.answers["nvmlDeviceGetFieldValues"] = answering(*EVERY_ID, kind=UINT)
        assert made.device().throttle_counters() == {}


def test_a_reason_whose_newer_counter_is_missing_keeps_the_older_one() -> None:
    with rig() as made:
        made.library.answers["nvmlDeviceGetFieldValues"] = answering(74, 75, 270)
        assert made.device().throttle_counters() == {"sw_power_cap": 74, "sw_thermal": 75, "hw_thermal": 270}


def test_once_chosen_a_reason_does_not_change_its_counter() -> None:
    with rig() as made:
        made.library.answers["nvmlDeviceGetFieldValues"] = answering(75, 269)
        device = made.device()
        assert device.throttle_counters() == {"sw_thermal": 269}
        made.library.answers["nvmlDeviceGetFieldValues"] = answering(75)
        assert device.throttle_counters() == {}


@pytest.mark.parametrize("driver", ["535", "570", "575", "580.65", "580.82", "590"])
def test_every_driver_counts_the_time_that_it_throttles(driver: str) -> None:
    with rig(driver=driver) as made:
        device = made.device()
        before = device.throttle_counters()
        made.node.throttle(0, HW_THERMAL | SW_POWER_CAP)
        made.now_ns += SECOND
        after = device.throttle_counters()
        grown = {reason: after[reason] - count for reason, count in before.items() if after[reason] > count}
        newer = driver not in ("535", "570")
        assert grown == {"sw_power_cap": SECOND} | ({"hw_thermal": SECOND} if newer else {})
        assert after.keys() == (SECOND_SET if newer else OLD).keys()


def test_a_driver_that_cannot_be_asked_now_is_asked_again() -> None:
    with rig() as made:
        device = made.device()
        made.library.refusals["nvmlDeviceGetFieldValues"] = UNKNOWN
        with pytest.raises(GpuFailed):
            device.throttle_counters()
        del made.library.refusals["nvmlDeviceGetFieldValues"]
        assert device.throttle_counters().keys() == SECOND_SET.keys()


def test_a_driver_without_field_values_has_no_counters() -> None:
    with rig() as made:
        made.library.missing.add("nvmlDeviceGetFieldValues")
        with pytest.raises(GpuAbsent):
            made.device().throttle_counters()


@given(st.text())
def test_any_text_is_a_version_or_none(text: str) -> None:
    version = parse_version(text)
    assert len(candidates(version)) == 0 or version is not None


@given(st.integers(0, 9999), st.integers(0, 9999), st.sampled_from(["", ".06", ".06-grid", " beta"]))
def test_branch_and_release_are_read_whatever_follows(branch: int, release: int, rest: str) -> None:
    assert parse_version(f"{branch}.{release:02}{rest}") == (branch, release)


@given(st.integers(0, 2000), st.integers(0, 200))
def test_newer_drivers_never_go_back_to_older_ids(branch: int, release: int) -> None:
    order = {(): 0, (SINCE_575,): 1, (SINCE_575, SINCE_580_82): 2, (SINCE_580_82,): 3}
    here, later = candidates((branch, release)), candidates((branch, release + 1))
    assert order[here] <= order[later] <= order[candidates((branch + 1, 0))]
