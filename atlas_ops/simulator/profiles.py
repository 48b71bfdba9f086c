"""The GPUs that the simulator can pretend to be: what each part has, lacks, and how large it is.

Read by `simulator.gpu` (heat and power) and `simulator.nvml` (answers). What a part lacks is from real readings of
nvidia-smi on an H100, H200, L40S, RTX 4080 SUPER and RTX 2080 SUPER, an H100 in MIG mode among them; sizes and limits are
those of the data sheets. A line that ends with "assumed" is neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from atlas_ops.errors import UsageError

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


_GIB = 2**30
_MIB = 2**20

_H100 = Profile(
    name="h100",
    board="NVIDIA H100 80GB HBM3",
    architecture=HOPPER,
    compute_capability=(9, 0),
    pci_device_id=0x233010DE,
    memory_bytes=80 * _GIB,
    reserved_bytes=600 * _MIB,
    multiprocessors=132,
    sm_clock_mhz=1980,
    memory_clock_mhz=2619,
    video_clock_mhz=1545,
    power_limit_watts=700.0,
    power_limits_watts=(200.0, 700.0),
    idle_watts=75.0,
    # Readings of a real one under load: 59 degrees with 26 of margin, so the margin's scale ends at 85.
    shutdown_celsius=93.0,
    slowdown_celsius=87.0,
    max_operating_celsius=85.0,
    t_limits=TLimits(shutdown=-8, slowdown=-2, gpu_max=0, memory_max=0),
    pcie_generation=5,
    nvlinks=18,
    nvlink_mbps=26_562,
    memory_sensor=True,
    gpm=True,
    mig_capable=True,
)
# Where the instances lie and how large they are is assumed, after the sizes that NVIDIA's MIG guide gives to their kinds.
_H100_MIG = replace(
    _H100,
    name="h100-mig",
    mig=(
        MigSlice(
            place=0,
            gpu_instance=1,
            compute_instance=0,
            kind="3g.40gb",
            slices=3,
            multiprocessors=60,
            memory_bytes=40_320 * _MIB,
        ),
        MigSlice(
            place=1,
            gpu_instance=5,
            compute_instance=0,
            kind="2g.20gb",
            slices=2,
            multiprocessors=32,
            memory_bytes=20_096 * _MIB,
        ),
        MigSlice(
            place=3,
            gpu_instance=9,
            compute_instance=0,
            kind="1g.10gb",
            slices=1,
            multiprocessors=16,
            memory_bytes=9_984 * _MIB,
        ),
        MigSlice(
            place=4,
            gpu_instance=10,
            compute_instance=0,
            kind="1g.10gb",
            slices=1,
            multiprocessors=16,
            memory_bytes=9_984 * _MIB,
        ),
    ),
)
_H200 = replace(
    _H100,
    name="h200",
    board="NVIDIA H200",
    pci_device_id=0x233510DE,
    memory_bytes=143_771 * _MIB,
    memory_clock_mhz=3201,
)
_A100 = Profile(
    name="a100",
    board="NVIDIA A100-SXM4-80GB",
    architecture=AMPERE,
    compute_capability=(8, 0),
    pci_device_id=0x20B210DE,
    memory_bytes=80 * _GIB,
    reserved_bytes=600 * _MIB,  # assumed
    multiprocessors=108,
    sm_clock_mhz=1410,
    memory_clock_mhz=1593,
    video_clock_mhz=1290,
    power_limit_watts=400.0,
    power_limits_watts=(100.0, 400.0),
    idle_watts=55.0,
    shutdown_celsius=92.0,
    slowdown_celsius=89.0,
    max_operating_celsius=85.0,
    pcie_generation=4,
    nvlinks=12,
    nvlink_mbps=25_781,
    memory_sensor=True,
    mig_capable=True,
    power_average=False,  # assumed: GA100 has no average (nvml.h on the fields 185 and 186)
)
_L40S = Profile(
    name="l40s",
    board="NVIDIA L40S",
    architecture=ADA,
    compute_capability=(8, 9),
    pci_device_id=0x26B910DE,
    memory_bytes=46_068 * _MIB,
    reserved_bytes=600 * _MIB,  # assumed
    multiprocessors=142,
    sm_clock_mhz=2520,
    memory_clock_mhz=9001,
    video_clock_mhz=1965,
    power_limit_watts=350.0,
    power_limits_watts=(100.0, 350.0),
    idle_watts=35.0,
    # The offsets are real, the scale that they are on is assumed.
    shutdown_celsius=93.0,
    slowdown_celsius=90.0,
    max_operating_celsius=88.0,
    t_limits=TLimits(shutdown=-5, slowdown=-2, gpu_max=0, memory_max=None),
    pcie_generation=4,
)
_L4 = replace(  # what it lacks, and its temperatures, are assumed to be those of the L40S
    _L40S,
    name="l4",
    board="NVIDIA L4",
    pci_device_id=0x27B810DE,
    memory_bytes=23_034 * _MIB,
    multiprocessors=58,
    sm_clock_mhz=2040,
    memory_clock_mhz=6251,
    video_clock_mhz=1770,
    power_limit_watts=72.0,
    power_limits_watts=(40.0, 72.0),
    idle_watts=16.0,
)
_T4 = Profile(  # the one with retired pages, which GPUs before Ampere have instead of row remapping
    name="t4",
    board="Tesla T4",
    architecture=TURING,
    compute_capability=(7, 5),
    pci_device_id=0x1EB810DE,
    memory_bytes=15_360 * _MIB,
    reserved_bytes=450 * _MIB,  # assumed
    multiprocessors=40,
    sm_clock_mhz=1590,
    memory_clock_mhz=5001,
    video_clock_mhz=1470,
    power_limit_watts=70.0,
    power_limits_watts=(60.0, 70.0),
    idle_watts=10.0,
    shutdown_celsius=96.0,
    slowdown_celsius=93.0,
    max_operating_celsius=85.0,
    pcie_generation=3,
    row_remap=False,
    retired_pages=True,
    power_average=False,
)
_RTX_4080_SUPER = Profile(
    name="rtx4080s",
    board="NVIDIA GeForce RTX 4080 SUPER",
    architecture=ADA,
    compute_capability=(8, 9),
    pci_device_id=0x270210DE,
    memory_bytes=16_376 * _MIB,
    reserved_bytes=400 * _MIB,  # assumed
    multiprocessors=80,
    sm_clock_mhz=3105,
    memory_clock_mhz=11_501,
    video_clock_mhz=2415,
    power_limit_watts=320.0,
    power_limits_watts=(150.0, 352.0),
    idle_watts=15.0,
    shutdown_celsius=101.0,
    slowdown_celsius=96.0,
    max_operating_celsius=90.0,
    pcie_generation=4,
    fans=2,  # how many is assumed
    ecc=False,
    row_remap=False,
)
_RTX_2080_SUPER = Profile(
    name="rtx2080s",
    board="NVIDIA GeForce RTX 2080 SUPER",
    architecture=TURING,
    compute_capability=(7, 5),
    pci_device_id=0x1E8110DE,
    memory_bytes=8_192 * _MIB,
    reserved_bytes=250 * _MIB,  # assumed
    multiprocessors=48,
    sm_clock_mhz=2100,
    memory_clock_mhz=7751,
    video_clock_mhz=1950,
    power_limit_watts=250.0,
    power_limits_watts=(125.0, 292.0),
    idle_watts=12.0,
    shutdown_celsius=100.0,
    slowdown_celsius=97.0,
    max_operating_celsius=89.0,
    pcie_generation=3,
    fans=1,  # how many is assumed
    ecc=False,
    row_remap=False,
    power_average=False,
)

PROFILES: tuple[Profile, ...] = (_A100, _H100, _H100_MIG, _H200, _L40S, _L4, _T4, _RTX_4080_SUPER, _RTX_2080_SUPER)
DEFAULT_PROFILE = _H100.name
_BY_NAME = {profile.name: profile for profile in PROFILES}


def profile_by_name(name: str) -> Profile:
    """Return the profile; UsageError that lists the known ones."""
    if name not in _BY_NAME:
        raise UsageError(f"there is no simulated GPU {name!r}", next_step=f"known: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
