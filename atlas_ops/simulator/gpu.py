"""Heat, power and clock of one GPU over time. Called by `simulator.replica`; its state is read through `simulator.nvml`.

The thermal figures are those of an H100 (`simulator.profiles` says where they are from); for other parts they are scaled,
so that each gets as warm under load, and as much too hot without cooling, as its own limits allow.
"""

from __future__ import annotations

import math
from dataclasses import replace

from atlas_ops.simulator import reasons
from atlas_ops.simulator.drivers import DEFAULT_DRIVER
from atlas_ops.simulator.effects import GpuEffect
from atlas_ops.simulator.gpu_errors import GpuErrors, with_xids
from atlas_ops.simulator.profile import Profile
from atlas_ops.simulator.state import HEALTHY, NO_INSTANCE, GpuProcess, GpuState, PcieCounters, check_condition

_DECODE_SHARE = 0.5
"""Decoding waits for memory: an H100 draws 425 W in all. Computing prompts draws what the limit allows, and a little more."""
_INLET_CELSIUS = GpuEffect().inlet_celsius
_COOLED_KELVIN = 43.75
"""Warming at the power limit with a good heat sink: 56 degrees at 60 % of it."""
_UNCOOLED_RATIO = 1.2
"""Fans or pump gone: half the clock under usual load still warms to a fifth more than what begins the slowdown, so it stays
and does not flap."""
_USUAL_LOAD = 0.6
"""Share of the power limit that serving draws for its work."""
_JOULE_PER_KELVIN_AND_WATT = 0.1
"""Heat capacity of die and cold plate by power limit: 4 s to settle when cooled, slowdown about 6 s after cooling fails."""
_RELEASE_KELVIN = 7.0
"""A hardware slowdown ends only this much below where it began, or the clock would flap."""
_SLOWDOWN_RATIO, _SHUTDOWN_RATIO, _SLOWDOWN_FLOOR = 0.5, 0.32, 0.3
"""Share of the clock that is left where the slowdown begins, and just below shutdown."""
_SW_THERMAL_RATIO = 0.9
_BRAKE_RATIO = 0.5
"""Share of the clock that an external power brake leaves."""
_FOREIGN_MEMORY_SHARE = 0.5
_PCIE_BYTES_PER_SECOND = 50e6
"""Of a GPU at full work, in each direction: prompts go in, tokens come out; assumed."""
_FIRST_PID = 4_100_000
"""Just below the largest process number of Linux (2 ** 22), where hardly a real process is."""
_FOREIGN_PID = 50_000
"""What is added for the process of somebody else."""


def server_pid(index: int) -> int:
    """Return the number of the server's process on GPU `index`."""
    return _FIRST_PID + index


