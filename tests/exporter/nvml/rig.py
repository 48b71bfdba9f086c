"""The real binding on the simulator's NVIDIA library, each of whose functions can be missing, refuse, or answer otherwise."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed, Value
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.nvml.device import NvmlDevice
from atlas_ops.exporter.samples import Labels
from atlas_ops.simulator import SimulatedNode
from atlas_ops.simulator.state import (
    EccCounts,
    GpuProcess,
    LinkErrors,
    NvlinkCounters,
    PcieCounters,
    RetiredPages,
    RowRemaps,
)

FIELDS = "nvmlDeviceGetFieldValues"
HANDLE, UUID = "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"
OPENING = ("nvmlInitWithFlags", "nvmlDeviceGetCount_v2")
INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, GPU_IS_LOST, UNKNOWN = 2, 3, 4, 15, 999
GIB, MIB, KIB = 2**30, 2**20, 2**10
SECOND = 10**9

Key = tuple[Signal, str, Labels]
"""(signal, value of `mig`, extra labels)."""


class Library:
    """A driver library in front of another one."""

    def __init__(self, behind: object) -> None:
        self.behind = behind
        self.missing: set[str] = set()
        self.refusals: dict[str, int] = {}
        self.answers: dict[str, Callable[..., int]] = {}
        self.calls: list[str] = []
        self.missed: list[str] = []
        """Names that were looked for in vain."""

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name in self.missing:
            self.missed.append(name)
            raise AttributeError(name)
        return partial(self._call, name, getattr(self.behind, name))

    def _call(self, name: str, function: Callable[..., int], *arguments: Any) -> int:
        self.calls.append(name)
        return self.refusals.get(name) or self.answers.get(name, function)(*arguments)


@dataclass
class Round:
    """What one round of questions brought."""

    values: dict[Key, float] = field(default_factory=dict)
    not_given: set[Signal] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def of(self, signal: Signal, mig: str = "") -> dict[Labels, float]:
        return {extra: value for (known, where, extra), value in self.values.items() if (known, where) == (signal, mig)}

    def signals(self) -> set[Signal]:
        return {signal for signal, _, _ in self.values}


class Rig:
    """One simulated node of GPUs that have something to tell of everything, and the backend on it."""

    def __init__(self, profile: str = "h100", driver: str = "580.82", gpus: int = 1) -> None:
        self.now_ns = SECOND
        self.node = SimulatedNode(profile, driver=driver, gpus=gpus, clock_ns=lambda: self.now_ns)
        for index in range(gpus):
            self.node.change(index, **SOMETHING_OF_EVERYTHING)
        self.library = Library(self.node.library)
        self.clock = lambda: self.now_ns / SECOND
        self.backend = Nvml(self.library, clock=self.clock)

    def device(self) -> NvmlDevice:
        """Open the driver and meet its first GPU."""
        device = self.backend.open()[0]
        device.identify()
        return device

    def handle_of(self, device: NvmlDevice) -> int | None:
        """Return where the device's handle points."""
        handle: Any = device._target.handle
        return ctypes.cast(handle, ctypes.c_void_p).value

    def ask(self, device: NvmlDevice) -> Round:
        """Ask everything once, a second after the last time."""
        self.now_ns += SECOND
        found = Round()
        for question in device.questions():
            try:
                answer = question.ask()
                assert isinstance(answer, Sequence), (
                    f"{question.name} would ask the driver when nobody watches the call"
                )
                values = tuple(answer)
            except GpuAbsent:
                found.absent.add(question.name)
            except GpuFailed:
                found.failed.add(question.name)
            else:
                assert {value.signal for value in values} <= set(question.signals), question.name
                _sort(values, found)
        return found

    def settled(self, device: NvmlDevice) -> Round:
        """Ask everything twice: activity is told from the second round on."""
        self.ask(device)
        return self.ask(device)


def _sort(values: tuple[Value, ...], found: Round) -> None:
    for value in values:
        if value.value is None:
            found.not_given.add(value.signal)
        else:
            key = (value.signal, value.instance.name if value.instance else "", value.extra)
            assert key not in found.values, f"told twice: {key}"
            found.values[key] = value.value


@contextmanager
def rig(profile: str = "h100", driver: str = "580.82", gpus: int = 1) -> Iterator[Rig]:
    """A rig that is closed behind its use."""
    made = Rig(profile, driver, gpus)
    try:
        yield made
    finally:
        made.backend.close()
        made.node.library.close()


SOMETHING_OF_EVERYTHING: dict[str, Any] = {
    "utilization_ratio": 0.8,
    "memory_utilization_ratio": 0.25,
    "encoder_ratio": 0.1,
    "decoder_ratio": 0.2,
    "fan_ratio": 0.35,
    "memory_used_bytes": 30 * GIB,
    "temperature_celsius": 61.0,
    "power_watts": 412.5,
    "energy_joules": 9000.25,
    "sm_clock_mhz": 1755,
    "recovery_action": 1,
    "processes": (
        GpuProcess(pid=100, memory_bytes=20 * GIB),
        GpuProcess(pid=200, memory_bytes=10 * GIB, graphics=True),
    ),
    "ecc": EccCounts(dram_corrected=3, dram_uncorrected=1, sram_corrected=5, sram_parity=2, sram_secded=4),
    "rows": RowRemaps(corrected=7, uncorrected=8, pending=True, failure=False),
    "pages": RetiredPages(single_bit=11, double_bit=12),
    "pcie": PcieCounters(sent_bytes=1000, received_bytes=2000, replays=9, generation=3, width=8),
    "nvlink": NvlinkCounters(
        sent_bytes=64 * KIB,
        received_bytes=128 * KIB,
        errors=(LinkErrors(link=0, replay=1, recovery=2, crc_flit=3, crc_data=4),),
    ),
}


def break_function(made: Rig, function: str, refusal: int | None) -> None:
    """Let a function refuse, or be missing (None)."""
    if refusal is None:
        made.library.missing.add(function)
    else:
        made.library.refusals[function] = refusal


def labels_of(found: Round, signal: Signal) -> tuple[tuple[str, str], ...]:
    """Return the labels of the one value of a signal."""
    return next(iter(found.of(signal)))
