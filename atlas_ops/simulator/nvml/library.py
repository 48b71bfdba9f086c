"""The library object that stands where `libnvidia-ml.so.1` stands. See the package for how it is used."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from atlas_ops.errors import AtlasError
from atlas_ops.simulator.drivers import DEFAULT_DRIVER, Driver, driver_by_name
from atlas_ops.simulator.nvml import c, faults, fields, heat, identity, links, memory, mig, work
from atlas_ops.simulator.nvml.codes import (
    GPU_IS_LOST,
    INVALID_ARGUMENT,
    NOT_SUPPORTED,
    SUCCESS,
    UNINITIALIZED,
    UNKNOWN,
    Refused,
    text,
)
from atlas_ops.simulator.nvml.events import EventSets
from atlas_ops.simulator.nvml.gpm import GpmSamples
from atlas_ops.simulator.nvml.target import DeviceFunction, Target, behind, handle_of
from atlas_ops.simulator.profile import MigSlice
from atlas_ops.simulator.profiles import profile_by_name
from atlas_ops.simulator.state import LOST, WEDGED, GpuState

WEDGE_POLL_SECONDS = 0.02
"""How often a blocked call looks whether its GPU is healthy again."""
_DEVICE_MODULES = (identity, heat, work, memory, faults, links, fields, mig)

Read = Callable[[], tuple[GpuState, ...]]
CFunction = Callable[..., Any]


class NvmlLibrary:
    """The library object. `read` returns the GPUs and may raise AtlasError: then every GPU is lost.

    Which driver it is, the GPUs say. `clock_ns` is the monotonic clock that `GpuState.running_since_ns` is on.
    """

    def __init__(self, read: Read, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._read, self._clock_ns = read, clock_ns
        self._closed = threading.Event()
        self._users = 0
        self._gpus: tuple[GpuState, ...] = ()
        self.event_sets = EventSets(self._read_gpus, self._closed)
        self.gpm_samples = GpmSamples()
        self.c_functions = self._all_functions()

    def __getattr__(self, name: str) -> CFunction:
        """Return a C function; AttributeError for what this driver's library does not export."""
        function = self.c_functions.get(name)
        if function is None or not self._driver().has(name):
            raise AttributeError(name)
        return function

    def close(self) -> None:
        """End every call that blocks. To be called by whoever made the library; C has no such function."""
        self._closed.set()

    def _all_functions(self) -> dict[str, CFunction]:
        # Closures, not methods: the binding sets `restype` on what it finds, as on a ctypes function.
        free: tuple[tuple[str, Callable[..., None]], ...] = (
            ("nvmlSystemGetDriverVersion", lambda out, size: c.write(out, size, self._driver().version)),
            ("nvmlSystemGetNVMLVersion", lambda out, size: c.write(out, size, self._driver().nvml_version)),
            ("nvmlSystemGetCudaDriverVersion_v2", lambda out: c.put(out, self._driver().cuda)),
            ("nvmlDeviceGetCount_v2", self._put_count),
            ("nvmlDeviceGetHandleByIndex_v2", self._put_handle),
            *self.event_sets.functions(),
            *self.gpm_samples.functions(),
        )
        of_devices = (
            *(entry for module in _DEVICE_MODULES for entry in module.FUNCTIONS),
            *self.event_sets.device_functions(),
            *self.gpm_samples.device_functions(),
        )
        return {
            "nvmlInit_v2": lambda: self._use(1),
            "nvmlInitWithFlags": lambda _flags: self._use(1),
            "nvmlShutdown": lambda: self._use(-1),
            "nvmlErrorString": text,
            **{name: self._call(function) for name, function in free},
            **{name: self._device(name, function) for name, function in of_devices},
        }

    def _use(self, change: int) -> int:
        if self._users + change < 0:
            return UNINITIALIZED
        self._users += change
        return SUCCESS

    def _call(self, function: Callable[..., None]) -> CFunction:
        def call(*arguments: object) -> int:
            if not self._users:
                return UNINITIALIZED
            try:
                function(*arguments)
            except Refused as refused:
                return refused.code
            return SUCCESS

        return call

    def _device(self, name: str, function: DeviceFunction) -> CFunction:
        whole_only = name not in mig.ON_INSTANCES

        def call(handle: object, *arguments: object) -> int:
            if not self._users:
                return UNINITIALIZED
            try:
                target = self._target(handle)
                if whole_only and target.instance:
                    return NOT_SUPPORTED
                function(target, *arguments)
            except Refused as refused:
                return refused.code
            return SUCCESS

        return call

    def _driver(self) -> Driver:
        """Return the driver that the GPUs named when they were seen last: looking up a function must not wait for them."""
        if not self._gpus:
            with contextlib.suppress(AtlasError):
                self._read_gpus()
        return driver_by_name(self._gpus[0].driver if self._gpus else DEFAULT_DRIVER)

    def _read_gpus(self) -> tuple[GpuState, ...]:
        self._gpus = self._read()
        return self._gpus

    def _target(self, handle: object) -> Target:
        now = self._clock_ns()
        index, place = behind(handle)
        state = self._gpu(index)
        profile = profile_by_name(state.profile)
        instance: MigSlice | None = None
        if place is not None:
            instance = next((part for part in profile.mig if part.place == place), None)
            if instance is None:
                raise Refused(INVALID_ARGUMENT)
        return Target(state, profile, driver_by_name(state.driver), now, instance)

    def _gpu(self, index: int) -> GpuState:
        """Return a GPU, once it is not wedged; Refused when it is lost or there is none."""
        while True:
            try:
                gpus = self._read_gpus()
            except AtlasError as error:
                raise Refused(GPU_IS_LOST) from error
            if not 0 <= index < len(gpus):
                raise Refused(INVALID_ARGUMENT)
            state = gpus[index]
            if state.condition == LOST:
                raise Refused(GPU_IS_LOST)
            if state.condition != WEDGED:
                return state
            if self._closed.wait(WEDGE_POLL_SECONDS):
                raise Refused(UNKNOWN)

    def _put_count(self, count: Any) -> None:
        try:
            self._read_gpus()
        except AtlasError as error:
            # A lost GPU still counts; only a library that never saw one has nothing to tell.
            if not self._gpus:
                raise Refused(GPU_IS_LOST) from error
        c.put(count, len(self._gpus))

    def _put_handle(self, index: Any, handle: Any) -> None:
        c.put_address(handle, handle_of(self._gpu(c.number(index)).index))


def all_functions() -> frozenset[str]:
    """Return the names of the C functions that the simulator knows; a driver's version may lack some."""
    return frozenset(NvmlLibrary(tuple).c_functions)
