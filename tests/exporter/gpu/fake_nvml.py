"""A driver library in Python: stands where `libnvidia-ml.so.1` stands, so the real binding runs on top of it.

Its functions get the ctypes arguments that the binding makes, and return NVML codes. Every function can be made to
refuse, to be missing, or to hang, for one GPU or for all.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

NOT_SUPPORTED, NO_PERMISSION, GPU_IS_LOST, UNKNOWN = 3, 4, 15, 999
UNINITIALIZED, INVALID_ARGUMENT, DRIVER_NOT_LOADED = 1, 2, 9
GIB = 1024**3


@dataclass
class FakeGpu:
    uuid: str
    name: bytes = b"NVIDIA H100 80GB HBM3"
    pci_bus_id: bytes = b"00000000:1B:00.0"
    utilization: int = 50
    memory: tuple[int, int, int, int] = (80 * GIB, 1 * GIB, 49 * GIB, 30 * GIB)
    """total, reserved, free, used"""
    temperature: int = 61
    margin: int = -3
    power: int = 412_500
    power_limit: int = 700_000
    energy: int = 9_000_250
    clocks: tuple[int, ...] = (1755, 1740, 2619, 1560)
    clocks_max: tuple[int, ...] = (1980, 1980, 2619, 1545)
    fan: int = 35
    throttle_supported: int = 0x1FF
    throttle: Callable[[], int] = lambda: 0
    refusals: dict[str, int] = field(default_factory=dict)
    refuses_all: int = 0
    """Returned by every function that is asked about this GPU."""
    refuses_clock_type: int | None = None
    hang: threading.Event | None = None
    """Every call about this GPU waits until it is set."""
    hung: threading.Event = field(default_factory=threading.Event)
    """Set when a call has begun to hang."""


class FakeNvml:
    """The library. `refusals` are codes that a function returns for every GPU, `missing` functions it does not have."""

    def __init__(self, *gpus: FakeGpu, missing: frozenset[str] = frozenset()) -> None:
        self.gpus = list(gpus)
        self.missing = missing
        self.refusals: dict[str, int] = {}
        self.driver_version = b"550.54.15"
        self.hang_at_init: threading.Event | None = None
        self.open_sessions = 0
        self.sessions = 0
        self.calls: set[str] = set()

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name in self.missing or name not in FUNCTIONS:
            raise AttributeError(name)
        return partial(self._call, name)

    def _call(self, name: str, *arguments: Any) -> int:
        self.calls.add(name)
        if name in self.refusals:
            return self.refusals[name]
        if name in _OF_THE_LIBRARY:
            return _OF_THE_LIBRARY[name](self, *arguments)
        if not self.open_sessions:
            return UNINITIALIZED
        gpu = self._behind(arguments[0])
        if gpu is None:
            return INVALID_ARGUMENT
        return self._about(gpu, name) or _OF_A_GPU[name](gpu, *arguments[1:]) or 0

    def _about(self, gpu: FakeGpu, name: str) -> int:
        if gpu.hang is not None:
            gpu.hung.set()
            gpu.hang.wait()
        return gpu.refuses_all or gpu.refusals.get(name, 0)

    def _behind(self, handle: Any) -> FakeGpu | None:
        """A handle of an earlier session points nowhere."""
        number = ctypes.cast(handle, ctypes.c_void_p).value or 0
        session, place = divmod(number, 1000)
        return self.gpus[place - 1] if session == self.sessions and 0 < place <= len(self.gpus) else None

    def _init(self, _flags: Any) -> int:
        if self.hang_at_init is not None:
            self.hang_at_init.wait()
        if not self.open_sessions:
            self.sessions += 1
        self.open_sessions += 1
        return 0

    def _shutdown(self) -> int:
        self.open_sessions -= 1
        return 0

    def _count(self, out: Any) -> int:
        out._obj.value = len(self.gpus)
        return 0

    def _driver(self, buffer: Any, _size: Any) -> int:
        buffer.value = self.driver_version
        return 0

    def _handle(self, index: Any, out: Any) -> int:
        if not self.open_sessions:
            return UNINITIALIZED
        refusal = self._about(self.gpus[index.value], "nvmlDeviceGetHandleByIndex_v2")
        if not refusal:
            ctypes.c_void_p.from_buffer(out._obj).value = self.sessions * 1000 + index.value + 1
        return refusal


def _text(attribute: str) -> Callable[..., None]:
    def write(gpu: FakeGpu, buffer: Any, _size: Any) -> None:
        value = getattr(gpu, attribute)
        buffer.value = value if isinstance(value, bytes) else value.encode()

    return write


def _number(attribute: str) -> Callable[..., None]:
    def write(gpu: FakeGpu, out: Any) -> None:
        value = getattr(gpu, attribute)
        out._obj.value = value() if callable(value) else value

    return write


def _field(record_field: str, attribute: str) -> Callable[..., None]:
    def write(gpu: FakeGpu, out: Any) -> None:
        setattr(out._obj, record_field, getattr(gpu, attribute))

    return write


def _clock(attribute: str) -> Callable[..., int]:
    def write(gpu: FakeGpu, kind: Any, out: Any) -> int:
        out._obj.value = getattr(gpu, attribute)[kind.value]
        return NOT_SUPPORTED if kind.value == gpu.refuses_clock_type else 0

    return write


def _temperature(gpu: FakeGpu, _sensor: Any, out: Any) -> None:
    out._obj.value = gpu.temperature


def _memory_v1(gpu: FakeGpu, out: Any) -> None:
    total, reserved, free, used = gpu.memory
    out._obj.total, out._obj.free, out._obj.used = total, free, used + reserved


def _memory_v2(gpu: FakeGpu, out: Any) -> None:
    out._obj.total, out._obj.reserved, out._obj.free, out._obj.used = gpu.memory


_OF_THE_LIBRARY: dict[str, Callable[..., int]] = {
    "nvmlInitWithFlags": FakeNvml._init,
    "nvmlShutdown": FakeNvml._shutdown,
    "nvmlDeviceGetCount_v2": FakeNvml._count,
    "nvmlSystemGetDriverVersion": FakeNvml._driver,
    "nvmlDeviceGetHandleByIndex_v2": FakeNvml._handle,
}
_OF_A_GPU: dict[str, Callable[..., int | None]] = {
    "nvmlDeviceGetUUID": _text("uuid"),
    "nvmlDeviceGetName": _text("name"),
    "nvmlDeviceGetPciInfo_v3": _field("busId", "pci_bus_id"),
    "nvmlDeviceGetUtilizationRates": _field("gpu", "utilization"),
    "nvmlDeviceGetMemoryInfo": _memory_v1,
    "nvmlDeviceGetMemoryInfo_v2": _memory_v2,
    "nvmlDeviceGetTemperature": _temperature,
    "nvmlDeviceGetTemperatureV": _field("temperature", "temperature"),
    "nvmlDeviceGetMarginTemperature": _field("marginTemperature", "margin"),
    "nvmlDeviceGetPowerUsage": _number("power"),
    "nvmlDeviceGetEnforcedPowerLimit": _number("power_limit"),
    "nvmlDeviceGetTotalEnergyConsumption": _number("energy"),
    "nvmlDeviceGetClockInfo": _clock("clocks"),
    "nvmlDeviceGetMaxClockInfo": _clock("clocks_max"),
    "nvmlDeviceGetFanSpeed": _number("fan"),
    "nvmlDeviceGetCurrentClocksEventReasons": _number("throttle"),
    "nvmlDeviceGetCurrentClocksThrottleReasons": _number("throttle"),
    "nvmlDeviceGetSupportedClocksEventReasons": _number("throttle_supported"),
    "nvmlDeviceGetSupportedClocksThrottleReasons": _number("throttle_supported"),
}
FUNCTIONS = frozenset(_OF_THE_LIBRARY) | frozenset(_OF_A_GPU)
