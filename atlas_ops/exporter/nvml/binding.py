"""NVIDIA GPUs through NVML, the library of the driver: the backend that `exporter.gpu.collector` is given.

The only importer of pynvml (the package nvidia-ml-py).
"""

from __future__ import annotations

import contextlib
from types import ModuleType

from atlas_ops.errors import AtlasError
from atlas_ops.exporter.gpu.backend import GpuLost, GpuUnavailable
from atlas_ops.exporter.nvml.calls import NvmlCalls, NvmlCode, NvmlRefusal, unavailable
from atlas_ops.exporter.nvml.device import NvmlDevice


class Nvml:
    """The driver's library `libnvidia-ml.so.1`, or `library`: an object that has the functions of one.

    One per process at a time: the binding keeps the library in a module.
    """

    name = "nvml"

    def __init__(self, library: object | None = None) -> None:
        import pynvml  # noqa: PLC0415 - 6 MiB and 0.1 s that a machine without GPUs need not pay for

        self._binding: ModuleType = pynvml
        self._library = library
        self._devices: tuple[NvmlDevice, ...] = ()

    def open(self) -> tuple[NvmlDevice, ...]:
        """Initialise NVML and list the GPUs. GpuUnavailable when there is no library, no driver, or no GPU."""
        if self._library is not None:
            self._install(self._library)
        calls = NvmlCalls(self._binding)
        try:
            self._binding.nvmlInit()
        except self._binding.NVMLError as error:
            raise unavailable("nvmlInit", int(error.value)) from None
        try:
            count = int(calls.ask("nvmlDeviceGetCount"))
        except (NvmlRefusal, GpuLost) as refusal:
            self.close()
            code = refusal.code if isinstance(refusal, NvmlRefusal) else NvmlCode.GPU_IS_LOST
            raise unavailable("nvmlDeviceGetCount", code) from None
        if not count:
            self.close()
            raise GpuUnavailable("the NVIDIA driver has no GPU", next_step="see whether lspci lists one")
        self._devices = tuple(NvmlDevice(calls, index) for index in range(count))
        return self._devices

    def close(self) -> None:
        """Let go of the driver, and of a library that was given."""
        for device in self._devices:
            with contextlib.suppress(AtlasError):  # lost or gone already is as good
                device.close()
        self._devices = ()
        with contextlib.suppress(self._binding.NVMLError):
            self._binding.nvmlShutdown()
        if self._library is not None:
            self._install(None)

    def _install(self, library: object | None) -> None:
        """Let the binding use `library` (None: it loads the driver's), and none of the functions of the one before."""
        vars(self._binding)["nvmlLib"] = library
        vars(self._binding)["_nvmlGetFunctionPointer_cache"].clear()
