"""The NVIDIA drivers that the simulator can pretend to be: their versions, and what they have and number differently.

Read by `simulator.nvml`. The numbers of the throttle counters moved twice; the table is a comparison of fifteen releases
of the binding (nvidia-ml-py), and 580.65's was seen in the questions of a real nvidia-smi of that version.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from atlas_ops.errors import UsageError
from atlas_ops.simulator.reasons import HW_POWER_BRAKE, HW_THERMAL, SW_THERMAL

_THERMAL_REASONS = (SW_THERMAL, HW_THERMAL, HW_POWER_BRAKE)
_SMOOTHING_FIRST = 251

FUNCTIONS_SINCE = {
    "nvmlDeviceGetSramEccErrorStatus": 550,  # assumed: the first release of the binding that has it is 12.550
    "nvmlDeviceGetTemperatureV": 570,
    "nvmlDeviceGetMarginTemperature": 570,
    "nvmlDeviceGetFanSpeedRPM": 570,
}
"""The branch that brought a function. A library from before does not export it."""
FIELDS_SINCE = {197: 550, 198: 550, 230: 570}
"""The same for field ids: PCIe bytes (the branch is assumed) and the recovery action."""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """One driver. `name` is how it is asked for; `smoothing_fields` are what `PWR_SMOOTHING_...` is asked by there."""

    name: str
    version: str
    cuda: int
    """CUDA's version in its own arithmetic: 12080 is 12.8."""
    throttle_fields: tuple[int, ...] = ()
    """Ids of the counters for software thermal slowdown, hardware thermal slowdown and power brake, in this order."""
    smoothing_fields: frozenset[int] = frozenset()

    @cached_property
    def branch(self) -> int:
        """The number before the first dot."""
        return int(self.version.partition(".")[0])

    @property
    def nvml_version(self) -> str:
        """What NVML says of itself: the CUDA branch and the driver."""
        return f"{self.cuda // 1000}.{self.version}"

    @cached_property
    def throttle_reasons(self) -> dict[int, int]:
        """{field id: bit of the reason that it counts}."""
        return dict(zip(self.throttle_fields, _THERMAL_REASONS, strict=False))

    def has(self, function: str) -> bool:
        """Whether its library exports a function that the simulator knows."""
        return self.branch >= FUNCTIONS_SINCE.get(function, 0)

    def knows(self, field: int) -> bool:
        """Whether a field id that the simulator knows existed in its branch."""
        return self.branch >= FIELDS_SINCE.get(field, 0)


DRIVERS: tuple[Driver, ...] = (
    Driver(name="535", version="535.183.06", cuda=12020),
    Driver(name="570", version="570.124.06", cuda=12080, smoothing_fields=frozenset(range(_SMOOTHING_FIRST, 269))),
    Driver(
        name="575",
        version="575.57.08",
        cuda=12090,
        throttle_fields=(251, 252, 253),
        smoothing_fields=frozenset(range(254, 272)),
    ),
    Driver(
        name="580.65",
        version="580.65.06",
        cuda=13000,
        throttle_fields=(251, 252, 253),
        smoothing_fields=frozenset(range(254, 272)),
    ),
    Driver(
        name="580.82",
        version="580.82.07",
        cuda=13000,
        throttle_fields=(269, 270, 271),
        smoothing_fields=frozenset(range(_SMOOTHING_FIRST, 269)),
    ),
    Driver(
        name="590",
        version="590.44.01",
        cuda=13010,
        throttle_fields=(269, 270, 271),
        smoothing_fields=frozenset(range(_SMOOTHING_FIRST, 269)),
    ),
)
DEFAULT_DRIVER = "570"
"""The last branch without hardware counters for thermal slowdown: whoever watches these GPUs has to sample."""
_BY_NAME = {driver.name: driver for driver in DRIVERS}


def driver_by_name(name: str) -> Driver:
    """Return the driver; UsageError that lists the known ones."""
    if name not in _BY_NAME:
        raise UsageError(f"there is no simulated driver {name!r}", next_step=f"known: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
