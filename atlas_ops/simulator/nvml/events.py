"""Event sets: what the driver reports by itself reaches whoever registered for it before and waits."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from atlas_ops.errors import AtlasError
from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import INVALID_ARGUMENT, NOT_SUPPORTED, TIMEOUT, UNKNOWN, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target, handle_of
from atlas_ops.simulator.state import GpuEvent, GpuState

POLL_SECONDS = 0.25
"""How often a waiting set looks."""
_FIRST_SET = 0x2000000
_ALWAYS = 0x4 | 0x8 | 0x10 | 0x80 | 0x4000
"""Performance state, XID, clock, power source, GPU unavailable."""
_WITH_ECC = 0x1 | 0x2 | 0x200 | 0x400 | 0x800 | 0x1000 | 0x2000
"""Single- and double-bit errors, storm, retirement of memory and its failure, poison that is not and that is fatal."""
_WITH_MIG = 0x100
_RECOVERY_ACTION, _RECOVERY_ACTION_SINCE = 0x8000, 570


def supported(target: Target) -> int:
    """Return the mask of events that a part reports: a real H200's, without what is about things that the part lacks."""
    mask = _ALWAYS
    if target.profile.ecc:
        mask |= _WITH_ECC
        if target.driver.branch >= _RECOVERY_ACTION_SINCE:
            mask |= _RECOVERY_ACTION
    return mask | (_WITH_MIG if target.profile.mig_capable else 0)


@dataclass(slots=True)
class _Registration:
    mask: int
    seen: int
    """Sequence number of the last event that was handed over or left out."""


@dataclass(slots=True)
class _Set:
    """One event set. The lock is for a set that several threads wait for: each event goes to one of them."""

    registrations: dict[int, _Registration] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, gpus: tuple[GpuState, ...]) -> tuple[int, GpuEvent] | None:
        with self.lock:
            for index, registration in self.registrations.items():
                for event in gpus[index].events if index < len(gpus) else ():
                    if event.sequence > registration.seen:
                        registration.seen = event.sequence
                        if event.kind & registration.mask:
                            return index, event
        return None


class EventSets:
    """The event sets of one library. `read` returns the GPUs, or raises AtlasError; `closed` ends every wait."""

    def __init__(self, read: Callable[[], tuple[GpuState, ...]], closed: threading.Event) -> None:
        self._read, self._closed = read, closed
        self._sets: dict[int, _Set] = {}
        self._addresses = itertools.count(_FIRST_SET, 0x10)

    def __len__(self) -> int:
        return len(self._sets)

    def device_functions(self) -> DeviceFunctions:
        """Return the functions that are about a GPU."""
        return (
            ("nvmlDeviceGetSupportedEventTypes", lambda target, out: c.put(out, supported(target))),
            ("nvmlDeviceRegisterEvents", self._register),
        )

    def functions(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        """Return the others."""
        return (
            ("nvmlEventSetCreate", self._create),
            ("nvmlEventSetFree", self._free),
            ("nvmlEventSetWait_v2", self._wait),
        )

    def _create(self, out: Any) -> None:
        number = next(self._addresses)
        c.put_address(out, number)
        self._sets[number] = _Set()

    def _free(self, event_set: Any) -> None:
        self._set(event_set)
        del self._sets[c.address(event_set)]

    def _set(self, event_set: Any) -> _Set:
        found = self._sets.get(c.address(event_set))
        if found is None:
            raise Refused(INVALID_ARGUMENT)
        return found

    def _register(self, target: Target, mask: Any, event_set: Any) -> None:
        """Begin with what comes next: like the driver, it does not tell what was before. Registering again adds."""
        chosen = self._set(event_set)
        if c.number(mask) & ~supported(target):
            raise Refused(NOT_SUPPORTED)
        state = target.state
        last = state.events[-1].sequence if state.events else 0
        with chosen.lock:
            known = chosen.registrations.setdefault(state.index, _Registration(mask=0, seen=last))
            known.mask |= c.number(mask)

    def _wait(self, event_set: Any, data: Any, milliseconds: Any) -> None:
        end = time.monotonic() + c.number(milliseconds) / 1000
        while True:
            found = self._set(event_set).next(self._gpus())
            if found is not None:
                return _tell(data, *found)
            left = end - time.monotonic()
            if left <= 0:
                raise Refused(TIMEOUT)
            if self._closed.wait(min(POLL_SECONDS, left)):
                raise Refused(UNKNOWN)

    def _gpus(self) -> tuple[GpuState, ...]:
        """Return the GPUs; GPUs that cannot be read have no events."""
        try:
            return self._read()
        except AtlasError:
            return ()


def _tell(data: Any, index: int, event: GpuEvent) -> None:
    c.fill(
        data,
        eventType=event.kind,
        eventData=event.data,
        gpuInstanceId=event.gpu_instance,
        computeInstanceId=event.compute_instance,
    )
    c.put_address(data, handle_of(index), "device")
