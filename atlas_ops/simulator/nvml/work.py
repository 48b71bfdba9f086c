"""Clocks, what holds them down, and how busy a GPU is."""

from __future__ import annotations

from typing import Any

from atlas_ops.simulator import reasons
from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import INVALID_ARGUMENT, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target

POLICIES: dict[int, tuple[int, ...]] = {
    0: (reasons.SW_POWER_CAP,),
    1: (reasons.SW_THERMAL,),
    2: (reasons.SYNC_BOOST,),
    3: (),
    4: (reasons.IDLE,),
    5: (),
    10: (reasons.IDLE, reasons.SW_POWER_CAP),
    11: (),
}
"""{`nvmlPerfPolicyType_t`: reasons whose time it counts}: power, thermal, sync boost, board limit, low utilisation,
reliability, application clocks, base clocks. Application clocks as on a real H200: the time below them, when idle and at
the power limit, which do not come together. It counts below base clocks, too; here nothing does."""
_SM, _MEMORY, _VIDEO = (0, 1), 2, 3
_SAMPLING_MICROSECONDS = 167_000
"""The driver measures encoders and decoders six times a second."""


def policy_ns(target: Target, policy: int) -> int:
    """Return the nanoseconds that a policy held the clock down."""
    if policy not in POLICIES:
        raise Refused(INVALID_ARGUMENT)
    return sum(target.throttled_ns(reason) for reason in POLICIES[policy])


def _clock(target: Target, domain: Any, mhz: Any) -> None:
    ratio = target.state.sm_clock_mhz / target.profile.sm_clock_mhz
    if c.number(domain) in _SM:
        c.put(mhz, target.state.sm_clock_mhz)
    else:
        c.put(mhz, _other_clock(target, domain) * (ratio if c.number(domain) == _VIDEO else 1))


def _max_clock(target: Target, domain: Any, mhz: Any) -> None:
    c.put(mhz, target.profile.sm_clock_mhz if c.number(domain) in _SM else _other_clock(target, domain))


def _other_clock(target: Target, domain: Any) -> int:
    clocks = {_MEMORY: target.profile.memory_clock_mhz, _VIDEO: target.profile.video_clock_mhz}
    if c.number(domain) not in clocks:
        raise Refused(INVALID_ARGUMENT)
    return clocks[c.number(domain)]


def _reasons(target: Target, out: Any) -> None:
    c.put(out, target.state.reasons)


def _supported_reasons(_target: Target, out: Any) -> None:
    c.put(out, reasons.SUPPORTED)


def _violation(target: Target, policy: Any, times: Any) -> None:
    c.fill(times, referenceTime=target.now_ns / 1000, violationTime=policy_ns(target, c.number(policy)))


def _utilization(target: Target, rates: Any) -> None:
    c.need(not target.profile.mig_on)
    state = target.state
    c.fill(rates, gpu=100 * state.utilization_ratio, memory=100 * state.memory_utilization_ratio)


def _codec(target: Target, ratio: float, percent: Any, period: Any) -> None:
    c.need(not target.profile.mig_on)
    c.put(percent, 100 * ratio)
    c.put(period, _SAMPLING_MICROSECONDS)


FUNCTIONS: DeviceFunctions = (
    ("nvmlDeviceGetClockInfo", _clock),
    ("nvmlDeviceGetMaxClockInfo", _max_clock),
    ("nvmlDeviceGetCurrentClocksEventReasons", _reasons),
    ("nvmlDeviceGetCurrentClocksThrottleReasons", _reasons),
    ("nvmlDeviceGetSupportedClocksEventReasons", _supported_reasons),
    ("nvmlDeviceGetSupportedClocksThrottleReasons", _supported_reasons),
    ("nvmlDeviceGetViolationStatus", _violation),
    ("nvmlDeviceGetPerformanceState", lambda _target, out: c.put(out, 0)),
    ("nvmlDeviceGetUtilizationRates", _utilization),
    ("nvmlDeviceGetEncoderUtilization", lambda target, *out: _codec(target, target.state.encoder_ratio, *out)),
    ("nvmlDeviceGetDecoderUtilization", lambda target, *out: _codec(target, target.state.decoder_ratio, *out)),
)
