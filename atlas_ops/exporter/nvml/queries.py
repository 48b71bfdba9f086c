"""What a full read asks NVML for, and which signals the answers are.

The registry that `exporter.nvml` goes through once a second. Left out on purpose: `nvmlDeviceGetPcieThroughput` blocks
for 20 ms per direction, and binding functions with a mutable default argument hand one object to every thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.backend import Value
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCalls, NvmlFailed
from atlas_ops.exporter.gpu.throttle import EVERY_REASON, THROTTLE_BITS
from atlas_ops.exporter.samples import Labels, labels

# The second name is the older one: NVIDIA renamed "throttle reasons" to "event reasons" with driver 535.
REASONS_NOW = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
REASONS_POSSIBLE = ("nvmlDeviceGetSupportedClocksEventReasons", "nvmlDeviceGetSupportedClocksThrottleReasons")
# The second goes away with CUDA 14, the first came with driver 570.
TEMPERATURE = ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature")
SENSOR_GPU = 0
CLOCKS = (("graphics", 0), ("sm", 1), ("memory", 2), ("video", 3))
"""(domain, `nvmlClockType_t` of nvml.h)."""
MEMORY_V2 = 0x02000028
"""`nvmlMemory_v2` of nvml.h: version 2 of the record, 40 bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One question to the driver, and the signals that its answer is for."""

    signals: tuple[Signal, ...]
    ask: Callable[[NvmlCalls, object], Iterable[Value]]
    """(calls, handle of the GPU) -> values; refusals are raised as `NvmlCalls.ask` raises them."""
    vital: bool = True
    """Answered by the GPU itself. What the driver may know by heart (limits) does not prove that the GPU is there."""


def throttle_mask(calls: NvmlCalls, handle: object) -> int:
    """Return the reasons that the part can report; where the driver does not say (vGPU guests), it may be any."""
    try:
        return calls.number(REASONS_POSSIBLE, handle) & EVERY_REASON
    except (NvmlAbsent, NvmlFailed):
        return EVERY_REASON


def _number(
    signal: Signal,
    unit: Callable[[int], float],
    names: tuple[str, ...],
    *arguments: int,
    extra: Labels = (),
    vital: bool = True,
) -> Query:
    def ask(calls: NvmlCalls, handle: object) -> Iterable[Value]:
        return (Value(signal, unit(calls.number(names, handle, *arguments)), extra),)

    return Query(signals=(signal,), ask=ask, vital=vital)


def _percent(value: int) -> float:
    return value / 100


def _milli(value: int) -> float:
    return value / 1000


def _mega(value: int) -> float:
    return value * 1e6


def _utilization(calls: NvmlCalls, handle: object) -> Iterable[Value]:
    rates = calls.ask("nvmlDeviceGetUtilizationRates", handle)
    return (Value(s.GPU_UTILIZATION, _percent(int(rates.gpu))),)


def _memory(calls: NvmlCalls, handle: object) -> Iterable[Value]:
    """Version 2 tells what the driver keeps for itself; in version 1 that is part of what is used."""
    reserved: float | None = None
    try:
        memory = calls.ask("nvmlDeviceGetMemoryInfo", handle, MEMORY_V2)
        reserved = float(memory.reserved)
    except NvmlAbsent:
        memory = calls.ask("nvmlDeviceGetMemoryInfo", handle)
    return (
        Value(s.GPU_MEMORY_USED, float(memory.used)),
        Value(s.GPU_MEMORY_FREE, float(memory.free)),
        Value(s.GPU_MEMORY_RESERVED, reserved),
        Value(s.GPU_MEMORY_TOTAL, float(memory.total)),
    )


def _throttle(calls: NvmlCalls, handle: object) -> Iterable[Value]:
    """Seconds, events and longest are counted by the sampler; they are supported where the reasons are given."""
    bits, mask = calls.number(REASONS_NOW, handle), throttle_mask(calls, handle)
    return [
        Value(s.GPU_THROTTLE_ACTIVE, float(bool(bits & bit)), labels(reason=reason))
        for reason, bit in THROTTLE_BITS
        if bit & mask
    ]


_MEMORY = (s.GPU_MEMORY_USED, s.GPU_MEMORY_FREE, s.GPU_MEMORY_RESERVED, s.GPU_MEMORY_TOTAL)
_THROTTLE = (s.GPU_THROTTLE_ACTIVE, s.GPU_THROTTLE_SECONDS, s.GPU_THROTTLE_EVENTS, s.GPU_THROTTLE_LONGEST)

QUERIES: tuple[Query, ...] = (
    Query(signals=(s.GPU_UTILIZATION,), ask=_utilization),
    Query(signals=_MEMORY, ask=_memory),
    _number(s.GPU_TEMPERATURE, float, TEMPERATURE, SENSOR_GPU, extra=labels(sensor="gpu")),
    _number(s.GPU_TEMPERATURE_MARGIN, float, ("nvmlDeviceGetMarginTemperature",)),
    _number(s.GPU_POWER, _milli, ("nvmlDeviceGetPowerUsage",)),
    _number(s.GPU_POWER_LIMIT, _milli, ("nvmlDeviceGetEnforcedPowerLimit",), vital=False),
    _number(s.GPU_ENERGY, _milli, ("nvmlDeviceGetTotalEnergyConsumption",)),
    *(
        _number(s.GPU_CLOCK, _mega, ("nvmlDeviceGetClockInfo",), kind, extra=labels(domain=domain))
        for domain, kind in CLOCKS
    ),
    *(
        _number(s.GPU_CLOCK_MAX, _mega, ("nvmlDeviceGetMaxClockInfo",), kind, extra=labels(domain=domain), vital=False)
        for domain, kind in CLOCKS
    ),
    _number(s.GPU_FAN, _percent, ("nvmlDeviceGetFanSpeed",)),
    Query(signals=_THROTTLE, ask=_throttle),
)
"""Everything that a full read asks for."""
