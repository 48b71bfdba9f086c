"""What wears out: ECC errors by where they happened, remapped rows, retired pages, and what the driver wants done.

Used by `exporter.nvml.device`. All counters are NVML's aggregate ones, which live on the board: they outlast a reboot.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import Question, Value
from atlas_ops.exporter.nvml import fields
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCode, Target
from atlas_ops.exporter.samples import labels

HEALTH_SECONDS = 5.0
"""Between two asks: these move seldom, and the driver reads some of them from the board."""
_COUNTER = "nvmlDeviceGetMemoryErrorCounter"
_TYPES = (("corrected", 0), ("uncorrected", 1))
"""(type, `nvmlMemoryErrorType_t`)."""
_AGGREGATE = 1
_DRAM, _SRAM = ("dram", 2), ("sram", 7)
_OLDER_LOCATIONS = (("l1", 0), ("l2", 1), ("registers", 3), ("texture", 4), ("texture_shared", 5), ("cbu", 6))
"""(location, `nvmlMemoryLocation_t`); before Ampere, which sums up all of these as SRAM."""
_SRAM_SOURCES = (
    ("sram_l2", "aggregateUncBucketL2"),
    ("sram_sm", "aggregateUncBucketSm"),
    ("sram_pcie", "aggregateUncBucketPcie"),
    ("sram_microcontroller", "aggregateUncBucketMcu"),
)
_REMAPPED = (s.GPU_REMAPPED_ROWS, s.GPU_ROW_REMAP_PENDING, s.GPU_ROW_REMAP_FAILURE)
_RETIRED = (("single_bit", 29), ("double_bit", 30))
"""(cause, field id): several correctable errors in one page, and one uncorrectable one."""
_RECOVERY_ACTION = 230
"""Field id; driver 570 and later."""


def questions(target: Target) -> tuple[Question, ...]:
    """Return the questions about one GPU."""
    every = HEALTH_SECONDS
    retired = fields.Fields(target, [(field, 0) for _, field in _RETIRED])
    recovery, sram = fields.one(target, _RECOVERY_ACTION), _Sram()
    return (
        Question(name="ecc", signals=(s.GPU_ECC_ERRORS,), ask=lambda: _ecc(target, sram), every_seconds=every),
        Question(name="remapped_rows", signals=_REMAPPED, ask=lambda: _remapped(target), every_seconds=every),
        Question(
            name="retired_pages",
            signals=(s.GPU_RETIRED_PAGES,),
            ask=lambda: _retired(retired),
            call=fields.FUNCTION,
            every_seconds=every,
        ),
        Question(
            name="recovery_action",
            signals=(s.GPU_RECOVERY_ACTION,),
            ask=lambda: _recovery(recovery),
            call=fields.FUNCTION,
        ),
    )


def _ecc(target: Target, sram: _Sram) -> list[Value]:
    """Ask so that the locations add up: SRAM is told by its sources, or as a whole, or (before Ampere) by its parts."""
    values = list(_counters(target, _DRAM))
    try:
        values += sram.values(target)
    except NvmlAbsent:
        whole = list(_counters(target, _SRAM))
        values += whole or [value for location in _OLDER_LOCATIONS for value in _counters(target, location)]
    if not values:
        raise NvmlAbsent(_COUNTER, NvmlCode.NOT_SUPPORTED)
    return values


def _counters(target: Target, location: tuple[str, int]) -> Iterator[Value]:
    name, number = location
    for kind, code in _TYPES:
        try:
            count = target.ask(_COUNTER, code, _AGGREGATE, number)
        except NvmlAbsent:
            continue
        yield Value(s.GPU_ECC_ERRORS, float(count), labels(type=kind, location=name))


class _Sram:
    """Uncorrected errors by source. Whatever no source accounts for is `sram_other`, so that none is missing.

    That one is what is left over, so it could fall when the firmware finds a source later; a counter may not.
    """

    def __init__(self) -> None:
        self._other = 0

    def values(self, target: Target) -> Iterator[Value]:
        status = target.calls.record("c_nvmlEccSramErrorStatus_v1_t")
        target.ask("nvmlDeviceGetSramEccErrorStatus", ctypes.byref(status))
        yield Value(s.GPU_ECC_ERRORS, float(status.aggregateCor), labels(type="corrected", location="sram"))
        rest = status.aggregateUncParity + status.aggregateUncSecDed
        for location, bucket in _SRAM_SOURCES:
            count = getattr(status, bucket)
            rest -= count
            yield Value(s.GPU_ECC_ERRORS, float(count), labels(type="uncorrected", location=location))
        self._other = max(self._other, rest)
        yield Value(s.GPU_ECC_ERRORS, float(self._other), labels(type="uncorrected", location="sram_other"))


def _remapped(target: Target) -> Iterable[Value]:
    correctable, uncorrectable, pending, failure = target.ask("nvmlDeviceGetRemappedRows")
    return (
        Value(s.GPU_REMAPPED_ROWS, float(correctable), labels(type="correctable")),
        Value(s.GPU_REMAPPED_ROWS, float(uncorrectable), labels(type="uncorrectable")),
        Value(s.GPU_ROW_REMAP_PENDING, float(bool(pending))),
        Value(s.GPU_ROW_REMAP_FAILURE, float(bool(failure))),
    )


def _retired(batch: fields.Fields) -> Iterable[Value]:
    """Parts up to Volta and Turing; later ones remap rows instead."""
    return [
        Value(s.GPU_RETIRED_PAGES, float(count), labels(cause=cause))
        for (cause, _), count in zip(_RETIRED, batch.numbers(), strict=True)
        if count is not None
    ]


def _recovery(batch: fields.Fields) -> Iterable[Value]:
    return [Value(s.GPU_RECOVERY_ACTION, action) for action in batch.numbers()]
