"""NVIDIA GPUs through NVML, the library of the driver: the backend that `exporter.gpu.GpuCollector` is given.

The only importer of pynvml (the package nvidia-ml-py).
"""

from __future__ import annotations

import contextlib
import ctypes
from types import ModuleType

from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.backend import GpuForbidden, GpuIdentity, GpuLost, GpuUnavailable, Reading, Value
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCalls, NvmlCode, NvmlFailed, NvmlRefusal, unavailable
from atlas_ops.exporter.nvml.queries import QUERIES, REASONS_NOW, throttle_mask


class NvmlDevice:
    """One NVIDIA GPU, by its place in the driver's list. Used by one thread."""

    def __init__(self, calls: NvmlCalls, index: int) -> None:
        self.index = index
        self._calls = calls
        self._handle: object = None

    def identify(self) -> GpuIdentity:
        """Take a new handle, which is when NVML initialises a GPU, and ask who it is."""
        try:
            self._handle = self._calls.ask("nvmlDeviceGetHandleByIndex", self.index)
            uuid = self._calls.text("nvmlDeviceGetUUID", self._handle)
        except NvmlRefusal as refusal:
            if refusal.code == NvmlCode.NO_PERMISSION:
                raise GpuForbidden(str(refusal), next_step="give it to this container if it is yours") from None
            raise GpuLost(str(refusal), next_step="see whether nvidia-smi shows the GPU") from None
        return GpuIdentity(
            index=self.index,
            uuid=uuid,
            name=self._fact("nvmlDeviceGetName", self._handle),
            driver_version=self._fact("nvmlSystemGetDriverVersion"),
            pci_bus_id=self._pci_bus_id(),
            throttle_mask=throttle_mask(self._calls, self._handle),
        )

    def _fact(self, name: str, *arguments: object) -> str:
        """Ask for something that is nice to know; a GPU is measured without it too."""
        try:
            return self._calls.text(name, *arguments)
        except NvmlFailed:
            return ""

    def _pci_bus_id(self) -> str:
        try:
            info = self._calls.ask("nvmlDeviceGetPciInfo", self._handle)
        except NvmlRefusal:
            return ""
        # Past the binding's own attribute access, which decodes strictly.
        return bytes(ctypes.Structure.__getattribute__(info, "busId")).decode("utf-8", "replace")

    def read(self) -> Reading:
        """Ask everything. GpuLost when the GPU answers nothing and at least one call failed."""
        values: list[Value] = []
        support: dict[Signal, bool] = {}
        heard, failure = False, ""
        for query in QUERIES:
            absent: tuple[Signal, ...] = ()
            try:
                answer = tuple(query.ask(self._calls, self._handle))
            except NvmlAbsent:
                absent = query.signals
            except NvmlFailed as refusal:
                failure = failure or str(refusal)
            else:
                heard = heard or query.vital
                values += answer
                absent = tuple(value.signal for value in answer if value.value is None)
            for signal in query.signals:
                support[signal] = support.get(signal, False) or signal not in absent
        if failure and not heard:
            raise GpuLost(failure, next_step="see whether nvidia-smi shows the GPU")
        return Reading(values=tuple(values), support=tuple(support.items()))

    def throttle_bits(self) -> int | None:
        """Return the reasons of this moment. A failed call is one sample less; `read` finds out if it is more."""
        try:
            return self._calls.number(REASONS_NOW, self._handle)
        except NvmlRefusal:
            return None


class Nvml:
    """The driver's library `libnvidia-ml.so.1`, or `library`: an object that has the functions of one.

    One per process at a time: the binding keeps the library in a module.
    """

    def __init__(self, library: object | None = None) -> None:
        import pynvml  # noqa: PLC0415 - 6 MiB and 0.1 s that a machine without GPUs need not pay for

        self._binding: ModuleType = pynvml
        self._library = library

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
        return tuple(NvmlDevice(calls, index) for index in range(count))

    def close(self) -> None:
        """Let go of the driver, and of a library that was given."""
        with contextlib.suppress(self._binding.NVMLError):  # gone already is as good
            self._binding.nvmlShutdown()
        if self._library is not None:
            self._install(None)

    def _install(self, library: object | None) -> None:
        """Let the binding use `library` (None: it loads the driver's), and none of the functions of the one before."""
        vars(self._binding)["nvmlLib"] = library
        vars(self._binding)["_nvmlGetFunctionPointer_cache"].clear()
