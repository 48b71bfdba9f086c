"""What is taken from the tables of every revision, and that no table whatever can do more than be refused."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.amd.metrics import RESIDENCIES, Metrics, parse
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed

from .tables import REVISIONS, SIZES, table, table_1_6_before, table_1_9

COUNTED: dict[str, int | Sequence[int]] = {
    "energy_accumulator": 3 * 65536,
    "accumulation_counter": 1000,
    "prochot_residency_acc": 1,
    "ppt_residency_acc": 2,
    "socket_thm_residency_acc": 3,
    "vr_thm_residency_acc": 4,
    "hbm_thm_residency_acc": 5,
    "xgmi_read_data_acc": [1, 2, 3],
    "xgmi_write_data_acc": [4, 5, 6],
}
RESIDENT = dict(zip(RESIDENCIES, (1, 2, 3, 4, 5), strict=True))


@pytest.mark.parametrize("revision", SIZES)
def test_the_tables_of_these_tests_are_as_long_as_those_of_the_kernel(revision: tuple[int, int]) -> None:
    assert len(table(revision)) == SIZES[revision]


@pytest.mark.parametrize("make", [lambda **v: table((1, 6), **v), lambda **v: table((1, 7), **v),
                                  lambda **v: table((1, 8), **v), table_1_9])  # fmt: skip
def test_tables_of_mi300_give_residencies_energy_and_xgmi_traffic(make: Callable[..., bytes]) -> None:
    metrics = parse(make(**COUNTED))

    assert metrics == Metrics(
        cycles=1000, residencies=RESIDENT, energy=3.0, xgmi_read=6 * 1024.0, xgmi_written=15 * 1024.0
    )


@pytest.mark.parametrize("revision", [(1, 4), (1, 5)])
def test_tables_of_early_mi300_drivers_have_no_throttling_for_their_status_is_always_zero(
    revision: tuple[int, int],
) -> None:
    values = {name: value for name, value in COUNTED.items() if "xgmi" in name or "energy" in name}

    metrics = parse(table(revision, throttle_status=0, **values))

    assert metrics == Metrics(energy=3.0, xgmi_read=6 * 1024.0, xgmi_written=15 * 1024.0)


def test_the_throttle_status_of_1_3_is_the_one_that_means_the_same_on_every_chip() -> None:
    assert parse(table((1, 3), throttle_status=0xFF, indep_throttle_status=1 << 36)).throttle_status == 1 << 36


@pytest.mark.parametrize("revision", [(2, 2), (2, 3), (2, 4)])
def test_apus_have_a_throttle_status_too(revision: tuple[int, int]) -> None:
    assert parse(table(revision, indep_throttle_status=5)) == Metrics(throttle_status=5)


@pytest.mark.parametrize("revision", [(1, 1), (1, 2), (1, 3)])
def test_energy_of_older_tables_is_told_where_its_unit_is_known_which_is_on_parts_with_hbm(
    revision: tuple[int, int],
) -> None:
    hbm = (40, 41, 42, 43)

    assert parse(table(revision, energy_accumulator=65536, temperature_hbm=hbm)).energy == 1.0
    assert parse(table(revision, energy_accumulator=65536)).energy is None
    assert parse(table(revision, energy_accumulator=0, temperature_hbm=hbm)).energy is None, (
        "it counts on the other die"
    )


@pytest.mark.parametrize("revision", [(1, 6), (1, 7), (1, 8)])
def test_what_is_not_given_is_absent_and_never_a_huge_number(revision: tuple[int, int]) -> None:
    assert parse(table(revision)) == Metrics()
    assert parse(table(revision, prochot_residency_acc=7, accumulation_counter=9)) == Metrics(
        cycles=9, residencies={"prochot_residency_acc": 7}
    )


def test_attributes_that_are_not_taken_are_stepped_over() -> None:
    made = table_1_9(temperature_hotspot=71, gfx_busy_inst=[1, 2, 3], ppt_residency_acc=5, accumulation_counter=6)

    assert parse(made) == Metrics(cycles=6, residencies={"ppt_residency_acc": 5})


@pytest.mark.parametrize("revision", [(1, 0), (2, 1), (3, 0), (1, 10), (9, 9)])
def test_a_revision_with_nothing_to_take_is_absent(revision: tuple[int, int]) -> None:
    made = bytearray(table(revision) if revision in REVISIONS else table((1, 7)))
    made[2:4] = bytes(revision)

    with pytest.raises(GpuAbsent):
        parse(bytes(made))


def test_the_other_1_6_of_early_kernels_is_not_taken_for_the_final_one() -> None:
    with pytest.raises(GpuAbsent):
        parse(table_1_6_before(**COUNTED))


@pytest.mark.parametrize("made", [table((1, 3)), table((1, 7)), table_1_9(**COUNTED)])
def test_a_table_that_is_cut_off_anywhere_is_a_failure(made: bytes) -> None:
    for length in range(len(made)):
        with pytest.raises(GpuFailed):
            parse(made[:length])


def test_a_longer_table_of_a_known_revision_is_read_as_before() -> None:
    made = bytearray(table((1, 7), **COUNTED) + bytes(8))
    made[:2] = struct.pack("<H", len(made))

    assert parse(bytes(made)).residencies == RESIDENT


def _claiming(revision: tuple[int, int], body: bytes) -> bytes:
    return struct.pack("<HBB", len(body) + 4, *revision) + body


@given(st.one_of(
    st.binary(max_size=4096),
    st.builds(_claiming, st.sampled_from([*REVISIONS, (1, 9)]), st.binary(max_size=4000)),
    st.builds(lambda count, body: _claiming((1, 9), struct.pack("<I", count) + body), st.integers(0, 9), st.binary()),
))  # fmt: skip
def test_whatever_the_driver_sends_is_read_absent_or_failed(garbage: bytes) -> None:
    try:
        metrics = parse(garbage)
    except (GpuAbsent, GpuFailed):
        return
    assert all(value >= 0 for value in metrics.residencies.values())
    assert metrics.energy is None or metrics.energy > 0
