"""GPUs at rest, whose every reading a test or a benchmark sets. They throttle in real time, to the nanosecond.

For the GPUs of a fleet at work see `simulator.fleet`.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from atlas_ops.simulator.drivers import DEFAULT_DRIVER, driver_by_name
from atlas_ops.simulator.nvml import NvmlLibrary
from atlas_ops.simulator.profiles import DEFAULT_PROFILE, profile_by_name
from atlas_ops.simulator.reasons import add_time
from atlas_ops.simulator.state import EVENT_XID, GpuState, check_condition, next_events


class SimulatedNode:
    """`gpus` GPUs of one profile and a driver, and the `library` that shows them. Safe for threads.

    UsageError when the profile or the driver is unknown. `clock_ns` is a monotonic clock, a parameter for tests.
    """

    def __init__(
        self,
        profile: str = DEFAULT_PROFILE,
        *,
        driver: str = DEFAULT_DRIVER,
        gpus: int = 1,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        part = profile_by_name(profile)
        driver_by_name(driver)
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._gpus = tuple(
            GpuState(
                index=index,
                uuid=f"GPU-{uuid.uuid5(uuid.NAMESPACE_OID, f'atlas-ops node {profile} {index}')}",
                profile=profile,
                driver=driver,
                power_watts=part.idle_watts,
                sm_clock_mhz=part.sm_clock_mhz,
                running_since_ns=clock_ns(),
            )
            for index in range(gpus)
        )
        self.library = NvmlLibrary(self.read, clock_ns=clock_ns)

    def read(self) -> tuple[GpuState, ...]:
        """Return every GPU as it is now."""
        with self._lock:  # not in the middle of a change: what is read after a moment must be the state of that moment
            return self._gpus

    def change(self, index: int, **fields: Any) -> None:
        """Set fields of one GPU's state. For `reasons` there is `throttle`, for `events` there is `event`."""
        with self._lock:
            self._put(index, replace(self._gpus[index], **fields))

    def throttle(self, index: int, reasons: int) -> None:
        """Let exactly these reasons hold down the clock of one GPU from now on (0: none)."""
        with self._lock:
            now, gpu = self._clock_ns(), self._gpus[index]
            since = now if gpu.running_since_ns is None else gpu.running_since_ns
            times = add_time(gpu.throttle_times, gpu.reasons, now - since)
            self._put(index, replace(gpu, reasons=reasons, throttle_times=times, running_since_ns=now))

    def event(self, index: int, kind: int, *, data: int = 0, count: int = 1) -> None:
        """Let the driver report an event of a kind (one bit of `nvmlEventType...`), or several of the same."""
        with self._lock:
            gpu = self._gpus[index]
            self._put(index, replace(gpu, events=next_events(gpu.events, count, kind=kind, data=data)))

    def xid(self, index: int, code: int, *, count: int = 1) -> None:
        """Let the driver report an XID, or a storm of them."""
        self.event(index, EVENT_XID, data=code, count=count)

    def set_condition(self, index: int, condition: str) -> None:
        """Make a GPU `healthy`, `lost` or `wedged`; UsageError when it is none of these."""
        check_condition(condition)
        self.change(index, condition=condition)

    def _put(self, index: int, gpu: GpuState) -> None:
        self._gpus = (*self._gpus[:index], gpu, *self._gpus[index + 1 :])
