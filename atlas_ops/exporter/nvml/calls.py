"""Calling NVML by name, and what its refusals mean.

Used by every module of `exporter.nvml`. Everything is asked by the function's name, because both the driver and the
binding may be too old to have it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import IntEnum
from types import ModuleType
from typing import Any

from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed, GpuLost, GpuNone, GpuUnavailable


class NvmlCode(IntEnum):
    """The return codes (`nvmlReturn_t` of nvml.h) that mean something here; any other is a failure of the one call."""

    SUCCESS = 0
    UNINITIALIZED = 1
    INVALID_ARGUMENT = 2
    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    NOT_FOUND = 6
    DRIVER_NOT_LOADED = 9
    TIMEOUT = 10
    LIBRARY_NOT_FOUND = 12
    FUNCTION_NOT_FOUND = 13
    GPU_IS_LOST = 15
    RESET_REQUIRED = 16
    LIB_RM_VERSION_MISMATCH = 18
    ARGUMENT_VERSION_MISMATCH = 25
    DEPRECATED = 26
    GPU_NOT_FOUND = 28
    UNKNOWN = 999


_ABSENT = frozenset(
    {
        NvmlCode.NOT_SUPPORTED,
        NvmlCode.NO_PERMISSION,
        NvmlCode.FUNCTION_NOT_FOUND,
        NvmlCode.ARGUMENT_VERSION_MISMATCH,
        NvmlCode.DEPRECATED,
    }
)
_LOST = frozenset({NvmlCode.GPU_IS_LOST, NvmlCode.RESET_REQUIRED, NvmlCode.GPU_NOT_FOUND})
_GONE = frozenset(
    {
        NvmlCode.UNINITIALIZED,
        NvmlCode.DRIVER_NOT_LOADED,
        NvmlCode.LIBRARY_NOT_FOUND,
        NvmlCode.LIB_RM_VERSION_MISMATCH,
    }
)
_NEXT_STEPS = {
    NvmlCode.DRIVER_NOT_LOADED: "load the kernel module nvidia",
    NvmlCode.LIBRARY_NOT_FOUND: "install the NVIDIA driver, or leave GPUs out of the settings",
    NvmlCode.LIB_RM_VERSION_MISMATCH: "restart the exporter: the driver was replaced while it ran",
    NvmlCode.NO_PERMISSION: "give the exporter access to /dev/nvidia*",
}


_NO_VALUE = frozenset({2**32 - 1, 2**64 - 1})
"""`NVML_VALUE_NOT_AVAILABLE` of nvml.h, as it comes through unsigned fields of either size."""


class NvmlRefusal(Exception):
    """A call that gave no answer; `code` is NVML's reason."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name}: {word(code)}")
        self.code = code


class NvmlAbsent(NvmlRefusal, GpuAbsent):
    """This part, driver or binding does not have it, or does not let us have it."""


class NvmlFailed(NvmlRefusal, GpuFailed):
    """The call failed this time."""


