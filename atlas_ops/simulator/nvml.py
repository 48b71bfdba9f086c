"""A stand-in for NVIDIA's C library, `libnvidia-ml.so.1`, over simulated GPUs.

The binding (nvidia-ml-py) looks functions up on its library object by their C names and hands them ctypes arguments; an
object with plain Python functions of those names takes the library's place, and everything above that boundary is real.
Created by `atlas_ops.simulator.nvml_library`; put into the binding by the exporter.

What an H100 does not have (fan, serial number of a rented board) answers NOT_SUPPORTED; functions that are not here raise
AttributeError, which the binding reports as a function that the driver's version does not have.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Protocol

from atlas_ops.errors import AtlasError
from atlas_ops.simulator import gpu as h100
from atlas_ops.simulator.gpu import GpuState

# 570 is the last branch without hardware counters for thermal slowdown: whoever watches these GPUs has to sample, and the
# functions for those counters are not here.
DRIVER_VERSION = "570.124.06"
NVML_VERSION = "12.570.124.06"

SUCCESS = 0
UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
INSUFFICIENT_SIZE = 7
GPU_IS_LOST = 15

_TEXTS = {
    SUCCESS: b"Success",
    UNINITIALIZED: b"Uninitialized",
    INVALID_ARGUMENT: b"Invalid Argument",
    NOT_SUPPORTED: b"Not Supported",
    INSUFFICIENT_SIZE: b"Insufficient Size",
    GPU_IS_LOST: b"GPU is lost",
}
_FIRST_HANDLE = 0x1000
"""Handles are opaque pointers and must not be null; these are never followed."""
_THRESHOLDS = {0: h100.SHUTDOWN_CELSIUS, 1: h100.SLOWDOWN_CELSIUS, 3: h100.MAX_OPERATING_CELSIUS}
_SM_CLOCKS = (0, 1)
_MEMORY_CLOCK = 2
_CORE_SENSOR = 0
_PCI_DEVICE_ID = 0x233010DE
"""H100 SXM5 80 GB: device 2330 of vendor 10de."""

Read = Callable[[], tuple[GpuState, ...]]


class Cell(Protocol):
    """A C integer."""

    value: int


class Text(Protocol):
    """A C character buffer."""

    value: bytes


class Reference(Protocol):
    """What `ctypes.byref` returns: the object that it points to is its `_obj`."""

    _obj: object


class _Refused(Exception):
    """A call ends with this NVML return code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class NvmlLibrary:
    """The library object. `read` returns the GPUs and may raise AtlasError: then every GPU is lost."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._users = 0
        self._count = 0
        for name, function in (*self._library_functions(), *self._device_functions()):
            # Closures, not methods: the binding sets `restype` on what it finds, as on a ctypes function.
            setattr(self, name, function)

    def _library_functions(self) -> tuple[tuple[str, Callable[..., object]], ...]:
        return (
            ("nvmlInit_v2", lambda: self._use(1)),
            ("nvmlInitWithFlags", lambda _flags: self._use(1)),
            ("nvmlShutdown", lambda: self._use(-1)),
            ("nvmlErrorString", lambda code: _TEXTS.get(code, b"Unknown Error")),
            ("nvmlSystemGetDriverVersion", self._call(lambda text, size: _write(text, size, DRIVER_VERSION))),
            ("nvmlSystemGetNVMLVersion", self._call(lambda text, size: _write(text, size, NVML_VERSION))),
            ("nvmlDeviceGetCount_v2", self._call(self._put_count)),
            ("nvmlDeviceGetHandleByIndex_v2", self._call(self._put_handle)),
        )

    def _device_functions(self) -> tuple[tuple[str, Callable[..., int]], ...]:
        return tuple((name, self._device(function)) for name, function in _DEVICE_FUNCTIONS)

    def _use(self, change: int) -> int:
        if self._users + change < 0:
            return UNINITIALIZED
        self._users += change
        return SUCCESS

    def _call(self, function: Callable[..., None]) -> Callable[..., int]:
        def call(*arguments: object) -> int:
            if not self._users:
                return UNINITIALIZED
            try:
                function(*arguments)
            except _Refused as refused:
                return refused.code
            return SUCCESS

        return call

    def _device(self, function: Callable[..., None]) -> Callable[..., int]:
        return self._call(lambda handle, *arguments: function(self._gpu(_index(handle)), *arguments))

    def _gpus(self) -> tuple[GpuState, ...]:
        try:
            gpus = self._read()
        except AtlasError as error:
            raise _Refused(GPU_IS_LOST) from error
        self._count = len(gpus)
        return gpus

    def _gpu(self, index: int) -> GpuState:
        gpus = self._gpus()
        if not 0 <= index < len(gpus):
            raise _Refused(INVALID_ARGUMENT)
        return gpus[index]

    def _put_count(self, count: Reference) -> None:
        try:
            self._gpus()
        except _Refused:
            # A lost GPU still counts; only a library that never saw one has nothing to tell.
            if not self._count:
                raise
        _put(count, value=self._count)

    def _put_handle(self, index: Cell, handle: Reference) -> None:
        self._gpu(index.value)
        pointer = handle._obj  # noqa: SLF001 - the only way to the object behind byref
        if not isinstance(pointer, ctypes._Pointer):  # noqa: SLF001 - the class has no public name
            raise _Refused(INVALID_ARGUMENT)
        ctypes.c_void_p.from_buffer(pointer).value = _FIRST_HANDLE + index.value


def _index(handle: ctypes._Pointer[ctypes.Structure]) -> int:
    return (ctypes.cast(handle, ctypes.c_void_p).value or 0) - _FIRST_HANDLE


def _put(reference: Reference, **fields: float | bytes) -> None:
    """Write integers (rounded) and bytes into the C object behind a reference."""
    for name, value in fields.items():
        setattr(reference._obj, name, value if isinstance(value, bytes) else round(value))  # noqa: SLF001 - as above


def _write(buffer: Text, size: Cell, text: str) -> None:
    if len(text) >= size.value:
        raise _Refused(INSUFFICIENT_SIZE)
    buffer.value = text.encode()


def _not_supported(*_: object) -> None:
    raise _Refused(NOT_SUPPORTED)


def _pci(gpu: GpuState, info: Reference) -> None:
    bus = 0x10 + gpu.index
    legacy, full = f"0000:{bus:02X}:00.0".encode(), f"00000000:{bus:02X}:00.0".encode()
    _put(
        info, busIdLegacy=legacy, busId=full, domain=0, bus=bus, device=0, pciDeviceId=_PCI_DEVICE_ID, pciSubSystemId=0
    )


def _memory(gpu: GpuState, info: Reference) -> None:
    used = gpu.memory_used_bytes + h100.MEMORY_RESERVED_BYTES  # the first version counts reserved memory as used
    _put(info, total=h100.MEMORY_TOTAL_BYTES, used=used, free=h100.MEMORY_TOTAL_BYTES - used)


def _memory_v2(gpu: GpuState, info: Reference) -> None:
    reserved, used = h100.MEMORY_RESERVED_BYTES, gpu.memory_used_bytes
    free = h100.MEMORY_TOTAL_BYTES - used - reserved
    _put(info, total=h100.MEMORY_TOTAL_BYTES, reserved=reserved, used=used, free=free)


def _temperature(gpu: GpuState, sensor: Cell, celsius: Reference) -> None:
    if sensor.value != _CORE_SENSOR:
        raise _Refused(INVALID_ARGUMENT)
    _put(celsius, value=gpu.temperature_celsius)


def _threshold(_gpu: GpuState, which: Cell, celsius: Reference) -> None:
    if which.value not in _THRESHOLDS:
        raise _Refused(NOT_SUPPORTED)
    _put(celsius, value=_THRESHOLDS[which.value])


def _clock(gpu: GpuState, domain: Cell, mhz: Reference) -> None:
    _put(mhz, value=gpu.sm_clock_mhz if domain.value in _SM_CLOCKS else _other_clock(domain))


def _max_clock(_gpu: GpuState, domain: Cell, mhz: Reference) -> None:
    _put(mhz, value=h100.SM_CLOCK_MAX_MHZ if domain.value in _SM_CLOCKS else _other_clock(domain))


def _other_clock(domain: Cell) -> int:
    if domain.value != _MEMORY_CLOCK:
        raise _Refused(NOT_SUPPORTED)
    return h100.MEMORY_CLOCK_MHZ


def _utilization(gpu: GpuState, rates: Reference) -> None:
    _put(rates, gpu=100 * gpu.utilization_ratio, memory=100 * gpu.memory_utilization_ratio)


def _margin(gpu: GpuState, info: Reference) -> None:
    _put(info, marginTemperature=h100.MAX_OPERATING_CELSIUS - gpu.temperature_celsius)


def _reasons(gpu: GpuState, reasons: Reference) -> None:
    _put(reasons, value=gpu.reasons)


def _supported_reasons(_gpu: GpuState, reasons: Reference) -> None:
    _put(reasons, value=h100.REASONS_SUPPORTED)


def _power_limit(_gpu: GpuState, milliwatts: Reference) -> None:
    _put(milliwatts, value=1000 * h100.POWER_LIMIT_WATTS)


_DEVICE_FUNCTIONS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("nvmlDeviceGetName", lambda _gpu, text, size: _write(text, size, h100.NAME)),
    ("nvmlDeviceGetUUID", lambda gpu, text, size: _write(text, size, gpu.uuid)),
    ("nvmlDeviceGetSerial", _not_supported),
    ("nvmlDeviceGetPciInfo_v3", _pci),
    ("nvmlDeviceGetMinorNumber", lambda gpu, number: _put(number, value=gpu.index)),
    ("nvmlDeviceGetIndex", lambda gpu, index: _put(index, value=gpu.index)),
    ("nvmlDeviceGetMemoryInfo", _memory),
    ("nvmlDeviceGetMemoryInfo_v2", _memory_v2),
    ("nvmlDeviceGetUtilizationRates", _utilization),
    ("nvmlDeviceGetTemperature", _temperature),
    ("nvmlDeviceGetTemperatureV", lambda gpu, info: _put(info, temperature=gpu.temperature_celsius)),
    ("nvmlDeviceGetTemperatureThreshold", _threshold),
    ("nvmlDeviceGetMarginTemperature", _margin),
    ("nvmlDeviceGetPowerUsage", lambda gpu, milliwatts: _put(milliwatts, value=1000 * gpu.power_watts)),
    ("nvmlDeviceGetEnforcedPowerLimit", _power_limit),
    ("nvmlDeviceGetPowerManagementLimit", _power_limit),
    ("nvmlDeviceGetTotalEnergyConsumption", lambda gpu, millijoules: _put(millijoules, value=1000 * gpu.energy_joules)),
    ("nvmlDeviceGetClockInfo", _clock),
    ("nvmlDeviceGetMaxClockInfo", _max_clock),
    ("nvmlDeviceGetCurrentClocksEventReasons", _reasons),
    ("nvmlDeviceGetCurrentClocksThrottleReasons", _reasons),
    ("nvmlDeviceGetSupportedClocksEventReasons", _supported_reasons),
    ("nvmlDeviceGetSupportedClocksThrottleReasons", _supported_reasons),
    ("nvmlDeviceGetPerformanceState", lambda _gpu, state: _put(state, value=0)),
    ("nvmlDeviceGetFanSpeed", _not_supported),
)
