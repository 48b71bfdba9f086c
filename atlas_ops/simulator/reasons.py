"""NVML's clock event reasons: the bits, and hardware-like counters of how long each was on.

Used by the simulated GPUs (`simulator.gpu`, `simulator.node`), read by `simulator.nvml`.
"""

from __future__ import annotations

IDLE = 0x1
APPLICATIONS_CLOCKS = 0x2
SW_POWER_CAP = 0x4
HW_SLOWDOWN = 0x8
SYNC_BOOST = 0x10
SW_THERMAL = 0x20
HW_THERMAL = 0x40
HW_POWER_BRAKE = 0x80
SUPPORTED = 0x1FF
"""What real GPUs of ten kinds report as supported: all of the above."""
COUNT = 9

ThrottleTimes = tuple[int, ...]
"""Nanoseconds that each reason was on, in the order of the bits."""
NO_TIMES: ThrottleTimes = (0,) * COUNT


def add_time(times: ThrottleTimes, reasons: int, nanoseconds: int) -> ThrottleTimes:
    """Return the times after `reasons` were on for that much longer."""
    if not reasons:
        return times
    return tuple(time + (nanoseconds if reasons >> bit & 1 else 0) for bit, time in enumerate(times))


def time_of(times: ThrottleTimes, reason: int) -> int:
    """Return the time of one reason, given as its bit."""
    return times[reason.bit_length() - 1]