class NvmlCalls:
    """Calls the functions of `binding` (pynvml) by name. Used by all threads of all GPUs."""

    def __init__(self, binding: ModuleType) -> None:
        self._binding = binding
        self._error: type[Exception] = binding.NVMLError
        self._functions: dict[str, Callable[..., Any] | None] = {}
        self._missing: set[str] = set()

    def ask(self, name: str, *arguments: object) -> Any:
        """Return what the binding's function gives; NvmlAbsent, NvmlFailed, GpuLost or GpuUnavailable if it refuses."""
        try:
            function = self._functions[name]
        except KeyError:
            function = self._functions[name] = self._of_binding(name)
        if function is None:
            raise NvmlAbsent(name, NvmlCode.FUNCTION_NOT_FOUND)
        try:
            return function(*arguments)
        except self._error as error:
            raise meaning(name, _code(error)) from None

    def _of_binding(self, name: str) -> Callable[..., Any] | None:
        """Return the function without the binding's wrappers: they decode text strictly, and a strange byte would raise."""
        function = getattr(self._binding, name, None)
        return None if function is None else inspect.unwrap(function)

    def first(self, names: tuple[str, ...], *arguments: object) -> Any:
        """Return what the first of `names`, newest first, gives that is not absent."""
        refusal: NvmlAbsent | None = None
        for name in names:
            if name not in self._missing:
                try:
                    return self.ask(name, *arguments)
                except NvmlAbsent as absent:
                    refusal = absent
                    if absent.code == NvmlCode.FUNCTION_NOT_FOUND:
                        self._missing.add(name)  # the whole library lacks it: later calls cost nothing
        raise refusal or NvmlAbsent(names[-1], NvmlCode.FUNCTION_NOT_FOUND)

    def text(self, name: str, *arguments: object) -> str:
        """Return a text; nothing when this part, driver or binding does not have it."""
        try:
            return text(self.ask(name, *arguments))
        except NvmlAbsent:
            return ""

    def record(self, name: str) -> Any:
        """Return a new record (a ctypes structure) of the binding; NvmlAbsent when the binding is too old to have it."""
        structure = getattr(self._binding, name, None)
        if structure is None:
            raise NvmlAbsent(name, NvmlCode.FUNCTION_NOT_FOUND)
        return structure()

    def pointer(self, name: str) -> Callable[..., int]:
        """Return a function of the library itself, for calls with arguments that are kept; NvmlAbsent without one."""
        try:
            function: Callable[..., int] = vars(self._binding)["_nvmlGetFunctionPointer"](name)
        except self._error as error:
            raise meaning(name, _code(error)) from None
        return function


class Target:
    """What is asked about: a GPU, or an instance of one, by the handle that it has now."""

    def __init__(self, calls: NvmlCalls, handle: object = None) -> None:
        self.calls, self.handle = calls, handle

    def ask(self, name: str, *arguments: object) -> Any:
        """Ask a function that takes the handle first; refusals as `NvmlCalls.ask` raises them."""
        return self.calls.ask(name, self.handle, *arguments)

    def first(self, names: tuple[str, ...], *arguments: object) -> Any:
        """Ask the first of `names` that is not absent."""
        return self.calls.first(names, self.handle, *arguments)

    def text(self, name: str) -> str:
        """Ask for a text; nothing when it is absent."""
        return self.calls.text(name, self.handle)


def given(name: str, value: int) -> int:
    """Return a number of the driver; NvmlAbsent for the one of all bits set, by which it says that it has none."""
    if value in _NO_VALUE:
        raise NvmlAbsent(name, NvmlCode.NOT_SUPPORTED)
    return value


def text(answer: object) -> str:
    """Return a text of the driver; bytes that are no UTF-8 cost a letter each and nothing else."""
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)


def unavailable(name: str, code: int) -> GpuUnavailable:
    """Return the error for a driver that cannot be talked to, with what to do about it."""
    step = next((step for known, step in _NEXT_STEPS.items() if known == code), "see whether nvidia-smi works")
    kind = GpuNone if code == NvmlCode.LIBRARY_NOT_FOUND else GpuUnavailable
    return kind(f"{name}: {word(code)}", next_step=step)


def word(code: int) -> str:
    """Return the name of a code. NVML's own words come from the driver (`nvmlErrorString`), best not asked now."""
    return NvmlCode(code).name.lower().replace("_", " ") if code in tuple(NvmlCode) else f"NVML error {code}"


def meaning(name: str, code: int) -> Exception:
    """Return the exception that a code other than SUCCESS stands for."""
    if code in _ABSENT:
        return NvmlAbsent(name, code)
    if code in _LOST:
        return GpuLost(f"{name}: {word(code)}", next_step="see the kernel log; the GPU may need a reset")
    if code in _GONE:
        return unavailable(name, code)
    return NvmlFailed(name, code)


def _code(error: Exception) -> int:
    value: object = getattr(error, "value", None)
    return value if isinstance(value, int) else NvmlCode.UNKNOWN
