"""The hardware's throttle counters: which field ids they have in which driver.

Used by `exporter.nvml.device`. NVIDIA moved the ids: what is HW thermal slowdown in one driver is a setting of power
smoothing in another, and the binding's constants are those of its own release. So the ids are chosen by the driver's
version (compared over fifteen releases of the binding and against a real nvidia-smi 580.65.06), and the collector checks
at run time whether what comes behaves like a counter (`gpu.throttle_counter`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from atlas_ops.exporter.nvml.calls import NvmlCode, Target
from atlas_ops.exporter.nvml.fields import UNSIGNED_LONG_LONG, Fields

Ids = tuple[tuple[str, int], ...]
"""(reason, field id)."""

ALWAYS: Ids = (("sw_power_cap", 74), ("sync_boost", 76))
"""Not 80, which is called application clocks: it counts the time below these, whatever the reason is. Seen on an H200
(580.159): it grew while the GPU was idle or at its power limit and the reason's bit was never on."""
SW_THERMAL: Ids = (("sw_thermal", 75),)
"""The thermal policy's time: what there is without the newer ids, which are more exact."""
_REASONS = ("sw_thermal", "hw_thermal", "hw_power_brake")
SINCE_575: Ids = tuple(zip(_REASONS, (251, 252, 253), strict=True))
SINCE_580_82: Ids = tuple(zip(_REASONS, (269, 270, 271), strict=True))
_FIRST, _LAST_OF_FIRST, _SECOND = (575, 0), (580, 65), (580, 82)


def parse_version(text: str) -> tuple[int, int] | None:
    """Return branch and release of a driver version such as `580.65.06`: (580, 65). None for anything else."""
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})(?![0-9])", text)
    return None if found is None else (int(found[1]), int(found[2]))


def candidates(version: tuple[int, int] | None) -> tuple[Ids, ...]:
    """Return the sets of ids that thermal and brake counters may have: none, one, or (in a span nobody has seen) two."""
    if version is None or version < _FIRST:
        return ()
    if version <= _LAST_OF_FIRST:
        return (SINCE_575,)
    return (SINCE_580_82,) if version >= _SECOND else (SINCE_575, SINCE_580_82)


class ThrottleFields:
    """The throttle counters of one GPU; used by one thread."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._ids: Ids = ()
        self._batch: Fields | None = None

    def forget(self) -> None:
        """Choose anew at the next look."""
        self._batch = None

    def counters(self) -> Mapping[str, int]:
        """Return {reason: raw count}, of those alone that are unsigned 64 bits wide. Refusals are raised as of a call."""
        batch = self._batch
        if batch is None:
            newer = self._newer()
            thermal = () if "sw_thermal" in dict(newer) else SW_THERMAL
            self._ids = (*ALWAYS, *newer, *thermal)
            self._batch = batch = _batch(self._target, self._ids)
        found = zip(self._ids, _counts(batch), strict=True)
        return {reason: count for (reason, _), count in found if count is not None}

    def _newer(self) -> Ids:
        """Return the newer ids that answer as counters do: by the version, or of the only set that answers in full."""
        sets = candidates(parse_version(self._target.calls.text("nvmlSystemGetDriverVersion")))
        answering = [self._answering(ids) for ids in sets]
        if len(sets) > 1:
            answering = [ids for ids in answering if ids in sets]
        return answering[0] if len(answering) == 1 else ()

    def _answering(self, ids: Ids) -> Ids:
        counts = _counts(_batch(self._target, ids))
        return tuple(known for known, count in zip(ids, counts, strict=True) if count is not None)


def _batch(target: Target, ids: Ids) -> Fields:
    return Fields(target, [(field, 0) for _, field in ids])


def _counts(batch: Fields) -> list[int | None]:
    return [
        entry.value
        if entry.code == NvmlCode.SUCCESS and entry.type == UNSIGNED_LONG_LONG and isinstance(entry.value, int)
        else None
        for entry in batch.entries()
    ]
