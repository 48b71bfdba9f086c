"""`nvmlDeviceGetFieldValues`: many values in one call, each by a number, with a return code and a type of its own.

The numbers are those of nvml.h; the ones that differ from driver to driver come from `simulator.drivers`.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from atlas_ops.simulator.nvml import c, faults, heat, links, work
from atlas_ops.simulator.nvml.codes import INVALID_ARGUMENT, NOT_SUPPORTED, SUCCESS, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target
from atlas_ops.simulator.profile import HOPPER, TLimits

_UINT, _ULL, _INT = 1, 3, 5
"""`nvmlValueType_t`: unsigned int, unsigned long long, int."""
_MEMBERS = {_UINT: "uint", _ULL: "ull", _INT: "int"}
_ALL_LINKS = 0xFFFFFFFF
_LATENCY_MICROSECONDS = 5
"""How long a field takes to be read; assumed."""
_KIB = 1024


class _Value(ctypes.Union):
    _fields_ = (("uint", ctypes.c_uint), ("ull", ctypes.c_ulonglong), ("int", ctypes.c_int))


class _FieldValue(ctypes.Structure):
    """`nvmlFieldValue_t`. The binding's own class has slow attributes, and this is called ten times a second."""

    _fields_ = (
        ("field", ctypes.c_uint32),
        ("scope", ctypes.c_uint32),
        ("timestamp", ctypes.c_int64),
        ("latency", ctypes.c_int64),
        ("type", ctypes.c_int),
        ("code", ctypes.c_int),
        ("value", _Value),
    )


_Pointer = ctypes.POINTER(_FieldValue)


class _Field(NamedTuple):
    type: int
    read: Callable[[Target, int], float]
    """(target, scope) -> value; raises Refused."""


def _field_values(target: Target, count: Any, values: Any) -> None:
    if c.number(count) < 1 or values is None:
        raise Refused(INVALID_ARGUMENT)
    entries = ctypes.cast(values, _Pointer)
    now = time.time_ns() // 1000
    for place in range(c.number(count)):
        entry = entries[place]
        entry.timestamp, entry.latency = now, _LATENCY_MICROSECONDS
        entry.code = _answer(target, entry)


def _answer(target: Target, entry: _FieldValue) -> int:
    number = entry.field
    field = _throttle_field(target, number) or _FIELDS.get(number)
    if field is None or not target.driver.knows(number):
        return NOT_SUPPORTED
    try:
        value = field.read(target, entry.scope)
    except Refused as refused:
        return refused.code
    entry.type = field.type
    setattr(entry.value, _MEMBERS[field.type], round(value))
    return SUCCESS


def _throttle_field(target: Target, number: int) -> _Field | None:
    """Return a field whose number is another one with other drivers."""
    reason = target.driver.throttle_reasons.get(number)
    if reason is not None:
        return _Field(_ULL, lambda target, _scope: target.throttled_ns(reason))
    # Power smoothing is a feature of later GPUs. These answer "off", although a real H200 says NOT_SUPPORTED: it is the harder
    # case for whoever takes the number for a throttle counter.
    return _OFF if number in target.driver.smoothing_fields else None


_OFF = _Field(_UINT, lambda _target, _scope: 0)


def _policy(policy: int) -> _Field:
    return _Field(_ULL, lambda target, _scope: work.policy_ns(target, policy))


def _memory_temperature(target: Target, _scope: int) -> float:
    c.need(target.profile.memory_sensor)
    return target.state.temperature_celsius + heat.MEMORY_ABOVE_CORE_KELVIN


def _t_limit(read: Callable[[TLimits], int | None]) -> _Field:
    def offset(target: Target, _scope: int) -> float:
        limits = target.profile.t_limits
        value = read(limits) if limits else None
        c.need(value is not None)
        return value or 0

    return _Field(_INT, offset)


def _average_power(target: Target, _scope: int) -> float:
    c.need(target.profile.power_average)
    return 1000 * target.state.power_watts


def _retired(read: Callable[[Target], int]) -> _Field:
    def pages(target: Target, _scope: int) -> float:
        c.need(target.profile.retired_pages)
        return read(target)

    return _Field(_ULL, pages)


def _rows(read: Callable[[Target], int]) -> _Field:
    def rows(target: Target, _scope: int) -> float:
        faults.rows_given(target)
        return read(target)

    return _Field(_UINT, rows)


def _traffic(read: Callable[[Target], int]) -> _Field:
    """Return NVLink traffic in KiB, of one link or of all; each link carries the same share."""

    def kib(target: Target, scope: int) -> float:
        c.need(target.profile.nvlinks)
        if scope == _ALL_LINKS:
            return read(target) // _KIB
        links.check_link(target, scope)
        return read(target) // target.profile.nvlinks // _KIB

    return _Field(_ULL, kib)


def _link(kind: str, link: int) -> _Field:
    return _Field(_ULL, lambda target, _scope: links.link_errors(target, kind, link))


def _link_total(kind: str) -> _Field:
    return _Field(_ULL, lambda target, _scope: links.all_link_errors(target, kind))


