"""NVML's raw answers recorded as they come: a library that forwards every call to another one, and keeps the answer.

Put under the binding by `atlas-ops gpu record`, so that exactly what the exporter asks is recorded, whatever that is.
`exporter.nvml.replay` answers from the file.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from atlas_ops.exporter.gpu.backend import GpuUnavailable
from atlas_ops.exporter.nvml.calls import NvmlCode, unavailable
from atlas_ops.exporter.nvml.raw.call import Call
from atlas_ops.exporter.nvml.raw.handles import Handles
from atlas_ops.exporter.nvml.raw.lines import Header
from atlas_ops.exporter.nvml.raw.plain import Unreadable
from atlas_ops.exporter.nvml.raw.writer import RecordingFile

_LIBRARY = "libnvidia-ml.so.1"
_UNMASKABLE = re.compile("Accounting|ProcessName|Vgpu|ConfCompute|Pdi")
"""Functions whose numbers are ids of processes, guests or devices (PDI), or are keys, where no mask expects them."""
_TEXT_BYTES = 96
"""NVML's longest buffer for a name or a version (NVML_DEVICE_NAME_V2_BUFFER_SIZE)."""


class RecordingLibrary:
    """Stands where `libnvidia-ml.so.1` stands, with the functions that `library` has."""

    def __init__(self, library: object, file: RecordingFile) -> None:
        self._library, self._file = library, file
        self._handles = Handles()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a function; AttributeError for one that the library does not have."""
        function = getattr(self._library, name)
        if name == "nvmlErrorString":  # its answer is a text, and of no GPU
            return function  # type: ignore[no-any-return]
        return _Recorded(function, lambda arguments: self._call(name, function, arguments))

    def _call(self, name: str, function: Callable[..., int], arguments: tuple[Any, ...]) -> int:
        if _UNMASKABLE.search(name):
            self._file.leave_out(name, "it tells ids or keys that are not masked")
            return function(*arguments)
        try:
            with self._lock:
                call = Call(name, arguments, self._handles)
        except Unreadable as reason:
            self._file.leave_out(name, f"it has {reason}")
            return function(*arguments)
        code = function(*arguments)
        try:
            self._keep(call, code)
        except Unreadable as reason:
            self._file.leave_out(name, f"it has {reason}")
        return code

    def _keep(self, call: Call, code: int) -> None:
        with self._lock:
            if code == NvmlCode.SUCCESS:
                call.name_handles()
            outputs = call.outputs()
        self._file.answer(call.function, call.of, call.inputs, code, outputs)


class _Recorded:
    """A function of the library as the binding sees it, which may set `restype` on it."""

    def __init__(self, function: Any, call: Callable[[tuple[Any, ...]], Any]) -> None:
        self._function, self._call = function, call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(arguments)

    @property
    def restype(self) -> Any:
        """The C type of what it returns."""
        return self._function.restype

    @restype.setter
    def restype(self, kind: Any) -> None:
        self._function.restype = kind


def driver_library() -> ctypes.CDLL:
    """Load the library of the driver. GpuUnavailable when there is none."""
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError:
        raise unavailable(_LIBRARY, NvmlCode.LIBRARY_NOT_FOUND) from None


def describe(library: object, *, interval_seconds: float) -> Header:
    """Ask a library what the header of its recording says. GpuUnavailable when it does not open or has no GPU."""
    if code := _call(library, "nvmlInitWithFlags", ctypes.c_uint(0)):
        raise unavailable("nvmlInit", code)
    try:
        count = ctypes.c_uint()
        if code := _call(library, "nvmlDeviceGetCount_v2", ctypes.byref(count)):
            raise unavailable("nvmlDeviceGetCount", code)
        if not count.value:
            raise GpuUnavailable("the NVIDIA driver has no GPU", next_step="see whether lspci lists one")
        return Header(
            driver=_text(library, "nvmlSystemGetDriverVersion"),
            nvml=_text(library, "nvmlSystemGetNVMLVersion"),
            binding=importlib.metadata.version("nvidia-ml-py"),
            gpus=tuple(_name(library, index) for index in range(count.value)),
            interval_seconds=interval_seconds,
            date=datetime.now(UTC).date().isoformat(),
        )
    finally:
        _call(library, "nvmlShutdown")


class _Device(ctypes.Structure):
    """What a handle of a GPU points to; only the driver knows what that is."""


def _name(library: object, index: int) -> str:
    handle = ctypes.POINTER(_Device)()
    if _call(library, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle)):
        return ""
    return _text(library, "nvmlDeviceGetName", handle)


def _text(library: object, name: str, *arguments: object) -> str:
    buffer = ctypes.create_string_buffer(_TEXT_BYTES)
    code = _call(library, name, *arguments, buffer, ctypes.c_uint(_TEXT_BYTES))
    return "" if code else buffer.value.decode("utf-8", "replace")


def _call(library: object, name: str, *arguments: object) -> int:
    with contextlib.suppress(AttributeError):
        return int(getattr(library, name)(*arguments))
    return NvmlCode.FUNCTION_NOT_FOUND
