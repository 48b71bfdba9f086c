"""What the driver reports by itself: XIDs, memory errors, a GPU that wants to be recovered.

Used by `exporter.nvml.device`, one watch for each GPU, by one thread. The driver keeps events only for who has registered
for them, so the registration comes first and the waiting goes on without a pause.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Sequence
from typing import Any

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.gpu.backend import GpuEvent
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCode, NvmlFailed, NvmlRefusal, Target

_WAIT = "nvmlEventSetWait_v2"
_KINDS = (
    (0x8, c.XID),
    (0x200, "ecc_single_bit_storm"),
    (0x2, "ecc_double_bit"),
    (0x400, "dram_retirement"),
    (0x800, "dram_retirement_failure"),
    (0x1000, "poison_nonfatal"),
    (0x2000, "poison_fatal"),
    (0x4000, "gpu_unavailable"),
    (0x8000, "recovery_action"),
    (0x100, "mig_config_change"),
    (0x80, "power_source_change"),
)
"""(bit of `nvmlEventType...`, word of the contract). Not among them: single corrected errors (0x1) and changes of the
performance state (0x4), which come by the thousand and are counted elsewhere; 0x10 is of no part since Kepler."""
_WANTED = sum(bit for bit, _ in _KINDS)


class EventWatch:
    """The events of one GPU."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._set: object = None
        self._handle: int | None = None

    def register(self) -> tuple[str, ...]:
        """Begin (anew) and return the kinds of events that this part reports. NvmlAbsent: none at all."""
        self.close()
        self._target.calls.pointer(_WAIT)  # without it, there is nothing to register for
        mask = _WANTED & int(self._target.ask("nvmlDeviceGetSupportedEventTypes"))
        if not mask:
            raise NvmlAbsent("nvmlDeviceGetSupportedEventTypes", NvmlCode.NOT_SUPPORTED)
        self._set = self._target.calls.ask("nvmlEventSetCreate")
        try:
            self._target.ask("nvmlDeviceRegisterEvents", mask, self._set)
        except NvmlRefusal:
            self.close()
            raise
        self._handle = _pointer(self._target.handle)
        return tuple(kind for bit, kind in _KINDS if bit & mask)

    def wait(self, seconds: float) -> Sequence[GpuEvent]:
        """Wait up to `seconds` for the next event. NvmlFailed: the registration is of no use any more."""
        if self._set is None:
            raise NvmlFailed(_WAIT, NvmlCode.UNINITIALIZED)
        try:
            data = self._target.calls.ask(_WAIT, self._set, int(1000 * seconds))
        except NvmlFailed as refusal:
            if refusal.code == NvmlCode.TIMEOUT:
                return ()
            raise
        event = _event(data)
        return () if event is None or _pointer(data.device) != self._handle else (event,)

    def close(self) -> None:
        """End the registration."""
        if self._set is not None:
            with contextlib.suppress(NvmlRefusal):
                self._target.calls.ask("nvmlEventSetFree", self._set)
            self._set = None


def _event(data: Any) -> GpuEvent | None:
    kind = next((word for bit, word in _KINDS if bit == data.eventType), None)
    if kind is None:
        return None
    return GpuEvent(xid=int(data.eventData)) if kind == c.XID else GpuEvent(event=kind)


def _pointer(handle: Any) -> int | None:
    """Return where a handle points: two handles of one GPU are two objects, which are never equal."""
    return ctypes.cast(handle, ctypes.c_void_p).value
