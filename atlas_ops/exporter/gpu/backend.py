"""What a GPU vendor's library has to offer to the collector, in the words of the contract.

Implemented by `exporter.nvml` and `exporter.amd`; driven by `gpu.worker` (one device) and `gpu.collector` (opening and
closing). A device answers questions in signals, so a new measurement is one more question in its backend and nothing
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from atlas_ops.catalog.model import Signal
from atlas_ops.errors import AtlasError, EnvironmentProblem
from atlas_ops.exporter.samples import Labels


class GpuUnavailable(EnvironmentProblem):
    """The driver cannot be talked to: nothing can be asked until the backend is opened again."""


class GpuNone(GpuUnavailable):
    """There is no vendor library, or no GPU: this machine is not meant to have any, and nothing is wrong with it."""


class GpuLost(AtlasError):
    """This one GPU does not answer (fell off the bus, needs a reset, every call fails); the others may."""


class GpuForbidden(AtlasError):
    """This one GPU exists, but this process may not see it, as in a container that was given other GPUs."""


class GpuAbsent(Exception):
    """This part, driver or library does not have what was asked, or does not let us have it."""


class GpuFailed(Exception):
    """The call failed this time; that is no proof that the part lacks anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuIdentity:
    """Who a GPU is. What the driver does not tell is empty, or None.

    `identify` has to tell index and uuid. Where it lies may come later, as labels of `atlas_gpu_info`: a driver that hangs
    when it is asked for that must not cost the whole GPU.
    """

    index: int
    uuid: str = ""
    minor: int | None = None
    """Number of its device file (/dev/nvidiaN)."""
    pci_bus_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuInstance:
    """A part of a GPU that is used like one: a MIG instance."""

    uuid: str
    name: str
    """Value of the label `mig`, unique on its GPU: GPU instance and compute instance, such as `1/0`."""
    gpu_instance: int
    compute_instance: int


class Value(NamedTuple):
    """One value of a signal, in its base unit; `None` for what the part does not give.

    `extra` are the labels behind those that every signal of the GPU carries, in the contract's order. A value with an
    `instance` is told under the instance's uuid and `mig`, not under the GPU's own. The value of
    `atlas_gpu_process_memory_bytes` needs the one label `pid` in `extra`: whose the process is gets added when it is told.
    """

    signal: Signal
    value: float | None
    extra: Labels = ()
    instance: GpuInstance | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question to the driver about one GPU, and the signals that its answer is for.

    Each is asked by itself and may fail, be absent or hang by itself. `ask` raises GpuAbsent, GpuFailed, GpuLost or
    GpuUnavailable; anything else counts as a failure of this question.
    """

    name: str
    signals: tuple[Signal, ...]
    ask: Callable[[], Iterable[Value]]
    vital: bool = True
    """Answered by the GPU itself. What the driver may know by heart (limits, names) does not prove that it is there."""
    call: str = ""
    """The driver's function behind it, where several questions share one: when it hangs, none of them is asked."""
    every_seconds: float = 0.0
    """The shortest time between two asks; 0: in every round (once a second). For what is slow to ask or to change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuEvent:
    """Something that the driver reported by itself: an XID (then `xid` is its code) or another event of the contract."""

    xid: int | None = None
    event: str = ""
    """One of `conventions.GPU_EVENTS` when it is no XID."""


class GpuDevice(Protocol):
    """One GPU. Every method may take as long as the driver likes, and may raise GpuLost or GpuUnavailable.

    `identify`, the questions and `throttle_counters` are called by one thread at a time, the throttle bits and mask by a
    second, the event methods by a third. Of the first kind, earlier threads may still be inside calls that hang.
    """

    @property
    def index(self) -> int:
        """Its place in the driver's list."""

    @property
    def counters_call(self) -> str:
        """The driver's function behind `throttle_counters`, as in `Question.call`."""

    def identify(self) -> GpuIdentity:
        """Take hold of the GPU (again) and say who it is. Called before anything else. May raise GpuForbidden too."""

    def questions(self) -> Sequence[Question]:
        """Return everything that can be asked, the same names at every call. Called after each `identify`."""

    def throttle_bits(self) -> int | None:
        """Return the throttle reasons of this moment (`throttle.THROTTLE_BITS`); None when they are not given."""

    def throttle_mask(self) -> int:
        """Return the throttle reasons that this part can report, in the same bits; 0 when it has none at all."""

    def throttle_counters(self) -> Mapping[str, int]:
        """Return {reason: nanoseconds of throttling so far} as the hardware counts it; empty where it does not.

        Nobody has to believe them: `gpu.throttle_counter` checks type, pace and unit against the sampled bits.
        """

    def watch_events(self) -> tuple[str, ...]:
        """Register for events; return the kinds that this part reports, `xid` among them. Empty: it reports none."""

    def wait_events(self, seconds: float) -> Sequence[GpuEvent]:
        """Wait up to `seconds` for events and return them."""


class GpuBackend(Protocol):
    """The library of one vendor. May be opened again after it was closed, or after GpuUnavailable."""

    @property
    def name(self) -> str:
        """Name of its collector: `nvml`, `amd`."""

    def open(self) -> Sequence[GpuDevice]:
        """Connect to the driver and return its GPUs, at least one; GpuNone or GpuUnavailable when that is not possible."""

    def close(self) -> None:
        """Let go of the driver. No device of the last `open` may be in use; errors are swallowed."""


class Workloads(Protocol):
    """Who uses what. Answers at once from what is known; never waits for a kubelet or a disk."""

    def of_process(self, pid: int) -> Labels:
        """Return the labels `process` and `conventions.WORKLOAD_LABELS` of a process, as far as they are known."""

    def of_gpu(self, gpu: GpuIdentity, instance: GpuInstance | None, pids: Sequence[int]) -> Sequence[Labels]:
        """Return, for each workload of a GPU or an instance, its labels and `sharing` (`conventions.SHARING`).

        `pids` are the processes on it, for where nobody but the process table knows.
        """


class NoWorkloads:
    """`Workloads` of nobody: for GPUs that are not of this machine, recorded or simulated ones."""

    def of_process(self, pid: int) -> Labels:  # noqa: ARG002 - the protocol's
        """Return nothing."""
        return ()

    def of_gpu(self, gpu: GpuIdentity, instance: GpuInstance | None, pids: Sequence[int]) -> Sequence[Labels]:  # noqa: ARG002 - the protocol's
        """Return nothing."""
        return ()
