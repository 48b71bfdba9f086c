"""Calling NVML by name, and what its refusals mean.

Used by `exporter.nvml` and its queries (`exporter.nvml.queries`). Everything is asked by the function's name,
because both the driver and the binding may be too old to have it.
"""

from __future__ import annotations

import inspect
from enum import IntEnum
from types import ModuleType
from typing import Any

from atlas_ops.exporter.gpu.backend import GpuLost, GpuUnavailable


class NvmlCode(IntEnum):
    """The return codes (`nvmlReturn_t` of nvml.h) that mean something here; any other is a failure of the one call."""

    UNINITIALIZED = 1
    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    DRIVER_NOT_LOADED = 9
    LIBRARY_NOT_FOUND = 12
    FUNCTION_NOT_FOUND = 13
    GPU_IS_LOST = 15
    RESET_REQUIRED = 16
    LIB_RM_VERSION_MISMATCH = 18
    ARGUMENT_VERSION_MISMATCH = 25
    DEPRECATED = 26
    GPU_NOT_FOUND = 28
    UNKNOWN = 999


_ABSENT = (
    NvmlCode.NOT_SUPPORTED,
    NvmlCode.NO_PERMISSION,
    NvmlCode.FUNCTION_NOT_FOUND,
    NvmlCode.ARGUMENT_VERSION_MISMATCH,
    NvmlCode.DEPRECATED,
)
_LOST = (NvmlCode.GPU_IS_LOST, NvmlCode.RESET_REQUIRED, NvmlCode.GPU_NOT_FOUND)
_GONE = (
    NvmlCode.UNINITIALIZED,
    NvmlCode.DRIVER_NOT_LOADED,
    NvmlCode.LIBRARY_NOT_FOUND,
    NvmlCode.LIB_RM_VERSION_MISMATCH,
)
_NEXT_STEPS = {
    NvmlCode.DRIVER_NOT_LOADED: "load the kernel module nvidia",
    NvmlCode.LIBRARY_NOT_FOUND: "install the NVIDIA driver, or leave GPUs out of the settings",
    NvmlCode.LIB_RM_VERSION_MISMATCH: "restart the exporter: the driver was replaced while it ran",
    NvmlCode.NO_PERMISSION: "give the exporter access to /dev/nvidia*",
}


class NvmlRefusal(Exception):
    """A call that gave no answer; `code` is NVML's reason."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name}: {word(code)}")
        self.code = code


class NvmlAbsent(NvmlRefusal):
    """This part, driver or binding does not have it, or does not let us have it."""


class NvmlFailed(NvmlRefusal):
    """The call failed this time."""


class NvmlCalls:
    """Calls the functions of `binding` (pynvml) by name."""

    def __init__(self, binding: ModuleType) -> None:
        self._binding = binding

    def ask(self, name: str, *arguments: object) -> Any:
        """Return what the binding's function gives; NvmlAbsent, NvmlFailed, GpuLost or GpuUnavailable if it refuses."""
        function = getattr(self._binding, name, None)
        if function is None:
            raise NvmlAbsent(name, NvmlCode.FUNCTION_NOT_FOUND)
        try:
            # Without the binding's wrappers: they decode text strictly, and a strange byte would cost the whole GPU.
            return inspect.unwrap(function)(*arguments)
        except self._binding.NVMLError as error:
            raise _meaning(name, int(error.value)) from None

    def number(self, names: tuple[str, ...], *arguments: object) -> int:
        """Return the number that the first of `names` gives that is not absent."""
        for name in names[:-1]:
            try:
                return int(self.ask(name, *arguments))
            except NvmlAbsent:
                continue
        return int(self.ask(names[-1], *arguments))

    def text(self, name: str, *arguments: object) -> str:
        """Return a text; nothing when this part, driver or binding does not have it."""
        try:
            answer = self.ask(name, *arguments)
        except NvmlAbsent:
            return ""
        return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)


def unavailable(name: str, code: int) -> GpuUnavailable:
    """Return the error for a driver that cannot be talked to, with what to do about it."""
    step = next((step for known, step in _NEXT_STEPS.items() if known == code), "see whether nvidia-smi works")
    return GpuUnavailable(f"{name}: {word(code)}", next_step=step)


def word(code: int) -> str:
    """Return the name of a code. NVML's own words come from the driver (`nvmlErrorString`), best not asked now."""
    return NvmlCode(code).name.lower().replace("_", " ") if code in tuple(NvmlCode) else f"NVML error {code}"


def _meaning(name: str, code: int) -> Exception:
    if code in _ABSENT:
        return NvmlAbsent(name, code)
    if code in _LOST:
        return GpuLost(f"{name}: {word(code)}", next_step="see the kernel log; the GPU may need a reset")
    if code in _GONE:
        return unavailable(name, code)
    return NvmlFailed(name, code)
