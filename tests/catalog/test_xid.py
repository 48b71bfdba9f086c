"""The XID catalogue: complete where it claims to be, and right about the codes that decide who is woken."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import conventions
from atlas_ops.catalog.xid import XIDS, owner_of

DEVICE_PLUGIN_CALLS_THEM_APPLICATION_FAULTS = (13, 31, 43, 45, 68, 109)
BROKEN_BOARDS = (48, 62, 64, 74, 79, 92, 94, 95, 110, 140, 143)


def test_every_code_has_one_entry_in_order() -> None:
    codes = [xid.code for xid in XIDS]
    assert codes == sorted(set(codes))


def test_every_entry_says_whose_fault_it_is_and_what_it_means_in_one_line() -> None:
    for xid in XIDS:
        assert xid.owner in conventions.XID_OWNERS
        assert xid.owner != "unknown"
        assert xid.name.replace("_", "").isalnum()
        assert xid.meaning
        assert "\n" not in xid.meaning
        assert not xid.action or xid.action == xid.action.upper()


@pytest.mark.parametrize("code", DEVICE_PLUGIN_CALLS_THEM_APPLICATION_FAULTS)
def test_what_the_device_plugin_blames_on_applications_is_theirs(code: int) -> None:
    assert owner_of(code) == "application"


@pytest.mark.parametrize("code", BROKEN_BOARDS)
def test_a_broken_board_is_hardware(code: int) -> None:
    assert owner_of(code) == "hardware"


@pytest.mark.parametrize("code", [119, 120, 78, 154])
def test_firmware_and_bookkeeping_are_the_drivers(code: int) -> None:
    assert owner_of(code) == "driver"


def test_engines_are_all_there() -> None:
    names = {xid.name for xid in XIDS}
    engines = [f"CE{n}" for n in range(20)] + [f"NVDEC{n}" for n in range(8)] + [f"NVJPG{n}" for n in range(8)]
    assert {f"ROBUST_CHANNEL_{engine}_ERROR" for engine in (*engines, "OFA0", "OFA1")} <= names


@pytest.mark.parametrize("code", [-1, 0, 1, 91, 999, 2**63])
def test_a_code_that_the_catalogue_does_not_know_is_nobodys(code: int) -> None:
    assert owner_of(code) == "unknown"


def test_restarting_the_application_is_for_faults_of_applications_and_for_contained_memory_errors() -> None:
    assert {xid.code for xid in XIDS if xid.action == "RESTART_APP" and xid.owner != "application"} == {94}
