"""Heat, power and clock of one GPU of the H100 class. Called by `simulator.replica`; read through `simulator.nvml`.

Numbers: the H100 SXM's data sheet (80 GiB, 700 W, 1,980 MHz SM and 2,619 MHz memory clock) and readings of a real one
under load (59 degrees with 26 of margin, so slowdown of the margin's scale begins at 85; T.Limit offsets -2 and -8, so the
hardware slows down at 87 and shuts off at 93).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

NAME = "NVIDIA H100 80GB HBM3"
MEMORY_TOTAL_BYTES = 80 * 2**30
MEMORY_RESERVED_BYTES = 600 * 2**20
SM_CLOCK_MAX_MHZ = 1980
MEMORY_CLOCK_MHZ = 2619
POWER_LIMIT_WATTS = 700.0

SLOWDOWN_CELSIUS = 87.0
SHUTDOWN_CELSIUS = 93.0
MAX_OPERATING_CELSIUS = 85.0
RELEASE_CELSIUS = 80.0
"""A hardware slowdown ends only below this, or the clock would flap."""

REASON_IDLE = 0x1
REASON_SW_POWER_CAP = 0x4
REASON_HW_SLOWDOWN = 0x8
REASON_SW_THERMAL = 0x20
REASON_HW_THERMAL = 0x40
REASONS_SUPPORTED = 0x1FF
"""What real GPUs of ten kinds report as supported."""

_IDLE_WATTS = 75.0
_PREFILL_WATTS = 700.0
"""Computing prompts keeps the tensor cores busy: a burst of them meets the power limit."""
_DECODE_WATTS = 350.0
"""Decoding waits for memory: about 425 W in all."""
_INLET_CELSIUS = 30.0
_COOLED_KELVIN_PER_WATT = 0.0625
"""A good heat sink: 56 degrees at 420 W."""
_UNCOOLED_KELVIN_PER_WATT = 0.38
"""Fans or pump gone: half the clock is still too hot, so the slowdown stays and does not flap."""
_HEAT_CAPACITY = 70.0
"""Joule per kelvin of die and cold plate: 4 s to settle when cooled, slowdown about 6 s after the cooling fails."""
_SLOWDOWN_RATIO = 0.5
_SLOWDOWN_PER_KELVIN = 0.03
_SLOWDOWN_FLOOR = 0.3
_SW_THERMAL_RATIO = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuState:
    """What a driver would tell about one GPU at one moment."""

    index: int
    uuid: str
    utilization_ratio: float
    memory_utilization_ratio: float
    memory_used_bytes: int
    temperature_celsius: float
    power_watts: float
    energy_joules: float
    sm_clock_mhz: int
    reasons: int
    """NVML's bitmask of clock event reasons."""


class Gpu:
    """One GPU over time."""

    def __init__(self, *, index: int, uuid: str, memory_used_bytes: int) -> None:
        self.cooled = True
        self._index = index
        self._uuid = uuid
        self._memory_used_bytes = memory_used_bytes
        self._temperature = _INLET_CELSIUS + _IDLE_WATTS * _COOLED_KELVIN_PER_WATT
        self._clock_ratio = 1.0
        self._slowed = False
        self._reasons = REASON_IDLE
        self._power = _IDLE_WATTS
        self._energy = 0.0
        self._prefill = self._decode = 0.0

    @property
    def clock_ratio(self) -> float:
        """SM clock as a share of its maximum."""
        return self._clock_ratio

    def advance(self, seconds: float, *, prefill: float, decode: float) -> None:
        """Let time pass in which the GPU computed prompts and decoded for these shares of it (0 to 1, together too)."""
        self._prefill, self._decode = prefill, decode
        dynamic = prefill * _PREFILL_WATTS + decode * _DECODE_WATTS
        ceiling, self._reasons = self._thermal_ceiling()
        # Dynamic power goes with the clock times the voltage squared; near the top that is about the clock squared.
        power_ceiling = math.sqrt((POWER_LIMIT_WATTS - _IDLE_WATTS) / dynamic) if dynamic else 1.0
        if power_ceiling < ceiling:
            ceiling = power_ceiling
            self._reasons |= REASON_SW_POWER_CAP
        if not dynamic:
            self._reasons |= REASON_IDLE
        self._clock_ratio = ceiling
        self._power = _IDLE_WATTS + dynamic * ceiling**2
        self._energy += self._power * seconds
        self._warm(seconds)

    def state(self) -> GpuState:
        """Return what the driver would tell now."""
        return GpuState(
            index=self._index,
            uuid=self._uuid,
            utilization_ratio=self._prefill + self._decode,
            memory_utilization_ratio=0.3 * self._prefill + 0.75 * self._decode,
            memory_used_bytes=self._memory_used_bytes,
            temperature_celsius=self._temperature,
            power_watts=self._power,
            energy_joules=self._energy,
            sm_clock_mhz=round(self._clock_ratio * SM_CLOCK_MAX_MHZ),
            reasons=self._reasons,
        )

    def _thermal_ceiling(self) -> tuple[float, int]:
        """Return the share of the clock that the temperature allows, and the reasons for it."""
        self._slowed = self._temperature > (RELEASE_CELSIUS if self._slowed else SLOWDOWN_CELSIUS)
        reasons = REASON_SW_THERMAL if self._temperature > MAX_OPERATING_CELSIUS else 0
        if self._slowed:
            above = max(0.0, self._temperature - SLOWDOWN_CELSIUS)
            ratio = max(_SLOWDOWN_FLOOR, _SLOWDOWN_RATIO - _SLOWDOWN_PER_KELVIN * above)
            return ratio, reasons | REASON_HW_SLOWDOWN | REASON_HW_THERMAL
        return (_SW_THERMAL_RATIO if reasons else 1.0), reasons

    def _warm(self, seconds: float) -> None:
        """Approach the temperature at which the cooling takes away all the power (a first-order lag, solved exactly)."""
        resistance = _COOLED_KELVIN_PER_WATT if self.cooled else _UNCOOLED_KELVIN_PER_WATT
        final = _INLET_CELSIUS + self._power * resistance
        self._temperature += (final - self._temperature) * -math.expm1(-seconds / (resistance * _HEAT_CAPACITY))
