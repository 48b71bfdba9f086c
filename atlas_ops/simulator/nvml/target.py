"""Whom a call is about: one GPU, or one MIG instance of it, at this moment. Made by `nvml.library` for every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from atlas_ops.simulator.drivers import Driver
from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import INVALID_ARGUMENT, Refused
from atlas_ops.simulator.profile import MigSlice, Profile
from atlas_ops.simulator.reasons import time_of
from atlas_ops.simulator.state import GpuState

_BASE, _PER_GPU = 0x10000, 0x100
"""Handles are opaque pointers and must not be null; these are never followed."""


class Target(NamedTuple):
    """A GPU, or an instance of it, and what it is."""

    state: GpuState
    profile: Profile
    driver: Driver
    now_ns: int
    """Of the monotonic clock, read before the state was: so times that run on never run backwards."""
    instance: MigSlice | None = None

    def throttled_ns(self, reason: int) -> int:
        """Return how long a reason was on until now, in nanoseconds."""
        state = self.state
        time = time_of(state.throttle_times, reason)
        if state.running_since_ns is not None and state.reasons & reason:
            time += max(0, self.now_ns - state.running_since_ns)
        return time


DeviceFunction = Callable[..., None]
"""(target, the arguments behind the handle); raises Refused."""
DeviceFunctions = tuple[tuple[str, DeviceFunction], ...]


def handle_of(index: int, place: int | None = None) -> int:
    """Return the address that stands for a GPU, or for the MIG device at `place` of it."""
    return _BASE + index * _PER_GPU + (0 if place is None else place + 1)


def behind(handle: object) -> tuple[int, int | None]:
    """Return (index of the GPU, place of the MIG device or None); INVALID_ARGUMENT when it is no handle."""
    index, place = divmod(c.address(handle) - _BASE, _PER_GPU)
    if index < 0:
        raise Refused(INVALID_ARGUMENT)
    return index, place - 1 if place else None
