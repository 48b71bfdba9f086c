"""What a driver would tell about one GPU at one moment, as a record that travels between processes as JSON.

Made by `simulator.gpu` and `simulator.node`, carried by `simulator.remote`, read by `simulator.nvml`.
"""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.errors import UsageError
from atlas_ops.simulator.drivers import DEFAULT_DRIVER
from atlas_ops.simulator.profiles import DEFAULT_PROFILE
from atlas_ops.simulator.reasons import NO_TIMES, ThrottleTimes

HEALTHY, LOST, WEDGED = CONDITIONS = ("healthy", "lost", "wedged")
"""Lost: every call about it is refused. Wedged: every call about it blocks until it is something else."""
EVENT_XID = 0x8
EVENTS_KEPT = 512
"""A set that waits gets every event unless it falls this far behind."""
NO_INSTANCE = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuEvent:
    """One event of the driver. `sequence` grows by one from event to event of the same GPU, beginning at 1."""

    sequence: int
    kind: int = EVENT_XID
    """One bit of `nvmlEventType...`."""
    data: int = 0
    """Code of an XID."""
    gpu_instance: int = NO_INSTANCE
    compute_instance: int = NO_INSTANCE


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuProcess:
    """A process on a GPU. `memory_bytes` is None where the driver cannot tell."""

    pid: int
    memory_bytes: int | None
    graphics: bool = False
    gpu_instance: int = NO_INSTANCE
    compute_instance: int = NO_INSTANCE


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkErrors:
    """The error counters of one NVLink."""

    link: int
    replay: int = 0
    recovery: int = 0
    crc_flit: int = 0
    crc_data: int = 0
    ecc: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class EccCounts:
    """Errors since the GPU was made; it has not been reset yet, so its volatile and its lifetime counts are the same."""

    dram_corrected: int = 0
    dram_uncorrected: int = 0
    sram_corrected: int = 0
    sram_parity: int = 0
    """Uncorrected, found by parity."""
    sram_secded: int = 0
    """Uncorrected, found by the error-correcting code."""
    sram_threshold_exceeded: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RowRemaps:
    """Rows of memory that were replaced by spare ones (Ampere and later)."""

    corrected: int = 0
    uncorrected: int = 0
    pending: bool = False
    failure: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RetiredPages:
    """Pages of memory that are used no more (before Ampere)."""

    single_bit: int = 0
    double_bit: int = 0
    pending: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PcieCounters:
    """Traffic (bytes) and errors of the PCIe link. Generation and width of None: those of the part."""

    sent_bytes: int = 0
    received_bytes: int = 0
    replays: int = 0
    recoveries: int = 0
    """Times that the link left L0 for recovery."""
    errors: tuple[int, ...] = (0,) * 11
    """In the order of the field ids 173 to 183, correctable errors first."""
    generation: int | None = None
    width: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NvlinkCounters:
    """Traffic (bytes over all links) and errors of the NVLinks."""

    sent_bytes: int = 0
    received_bytes: int = 0
    errors: tuple[LinkErrors, ...] = ()
    """Links that are not here have none."""
    down: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuState:
    """One GPU at one moment. Ratios are of 1."""

    index: int
    uuid: str
    profile: str = DEFAULT_PROFILE
    driver: str = DEFAULT_DRIVER
    condition: str = HEALTHY
    utilization_ratio: float = 0.0
    memory_utilization_ratio: float = 0.0
    encoder_ratio: float = 0.0
    decoder_ratio: float = 0.0
    fan_ratio: float = 0.3
    memory_used_bytes: int = 0
    temperature_celsius: float = 35.0
    power_watts: float = 75.0
    power_limit_watts: float | None = None
    """None: that of the part."""
    energy_joules: float = 0.0
    sm_clock_mhz: int = 0
    reasons: int = 0
    """NVML's bitmask of clock event reasons."""
    throttle_times: ThrottleTimes = NO_TIMES
    running_since_ns: int | None = None
    """Where set, `throttle_times` were right at that moment of the monotonic clock, and those of `reasons` run on."""
    recovery_action: int = 0
    """`nvmlDeviceGpuRecoveryAction_t`: 0 none, 1 reset, 2 reboot, 3 drain, 4 drain and reset."""
    events: tuple[GpuEvent, ...] = ()
    """The newest ones, oldest first."""
    processes: tuple[GpuProcess, ...] = ()
    ecc: EccCounts = EccCounts()
    rows: RowRemaps = RowRemaps()
    pages: RetiredPages = RetiredPages()
    pcie: PcieCounters = PcieCounters()
    nvlink: NvlinkCounters = NvlinkCounters()


def check_condition(condition: str) -> None:
    """Refuse what is no condition: UsageError that lists the known ones."""
    if condition not in CONDITIONS:
        raise UsageError(f"{condition!r} is no condition of a GPU", next_step=f"known: {', '.join(CONDITIONS)}")


def next_events(log: tuple[GpuEvent, ...], count: int, *, kind: int = EVENT_XID, data: int = 0) -> tuple[GpuEvent, ...]:
    """Return the log with `count` more events of one kind, cut to the newest."""
    first = log[-1].sequence + 1 if log else 1
    new = tuple(GpuEvent(sequence=first + n, kind=kind, data=data) for n in range(count))
    return (*log, *new)[-EVENTS_KEPT:]
