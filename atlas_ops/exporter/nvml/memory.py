"""GPU memory of a GPU or of an instance of one. Used by `exporter.nvml.device` and `exporter.nvml.mig`."""

from __future__ import annotations

from collections.abc import Iterable

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import Question, Value
from atlas_ops.exporter.nvml.calls import NvmlAbsent, Target, given

SIGNALS = (s.GPU_MEMORY_USED, s.GPU_MEMORY_FREE, s.GPU_MEMORY_RESERVED, s.GPU_MEMORY_TOTAL)
_FUNCTION = "nvmlDeviceGetMemoryInfo"
_VERSION_2 = 0x02000028
"""`nvmlMemory_v2` of nvml.h: version 2 of the record, 40 bytes."""


def question(target: Target) -> Question:
    """Return the question about one GPU."""
    return Question(name="memory", signals=SIGNALS, ask=lambda: values(target))


def values(target: Target) -> Iterable[Value]:
    """Ask. Version 2 tells what the driver keeps for itself; in version 1 that is part of what is used."""
    reserved: float | None = None
    try:
        memory = target.ask(_FUNCTION, _VERSION_2)
        reserved = float(memory.reserved)
    except NvmlAbsent:
        memory = target.ask(_FUNCTION)
    return (
        Value(s.GPU_MEMORY_USED, float(given(_FUNCTION, memory.used))),
        Value(s.GPU_MEMORY_FREE, float(given(_FUNCTION, memory.free))),
        Value(s.GPU_MEMORY_RESERVED, reserved),
        Value(s.GPU_MEMORY_TOTAL, float(memory.total)),
    )
