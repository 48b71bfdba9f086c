"""What a kind of GPU has, lacks, and how large it is. The kinds themselves are in `simulator.profiles`."""

from __future__ import annotations

from dataclasses import dataclass

TURING, AMPERE, ADA, HOPPER = 6, 7, 8, 9
"""`nvmlDeviceArchitecture_t`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TLimits:
    """The T.Limit offsets of Ada and Hopper data centre parts: kelvin of margin at which it happens (fields 193 to 196)."""

    shutdown: int
    slowdown: int
    gpu_max: int
    memory_max: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MigSlice:
    """One instance that the part is cut into. `place` is its MIG device index; the numbers between are empty."""

    place: int
    gpu_instance: int
    compute_instance: int
    kind: str
    slices: int
    multiprocessors: int
    memory_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One part. Everything that is not there answers NOT_SUPPORTED."""

    name: str
    """How it is asked for."""
    board: str
    """How it calls itself."""
    architecture: int
    compute_capability: tuple[int, int]
    pci_device_id: int
    memory_bytes: int
    reserved_bytes: int
    multiprocessors: int
    sm_clock_mhz: int
    memory_clock_mhz: int
    video_clock_mhz: int
    power_limit_watts: float
    power_limits_watts: tuple[float, float]
    idle_watts: float
    shutdown_celsius: float
    slowdown_celsius: float
    max_operating_celsius: float
    pcie_generation: int
    pcie_width: int = 16
    t_limits: TLimits | None = None
    nvlinks: int = 0
    nvlink_mbps: int = 0
    """Speed of one link in MB/s."""
    fans: int = 0
    memory_sensor: bool = False
    """A memory temperature: HBM only."""
    ecc: bool = True
    row_remap: bool = True
    retired_pages: bool = False
    gpm: bool = False
    power_average: bool = True
    mig_capable: bool = False
    mig: tuple[MigSlice, ...] = ()

    @property
    def mig_on(self) -> bool:
        """Whether it is cut into instances. Then utilisation and row remapping are gone."""
        return bool(self.mig)
