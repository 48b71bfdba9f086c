"""What a GPU vendor's library has to offer to the collector, in the words of the contract.

Implemented by `exporter.nvml`; driven by `exporter.gpu_worker` (one device) and `exporter.gpu` (opening and closing).
A device answers in signals, so a new measurement is one more entry in its backend and nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from atlas_ops.catalog.model import Signal
from atlas_ops.errors import AtlasError, EnvironmentProblem
from atlas_ops.exporter.samples import Labels


class GpuUnavailable(EnvironmentProblem):
    """There is no vendor library, no driver, or no GPU: nothing can be asked until the backend is opened again."""


class GpuLost(AtlasError):
    """This one GPU does not answer (fell off the bus, needs a reset, every call fails); the others may."""


class GpuForbidden(AtlasError):
    """This one GPU exists, but this process may not see it, as in a container that was given other GPUs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuIdentity:
    """Who a GPU is. What the driver does not tell is empty."""

    index: int
    uuid: str = ""
    name: str = ""
    driver_version: str = ""
    pci_bus_id: str = ""
    throttle_mask: int = 0
    """The throttle reasons that this part can report, in the bits of `gpu_throttle.THROTTLE_BITS`."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a signal, in its base unit; `None` for what the part does not give.

    `extra` are the labels behind those that every signal of the GPU carries.
    """

    signal: Signal
    value: float | None
    extra: Labels = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One full read of a GPU. What was not given or failed this time is absent from `values`."""

    values: tuple[Value, ...]
    support: tuple[tuple[Signal, bool], ...]
    """Every signal that the backend asks for, and False where this part or driver cannot give it. A call that failed
    this time is no proof of that."""


class GpuDevice(Protocol):
    """One GPU. Every method may take as long as the driver likes, and may raise GpuLost or GpuUnavailable."""

    @property
    def index(self) -> int:
        """Its place in the driver's list."""

    def identify(self) -> GpuIdentity:
        """Take hold of the GPU (again) and say who it is. Called before anything else. May raise GpuForbidden too."""

    def read(self) -> Reading:
        """Read everything that there is."""

    def throttle_bits(self) -> int | None:
        """Return the throttle reasons of this moment (`gpu_throttle.THROTTLE_BITS`); None when they are not given."""


class GpuBackend(Protocol):
    """The library of one vendor. May be opened again after it was closed, or after GpuUnavailable."""

    def open(self) -> Sequence[GpuDevice]:
        """Connect to the driver and return its GPUs, at least one; GpuUnavailable when that is not possible."""

    def close(self) -> None:
        """Let go of the driver. No device of the last `open` may be in use; errors are swallowed."""
