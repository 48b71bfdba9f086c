"""NVML's field values: many numbers by their ids in one call to the driver.

Used by the modules of `exporter.nvml` whose numbers have no function of their own. The ids are those of nvml.h
(`NVML_FI_DEV_...`), spelled as numbers: the binding's constants belong to its own release, and some ids moved (see
`throttle_fields`). The array is kept: the binding would build it anew for every call, which costs as much as the call.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCode, Target, meaning

FUNCTION = "nvmlDeviceGetFieldValues"
ALL_LINKS = 0xFFFFFFFF
"""Scope that sums up all NVLinks (UINT_MAX)."""
UNSIGNED_LONG_LONG = 3
"""`nvmlValueType_t`: unsigned, 64 bits."""
_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Members of the value's union by `nvmlValueType_t`."""
_NOT_GIVEN = frozenset({NvmlCode.INVALID_ARGUMENT, NvmlCode.NOT_FOUND})
"""What a driver says to an id or a scope that it does not know."""


class Entry(NamedTuple):
    """The driver's answer for one id. `value` counts only when `code` is SUCCESS."""

    code: int
    type: int
    value: int | float | None


class Fields:
    """A batch of ids, each with its scope (such as a link's number), about one target. Used by one thread."""

    def __init__(self, target: Target, ids: Sequence[tuple[int, int]]) -> None:
        self._target, self._ids = target, tuple(ids)
        self._array: Any = None
        self._entries: list[Any] = []

    def entries(self) -> list[Entry]:
        """Ask; one entry for each id. Raises as `NvmlCalls.ask` does when the call as a whole is refused."""
        if self._array is None:
            self._build()
        function = self._target.calls.pointer(FUNCTION)
        code = function(self._target.handle, ctypes.c_int32(len(self._ids)), ctypes.byref(self._array))
        if code != NvmlCode.SUCCESS:
            raise meaning(FUNCTION, code)
        return [_entry(entry) for entry in self._entries]

    def numbers(self) -> list[int | float | None]:
        """Ask; None for what the part does not give. NvmlAbsent when that is everything, NvmlFailed when an id failed."""
        found: list[int | float | None] = []
        for (field, _), entry in zip(self._ids, self.entries(), strict=True):
            trouble = None if entry.code == NvmlCode.SUCCESS else meaning(f"field {field}", entry.code)
            if trouble is not None and not isinstance(trouble, NvmlAbsent) and entry.code not in _NOT_GIVEN:
                raise trouble
            found.append(entry.value if trouble is None else None)
        if all(number is None for number in found):
            raise NvmlAbsent(f"field {self._ids[0][0]}", NvmlCode.NOT_SUPPORTED)
        return found

    def _build(self) -> None:
        record = self._target.calls.record("c_nvmlFieldValue_t")
        self._array = (type(record) * len(self._ids))()
        self._entries = list(self._array)
        for entry, (field, scope) in zip(self._entries, self._ids, strict=True):
            entry.fieldId, entry.scopeId = field, scope


def one(target: Target, field: int) -> Fields:
    """Return a batch of one id without a scope."""
    return Fields(target, ((field, 0),))


def _entry(entry: Any) -> Entry:
    kind = entry.valueType
    value = getattr(entry.value, _MEMBERS[kind]) if 0 <= kind < len(_MEMBERS) else None
    return Entry(entry.nvmlReturn, kind, None if isinstance(value, float) and not math.isfinite(value) else value)