class Gpu:
    """One GPU over time, with the process of one model server on it, and sometimes somebody else's."""

    def __init__(
        self, *, index: int, uuid: str, memory_used_bytes: int, profile: Profile, driver: str = DEFAULT_DRIVER
    ) -> None:
        self.effect = GpuEffect()
        """What is done to it."""
        self.served = True
        """Whether the server's process is there, with its memory."""
        self._part = profile
        self._temperature = _INLET_CELSIUS + _COOLED_KELVIN * profile.idle_watts / profile.power_limit_watts
        self._clock_ratio = 1.0
        self._slowed = False
        self._reasons, self._times = reasons.IDLE, reasons.NO_TIMES
        self._power = profile.idle_watts
        self._energy = self._pcie_bytes = self._leaked = 0.0
        self._prefill = self._decode = 0.0
        self._server_bytes = memory_used_bytes
        self._errors = GpuErrors()
        self._rest = GpuState(index=index, uuid=uuid, profile=profile.name, driver=driver)
        """What time alone does not change."""

    @property
    def clock_ratio(self) -> float:
        """SM clock as a share of its maximum."""
        return self._clock_ratio

    @property
    def pace(self) -> float:
        """How fast the server's work goes on, as a share of a GPU of its own at full clock: processes take turns."""
        return self._clock_ratio / (1 + self.effect.foreign_load)

    def set_condition(self, condition: str) -> None:
        """Let the driver answer as for a `healthy`, `lost` or `wedged` GPU; the GPU works on. UsageError otherwise."""
        check_condition(condition)
        self._rest = replace(self._rest, condition=condition)

    def xid(self, code: int, count: int) -> None:
        """Let the driver report an XID, or a storm of them."""
        self._rest = with_xids(self._rest, code, count)

    def restart_server(self) -> None:
        """End the server's process: what it has leaked is free again."""
        self._leaked = 0.0

    def advance(self, seconds: float, *, prefill: float, decode: float, scale: float = 1.0) -> None:
        """Let time pass in which the server computed prompts and decoded for these shares of it (0 to 1, together too).

        Events and leaks of the effect come at their rates by minutes that `scale` shortens.
        """
        foreign = max(0.0, min(self.effect.foreign_load, 1 - prefill - decode))
        self._prefill, self._decode = prefill, decode + foreign
        self._set_clock()
        self._count(seconds)
        self._warm(seconds)
        minutes = seconds / 60 / scale
        self._leaked += self.effect.leaked_bytes_per_minute * minutes
        self.xid(self.effect.xid or 0, self._errors.advance(self.effect, minutes))

    def state(self) -> GpuState:
        """Return what the driver would tell now."""
        traffic = round(self._pcie_bytes)
        processes = self._processes()
        state = replace(
            self._rest,
            condition=self._rest.condition if self.effect.condition == HEALTHY else self.effect.condition,
            utilization_ratio=self._prefill + self._decode,
            memory_utilization_ratio=0.3 * self._prefill + 0.75 * self._decode,
            memory_used_bytes=sum(process.memory_bytes or 0 for process in processes),
            processes=processes,
            temperature_celsius=self._temperature,
            power_watts=self._power,
            power_limit_watts=self._power_limit(),
            energy_joules=self._energy,
            sm_clock_mhz=round(self._clock_ratio * self._part.sm_clock_mhz),
            reasons=self._reasons,
            throttle_times=self._times,
            pcie=PcieCounters(sent_bytes=traffic, received_bytes=traffic),
        )
        return self._errors.shown(state)

    def _processes(self) -> tuple[GpuProcess, ...]:
        free = self._part.memory_bytes - self._part.reserved_bytes
        where = self._part.mig[0] if self._part.mig else None
        foreign = round(_FOREIGN_MEMORY_SHARE * self._part.memory_bytes) if self.effect.foreign_load else 0
        sizes = (min(self._server_bytes + round(self._leaked), free - foreign) if self.served else 0, foreign)
        return tuple(
            GpuProcess(
                pid=server_pid(self._rest.index) + number * _FOREIGN_PID,
                memory_bytes=size,
                gpu_instance=where.gpu_instance if where else NO_INSTANCE,
                compute_instance=where.compute_instance if where else NO_INSTANCE,
            )
            for number, size in enumerate(sizes)
            if size
        )

    def _power_limit(self) -> float:
        return self._part.power_limit_watts * self.effect.power_limit_ratio

    def _set_clock(self) -> None:
        limit, idle = self._power_limit(), self._part.idle_watts
        dynamic = self._part.power_limit_watts * (self._prefill + _DECODE_SHARE * self._decode)
        ceiling, self._reasons = self._thermal_ceiling()
        if self.effect.power_brake:
            ceiling = min(ceiling, _BRAKE_RATIO)
            self._reasons |= reasons.HW_SLOWDOWN | reasons.HW_POWER_BRAKE
        ceiling = min(ceiling, self.effect.clock_limit_ratio)
        # Dynamic power goes with the clock times the voltage squared; near the top that is about the clock squared.
        power_ceiling = math.sqrt((limit - idle) / dynamic) if dynamic else 1.0
        if power_ceiling < ceiling:
            ceiling = power_ceiling
            self._reasons |= reasons.SW_POWER_CAP
        if not dynamic:
            self._reasons |= reasons.IDLE
        self._clock_ratio = ceiling
        self._power = idle + dynamic * ceiling**2

    def _count(self, seconds: float) -> None:
        """Let the counters run for a span of which clock, power and reasons are known."""
        self._energy += self._power * seconds
        self._pcie_bytes += (self._prefill + self._decode) * _PCIE_BYTES_PER_SECOND * seconds
        self._times = reasons.add_time(self._times, self._reasons, round(1e9 * seconds))

    def _thermal_ceiling(self) -> tuple[float, int]:
        """Return the share of the clock that the temperature allows, and the reasons for it."""
        slowdown, shutdown = self._part.slowdown_celsius, self._part.shutdown_celsius
        self._slowed = self._temperature > slowdown - (_RELEASE_KELVIN if self._slowed else 0)
        active = reasons.SW_THERMAL if self._temperature > self._part.max_operating_celsius else 0
        if self._slowed:
            above = max(0.0, self._temperature - slowdown) / (shutdown - slowdown)
            ratio = max(_SLOWDOWN_FLOOR, _SLOWDOWN_RATIO - (_SLOWDOWN_RATIO - _SHUTDOWN_RATIO) * above)
            return ratio, active | reasons.HW_SLOWDOWN | reasons.HW_THERMAL
        return (_SW_THERMAL_RATIO if active else 1.0), active

    def _warm(self, seconds: float) -> None:
        """Approach the temperature at which the cooling takes away all the power (a first-order lag, solved exactly)."""
        part = self._part
        resistance = _COOLED_KELVIN / part.power_limit_watts
        if not self.effect.cooled:
            slowed_watts = part.idle_watts + _USUAL_LOAD * part.power_limit_watts * _SLOWDOWN_RATIO**2
            resistance = _UNCOOLED_RATIO * (part.slowdown_celsius - _INLET_CELSIUS) / slowed_watts
        final = self.effect.inlet_celsius + self._power * resistance
        lag = resistance * _JOULE_PER_KELVIN_AND_WATT * part.power_limit_watts
        self._temperature += (final - self._temperature) * -math.expm1(-seconds / lag)
