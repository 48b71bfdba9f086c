"""Temperature, power, energy and fans."""

from __future__ import annotations

from typing import Any

from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import INVALID_ARGUMENT, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target

MEMORY_ABOVE_CORE_KELVIN = 8
"""How much hotter stacked memory is than the core while it is at work (an H200 that copies: 51 and 43 degrees). Real memory
is as warm as the core when idle, and cooler when the core alone is busy (45 and 56)."""
RPM_AT_FULL_SPEED = 3600
"""Of a fan; assumed."""
_TEMPERATURE_V1 = 0x100000C
_MARGIN_V1 = 0x1000008
_FAN_V1 = 0x100000C
_CORE_SENSOR = 0


def margin(target: Target) -> float:
    """Return the kelvin to the nearest slowdown; parts without T.Limit have no such reading."""
    c.need(target.profile.t_limits)
    return target.profile.max_operating_celsius - target.state.temperature_celsius


def _temperature(target: Target, sensor: Any, celsius: Any) -> None:
    if c.number(sensor) != _CORE_SENSOR:
        raise Refused(INVALID_ARGUMENT)
    c.put(celsius, target.state.temperature_celsius)


def _temperature_v(target: Target, info: Any) -> None:
    c.check_version(info, _TEMPERATURE_V1)
    if c.pointee(info).sensorType != _CORE_SENSOR:
        raise Refused(INVALID_ARGUMENT)
    c.fill(info, temperature=target.state.temperature_celsius)


def _threshold(target: Target, which: Any, celsius: Any) -> None:
    part = target.profile
    degrees = {0: part.shutdown_celsius, 1: part.slowdown_celsius, 3: part.max_operating_celsius}.get(c.number(which))
    c.need(degrees)
    c.put(celsius, degrees or 0)


def _margin(target: Target, info: Any) -> None:
    c.check_version(info, _MARGIN_V1)
    c.fill(info, marginTemperature=margin(target))


def power_limit_watts(target: Target) -> float:
    """Return the power limit in force."""
    limit = target.state.power_limit_watts
    return target.profile.power_limit_watts if limit is None else limit


def _power_limit(target: Target, milliwatts: Any) -> None:
    c.put(milliwatts, 1000 * power_limit_watts(target))


def _default_power_limit(target: Target, milliwatts: Any) -> None:
    c.put(milliwatts, 1000 * target.profile.power_limit_watts)


def _power_limits(target: Target, lowest: Any, highest: Any) -> None:
    for out, watts in zip((lowest, highest), target.profile.power_limits_watts, strict=True):
        c.put(out, 1000 * watts)


def _fan_speed(target: Target, percent: Any) -> None:
    c.need(target.profile.fans)
    c.put(percent, 100 * target.state.fan_ratio)


def _fan_speed_of(target: Target, fan: Any, percent: Any) -> None:
    c.need(target.profile.fans)
    if not 0 <= c.number(fan) < target.profile.fans:
        raise Refused(INVALID_ARGUMENT)
    _fan_speed(target, percent)


def _fan_rpm(target: Target, info: Any) -> None:
    c.need(target.profile.fans)
    c.check_version(info, _FAN_V1)
    if not 0 <= c.pointee(info).fan < target.profile.fans:
        raise Refused(INVALID_ARGUMENT)
    c.fill(info, speed=RPM_AT_FULL_SPEED * target.state.fan_ratio)


def _num_fans(target: Target, count: Any) -> None:
    c.need(target.profile.fans)
    c.put(count, target.profile.fans)


FUNCTIONS: DeviceFunctions = (
    ("nvmlDeviceGetTemperature", _temperature),
    ("nvmlDeviceGetTemperatureV", _temperature_v),
    ("nvmlDeviceGetTemperatureThreshold", _threshold),
    ("nvmlDeviceGetMarginTemperature", _margin),
    ("nvmlDeviceGetPowerUsage", lambda target, out: c.put(out, 1000 * target.state.power_watts)),
    ("nvmlDeviceGetEnforcedPowerLimit", _power_limit),
    ("nvmlDeviceGetPowerManagementLimit", _power_limit),
    ("nvmlDeviceGetPowerManagementDefaultLimit", _default_power_limit),
    ("nvmlDeviceGetPowerManagementLimitConstraints", _power_limits),
    ("nvmlDeviceGetTotalEnergyConsumption", lambda target, out: c.put(out, 1000 * target.state.energy_joules)),
    ("nvmlDeviceGetNumFans", _num_fans),
    ("nvmlDeviceGetFanSpeed", _fan_speed),
    ("nvmlDeviceGetFanSpeed_v2", _fan_speed_of),
    ("nvmlDeviceGetFanSpeedRPM", _fan_rpm),
)