def _link_in_scope(*kinds: str) -> _Field:
    """Return the error counters that came with Hopper: the link is the scope."""

    def errors(target: Target, scope: int) -> float:
        c.need(target.profile.architecture >= HOPPER)
        return sum(links.link_errors(target, kind, scope) for kind in kinds)

    return _Field(_ULL, errors)


def _need_links(target: Target, value: int) -> int:
    c.need(target.profile.nvlinks)
    return value


def _pcie_error(place: int) -> _Field:
    return _Field(_UINT, lambda target, _scope: target.state.pcie.errors[place])


def _ecc(kind: int, location: int | None = None) -> _Field:
    def errors(target: Target, _scope: int) -> float:
        return faults.ecc_total(target, kind) if location is None else faults.ecc_count(target, kind, location)

    return _Field(_ULL, errors)


def _recovery(target: Target, _scope: int) -> float:
    c.need(target.profile.ecc)  # that GeForce boards do not tell it is assumed
    return target.state.recovery_action


_PER_LINK = {"crc_flit": (32, 96), "crc_data": (39, 102), "replay": (46, 108), "recovery": (53, 114), "ecc": (148, 154)}
"""{kind: (id for link 0, id for link 6)}; up to five others follow each."""
_LINK_TOTALS = {"crc_flit": 38, "crc_data": 45, "replay": 52, "recovery": 59, "ecc": 160}

_FIELDS: dict[int, _Field] = {
    1: _Field(_UINT, lambda target, _scope: int(target.profile.ecc)),
    2: _Field(_UINT, lambda target, _scope: int(target.profile.ecc)),
    3: _ecc(0), 4: _ecc(1), 5: _ecc(0), 6: _ecc(1),
    11: _ecc(0, 2), 12: _ecc(1, 2), 22: _ecc(0, 2), 23: _ecc(1, 2),
    29: _retired(lambda target: target.state.pages.single_bit),
    30: _retired(lambda target: target.state.pages.double_bit),
    31: _retired(lambda target: int(target.state.pages.pending)),
    **{
        (first if link < 6 else sixth) + link % 6: _link(kind, link)
        for kind, (first, sixth) in _PER_LINK.items()
        for link in range(12)
    },
    **{number: _link_total(kind) for kind, number in _LINK_TOTALS.items()},
    **{number: _policy(policy) for number, policy in zip(range(74, 82), work.POLICIES, strict=True)},
    82: _Field(_UINT, _memory_temperature),
    83: _Field(_ULL, lambda target, _scope: 1000 * target.state.energy_joules),
    90: _Field(_UINT, lambda target, _scope: _need_links(target, target.profile.nvlink_mbps)),
    91: _Field(_UINT, lambda target, _scope: _need_links(target, target.profile.nvlinks)),
    94: _Field(_UINT, lambda target, _scope: target.state.pcie.replays),
    138: _traffic(lambda target: target.state.nvlink.sent_bytes),
    139: _traffic(lambda target: target.state.nvlink.received_bytes),
    # With what the protocol adds; that it is nothing is assumed.
    140: _traffic(lambda target: target.state.nvlink.sent_bytes),
    141: _traffic(lambda target: target.state.nvlink.received_bytes),
    142: _rows(lambda target: target.state.rows.corrected),
    143: _rows(lambda target: target.state.rows.uncorrected),
    144: _rows(lambda target: int(target.state.rows.pending)),
    145: _rows(lambda target: int(target.state.rows.failure)),
    161: _link_in_scope("replay"),
    162: _link_in_scope("recovery"),
    163: _link_in_scope("crc_flit", "crc_data"),
    169: _Field(_UINT, lambda target, _scope: target.state.pcie.recoveries),
    **{173 + place: _pcie_error(place) for place in range(11)},
    185: _Field(_UINT, _average_power),
    186: _Field(_UINT, lambda target, _scope: 1000 * target.state.power_watts),
    187: _Field(_UINT, lambda target, _scope: 1000 * target.profile.power_limits_watts[0]),
    188: _Field(_UINT, lambda target, _scope: 1000 * target.profile.power_limits_watts[1]),
    189: _Field(_UINT, lambda target, _scope: 1000 * target.profile.power_limit_watts),
    190: _Field(_UINT, lambda target, _scope: 1000 * heat.power_limit_watts(target)),
    193: _t_limit(lambda limits: limits.shutdown),
    194: _t_limit(lambda limits: limits.slowdown),
    195: _t_limit(lambda limits: limits.memory_max),
    196: _t_limit(lambda limits: limits.gpu_max),
    # They wrap, as on a real H200.
    197: _Field(_UINT, lambda target, _scope: target.state.pcie.sent_bytes % 2**32),
    198: _Field(_UINT, lambda target, _scope: target.state.pcie.received_bytes % 2**32),
    230: _Field(_UINT, _recovery),
}  # fmt: skip

FUNCTIONS: DeviceFunctions = (("nvmlDeviceGetFieldValues", _field_values),)
