"""The GPUs that the simulator can pretend to be.

Read by `simulator.gpu` (heat and power) and `simulator.nvml` (answers). What an H100 (in MIG mode too), H200, L40S, RTX 4080
SUPER and RTX 2080 SUPER lack, and their temperature limits, was read from real ones; of the other parts that is assumed.
Sizes, clocks and power limits are the published ones; video clocks, reserved memory and idle power are assumed, except for
the H100 and H200, of which all this was read from real ones (tests/samples/gpu/NOTES.md). These were without NVLink.
"""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.errors import UsageError
from atlas_ops.simulator.profile import ADA, AMPERE, HOPPER, TURING, MigSlice, Profile, TLimits

_GIB = 2**30
_MIB = 2**20

_H100 = Profile(
    name="h100",
    board="NVIDIA H100 80GB HBM3",
    architecture=HOPPER,
    compute_capability=(9, 0),
    pci_device_id=0x233010DE,
    memory_bytes=81_559 * _MIB,
    reserved_bytes=480 * _MIB,
    multiprocessors=132,
    sm_clock_mhz=1980,
    memory_clock_mhz=2619,
    video_clock_mhz=1545,
    power_limit_watts=700.0,
    power_limits_watts=(200.0, 700.0),
    idle_watts=73.0,
    # When idle, temperature and margin add up to 87; under load to 85 or 86, for the margin is of the hottest spot.
    shutdown_celsius=95.0,
    slowdown_celsius=89.0,
    max_operating_celsius=87.0,
    t_limits=TLimits(shutdown=-8, slowdown=-2, gpu_max=0, memory_max=0),
    pcie_generation=5,
    nvlinks=18,
    nvlink_mbps=26_562,
    memory_sensor=True,
    gpm=True,
    mig_capable=True,
)


def _slice(*, place: int, gpu_instance: int, kind: str, slices: int, multiprocessors: int, mebibytes: int) -> MigSlice:
    """Return an instance that is one compute instance, 0, as most are."""
    return MigSlice(
        place=place,
        gpu_instance=gpu_instance,
        compute_instance=0,
        kind=kind,
        slices=slices,
        multiprocessors=multiprocessors,
        memory_bytes=mebibytes * _MIB,
    )


# Where the instances lie and how large they are is assumed, after the sizes that NVIDIA's MIG guide gives to their kinds.
_H100_MIG = replace(
    _H100,
    name="h100-mig",
    mig=(
        _slice(place=0, gpu_instance=1, kind="3g.40gb", slices=3, multiprocessors=60, mebibytes=40_320),
        _slice(place=1, gpu_instance=5, kind="2g.20gb", slices=2, multiprocessors=32, mebibytes=20_096),
        _slice(place=3, gpu_instance=9, kind="1g.10gb", slices=1, multiprocessors=16, mebibytes=9_984),
        _slice(place=4, gpu_instance=10, kind="1g.10gb", slices=1, multiprocessors=16, mebibytes=9_984),
    ),
)
_H200 = replace(
    _H100,
    name="h200",
    board="NVIDIA H200",
    pci_device_id=0x233510DE,
    memory_bytes=143_771 * _MIB,
    reserved_bytes=644_939_776,
    memory_clock_mhz=3201,
    idle_watts=78.0,
)
_A100 = Profile(
    name="a100",
    board="NVIDIA A100-SXM4-80GB",
    architecture=AMPERE,
    compute_capability=(8, 0),
    pci_device_id=0x20B210DE,
    memory_bytes=80 * _GIB,
    reserved_bytes=600 * _MIB,
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
    reserved_bytes=600 * _MIB,
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
    reserved_bytes=450 * _MIB,
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
    reserved_bytes=400 * _MIB,
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
    reserved_bytes=250 * _MIB,
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
