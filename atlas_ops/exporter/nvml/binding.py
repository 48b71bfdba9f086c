"""NVIDIA GPUs through NVML, the library of the driver: the backend that `exporter.gpu.collector` is given.

The only importer of pynvml (the package nvidia-ml-py).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import ClassVar

from atlas_ops.errors import AtlasError
from atlas_ops.exporter.gpu.backend import GpuLost, GpuNone
from atlas_ops.exporter.nvml.calls import NvmlCalls, NvmlCode, NvmlRefusal, unavailable
from atlas_ops.exporter.nvml.device import NvmlDevice


class Nvml:
    """The driver's library `libnvidia-ml.so.1`, or `library`: an object that has the functions of one.

    One per process at a time: the binding keeps the library in a module. The clock (seconds, never backwards) is a parameter
    for tests.
    """

    name = "nvml"

    _users: ClassVar[int] = 0
    """How many are open. A reload opens the new one before it closes the old: the library goes with the last."""

    def __init__(self, library: object | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._library, self._clock = library, clock
        self._devices: tuple[NvmlDevice, ...] = ()

    def open(self) -> tuple[NvmlDevice, ...]:
        """Initialise NVML and list the GPUs. GpuNone when there is no library or no GPU, else GpuUnavailable."""
        binding = _binding()
        if self._library is not None:
            _install(binding, self._library)
        try:
            binding.nvmlInit()
        except binding.NVMLError as error:
            raise unavailable("nvmlInit", int(error.value)) from None
        Nvml._users += 1
        try:
            self._devices = self._listed(NvmlCalls(binding))
        except BaseException:
            self.close()
            raise
        return self._devices

    def _listed(self, calls: NvmlCalls) -> tuple[NvmlDevice, ...]:
        try:
            count = int(calls.ask("nvmlDeviceGetCount"))
        except (NvmlRefusal, GpuLost) as refusal:
            code = refusal.code if isinstance(refusal, NvmlRefusal) else NvmlCode.GPU_IS_LOST
            raise unavailable("nvmlDeviceGetCount", code) from None
        if not count:
            raise GpuNone("the NVIDIA driver has no GPU", next_step="see whether lspci lists one")
        return tuple(NvmlDevice(calls, index, self._clock) for index in range(count))

    def close(self) -> None:
        """Let go of the driver, and of a library that was given."""
        for device in self._devices:
            with contextlib.suppress(AtlasError):  # lost or gone already is as good
                device.close()
        self._devices = ()
        binding = _binding()
        with contextlib.suppress(binding.NVMLError):
            binding.nvmlShutdown()
        Nvml._users = max(0, Nvml._users - 1)
        if self._library is not None and not Nvml._users:
            _install(binding, None)


def _binding() -> ModuleType:
    import pynvml  # noqa: PLC0415 - 6 MiB and 0.1 s that only who opens a driver need pay for

    return pynvml  # type: ignore[no-any-return]


def _install(binding: ModuleType, library: object | None) -> None:
    """Let the binding use `library` (None: it loads the driver's), and none of the functions of the one before."""
    vars(binding)["nvmlLib"] = library
    vars(binding)["_nvmlGetFunctionPointer_cache"].clear()
