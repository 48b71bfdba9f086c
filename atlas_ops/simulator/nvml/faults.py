"""Memory errors and what the GPU does about them: ECC counts, remapped rows, retired pages."""

from __future__ import annotations

from typing import Any

from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import INSUFFICIENT_SIZE, INVALID_ARGUMENT, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target

_SRAM_STATUS_V1 = 0x1000068
_CORRECTED, _UNCORRECTED = 0, 1
_DRAM, _SRAM = 2, 7
_SINGLE_BIT, _DOUBLE_BIT = 0, 1
_FIRST_PAGE = 0x2A000
"""Address of the first retired page; made up, like the rest of them."""


def ecc_total(target: Target, kind: int) -> int:
    """Return the errors of every location."""
    return ecc_count(target, kind, _DRAM) + ecc_count(target, kind, _SRAM)


def ecc_count(target: Target, kind: int, location: int) -> int:
    """Return the errors of one kind (0 corrected, 1 uncorrected) in DRAM (2) or SRAM (7)."""
    c.need(target.profile.ecc)
    ecc = target.state.ecc
    counts = {
        (_CORRECTED, _DRAM): ecc.dram_corrected,
        (_UNCORRECTED, _DRAM): ecc.dram_uncorrected,
        (_CORRECTED, _SRAM): ecc.sram_corrected,
        (_UNCORRECTED, _SRAM): ecc.sram_parity + ecc.sram_secded,
    }
    if kind not in (_CORRECTED, _UNCORRECTED):
        raise Refused(INVALID_ARGUMENT)
    c.need((kind, location) in counts)  # no part here tells its caches and register files apart
    return counts[kind, location]


def _ecc_mode(target: Target, current: Any, pending: Any) -> None:
    c.need(target.profile.ecc)
    c.put(current, 1)
    c.put(pending, 1)


def _sram_status(target: Target, status: Any) -> None:
    c.need(target.profile.ecc and not target.profile.retired_pages)
    c.check_version(status, _SRAM_STATUS_V1)
    ecc = target.state.ecc
    c.fill(
        status,
        aggregateUncParity=ecc.sram_parity,
        aggregateUncSecDed=ecc.sram_secded,
        aggregateCor=ecc.sram_corrected,
        volatileUncParity=ecc.sram_parity,
        volatileUncSecDed=ecc.sram_secded,
        volatileCor=ecc.sram_corrected,
        # Where they happened is made up: the code watches over the L2 cache, parity over the multiprocessors.
        aggregateUncBucketL2=ecc.sram_secded,
        aggregateUncBucketSm=ecc.sram_parity,
        aggregateUncBucketPcie=0,
        aggregateUncBucketMcu=0,
        aggregateUncBucketOther=0,
        bThresholdExceeded=ecc.sram_threshold_exceeded,
    )


def rows_given(target: Target) -> None:
    """Refuse where row remapping is not told: before Ampere, on GeForce, and with MIG on."""
    c.need(target.profile.row_remap and not target.profile.mig_on)


def _remapped_rows(target: Target, corrected: Any, uncorrected: Any, pending: Any, failure: Any) -> None:
    rows_given(target)
    rows = target.state.rows
    for out, value in zip(
        (corrected, uncorrected, pending, failure),
        (rows.corrected, rows.uncorrected, rows.pending, rows.failure),
        strict=True,
    ):
        c.put(out, value)


def _retired_pages(target: Target, cause: Any, count: Any, addresses: Any, times: Any = None) -> None:
    c.need(target.profile.retired_pages)
    pages = target.state.pages
    found = {_SINGLE_BIT: pages.single_bit, _DOUBLE_BIT: pages.double_bit}.get(c.number(cause))
    if found is None:
        raise Refused(INVALID_ARGUMENT)
    room = c.pointee(count).value
    c.put(count, found)
    if found > room:
        raise Refused(INSUFFICIENT_SIZE)
    for place in range(found):
        addresses[place] = _FIRST_PAGE + place
        if times is not None:
            times[place] = 0


def _pages_pending(target: Target, pending: Any) -> None:
    c.need(target.profile.retired_pages)
    c.put(pending, target.state.pages.pending)


FUNCTIONS: DeviceFunctions = (
    ("nvmlDeviceGetEccMode", _ecc_mode),
    (
        "nvmlDeviceGetTotalEccErrors",
        lambda target, kind, _counter, out: c.put(out, ecc_total(target, c.number(kind))),
    ),
    (
        "nvmlDeviceGetMemoryErrorCounter",
        lambda target, kind, _counter, place, out: c.put(out, ecc_count(target, c.number(kind), c.number(place))),
    ),
    ("nvmlDeviceGetSramEccErrorStatus", _sram_status),
    ("nvmlDeviceGetRemappedRows", _remapped_rows),
    ("nvmlDeviceGetRetiredPages", _retired_pages),
    ("nvmlDeviceGetRetiredPages_v2", _retired_pages),
    ("nvmlDeviceGetRetiredPagesPendingStatus", _pages_pending),
)
