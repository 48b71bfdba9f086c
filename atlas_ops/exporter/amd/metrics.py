"""The table `gpu_metrics` in which the driver hands on what the card's own firmware has measured.

Used by `exporter.amd.card`. Taken from it is what no other file has: throttling, energy and XGMI traffic. Offsets and sizes
are those of the structures `gpu_metrics_v<format>_<content>` in the kernel's `kgd_pp_interface.h`; they are no extensions of
each other. Revision 1.9 holds (encoding, value) pairs instead. All ones stand for "not given".

What the older revisions hold is of no use: up to 1.2 the throttle bits mean something else on every chip, and in 1.4 and
1.5 the driver sets them to 0 ("not reported through metrics now").
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed

CYCLES = "accumulation_counter"
RESIDENCIES = (
    "prochot_residency_acc", "ppt_residency_acc", "socket_thm_residency_acc", "vr_thm_residency_acc",
    "hbm_thm_residency_acc",
)  # fmt: skip
JOULES_PER_TICK = 2.0**-16
"""15.259 microjoules, says the header from 1.4 on; `amdsmi.h` says the same of MI200, which has 1.1 to 1.3."""
BYTES_PER_KBYTE = 1024
"""XGMI traffic is "in KByte" (`smu_v13_0_6_pmfw.h`). Should the firmware mean 1000, bytes are told 2.4 % too high."""

Raw = Mapping[str, tuple[int | None, ...]]
"""{field of the header: its values}; None for one that is not given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """What the table says; None for what it does not."""

    throttle_status: int | None = None
    """The bits `SMU_THROTTLER_..._BIT` of the kernel's `amdgpu_smu.h`, the same on every chip."""
    cycles: int | None = None
    """How often the firmware has looked whether it throttles."""
    residencies: Mapping[str, int] = field(default_factory=dict)
    """{one of RESIDENCIES: in how many of these looks it did}."""
    energy: float | None = None
    """Joules since the driver was loaded."""
    xgmi_read: float | None = None
    """Bytes, over all links."""
    xgmi_written: float | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the fields are: {name: (offset, format of `struct`)}; `size` is that of the whole structure, in bytes."""

    size: int
    fields: Mapping[str, tuple[int, str]]


def _numbers(energy: int, xgmi_read: int, xgmi_written: int) -> dict[str, tuple[int, str]]:
    return {
        "energy_accumulator": (energy, "Q"),
        "xgmi_read_data_acc": (xgmi_read, "8Q"),
        "xgmi_write_data_acc": (xgmi_written, "8Q"),
    }


def _cycles(offset: int) -> dict[str, tuple[int, str]]:
    return {name: (offset + 4 * place, "I") for place, name in enumerate((CYCLES, *RESIDENCIES))}


_HBM_PARTS = {"energy_accumulator": (24, "Q"), "temperature_hbm": (88, "4H")}
_APU = _Layout(128, {"indep_throttle_status": (120, "Q")})
_LAYOUTS = {
    (1, 1): _Layout(96, _HBM_PARTS),
    (1, 2): _Layout(104, _HBM_PARTS),
    (1, 3): _Layout(120, _HBM_PARTS | {"indep_throttle_status": (112, "Q")}),
    (1, 4): _Layout(288, _numbers(24, 104, 168)),
    (1, 5): _Layout(360, _numbers(88, 176, 240)),
    # Some kernels had another 1.6 before, of 384 bytes; it is too short for this one, so nobody reads it wrongly.
    (1, 6): _Layout(1664, _numbers(16, 128, 192) | _cycles(32)),
    (1, 7): _Layout(2208, _numbers(24, 136, 200) | _cycles(40)),
    (1, 8): _Layout(2208, _numbers(24, 136, 200) | _cycles(40)),
    (2, 2): _APU,
    (2, 3): _APU,
    (2, 4): _APU,
}
_ATTRIBUTES = {
    7: "energy_accumulator", 9: CYCLES, **dict(enumerate(RESIDENCIES, start=10)),
    29: "xgmi_read_data_acc", 30: "xgmi_write_data_acc",
}  # fmt: skip
"""`enum amdgpu_metrics_attr_id`."""
_ATTRIBUTE_TYPES = "BBHHIIQQ"
"""`enum amdgpu_metrics_attr_type`, unsigned throughout: none of the fields that are taken has a sign."""
_ALL_ONES = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFF_FFFF, "Q": 0xFFFF_FFFF_FFFF_FFFF}
_HEADER = struct.Struct("<HBB")


def parse(table: bytes) -> Metrics:
    """Return what the table says. GpuAbsent for a revision that has nothing to take, GpuFailed for a broken table."""
    try:
        size, *revision = _HEADER.unpack_from(table)
        if size > len(table):
            raise GpuFailed(f"gpu_metrics: expected {size} bytes, found {len(table)}")
        if revision == [1, 9]:
            return measured(_attributes(table[:size]))
    except struct.error:
        raise GpuFailed(f"gpu_metrics: {len(table)} bytes are too few") from None
    layout = _LAYOUTS.get((revision[0], revision[1]))
    if layout is None or size < layout.size:
        raise GpuAbsent(f"gpu_metrics {revision[0]}.{revision[1]} of {size} bytes has nothing that is measured here")
    return measured({name: _values(table, offset, form) for name, (offset, form) in layout.fields.items()})


def measured(raw: Raw) -> Metrics:
    """Return the fields of a table, in base units."""
    return Metrics(
        throttle_status=_first(raw, "indep_throttle_status"),
        cycles=_first(raw, CYCLES),
        residencies={name: value for name in RESIDENCIES if (value := _first(raw, name)) is not None},
        energy=_energy(raw),
        xgmi_read=_bytes(raw, "xgmi_read_data_acc"),
        xgmi_written=_bytes(raw, "xgmi_write_data_acc"),
    )


def _energy(raw: Raw) -> float | None:
    """Joules, where the unit is known: before 1.4 on parts with HBM alone. A plain 0 was not counted (MI250X, second die)."""
    ticks = _first(raw, "energy_accumulator")
    unit_known = "temperature_hbm" not in raw or any(raw["temperature_hbm"])
    return ticks * JOULES_PER_TICK if ticks and unit_known else None


def _bytes(raw: Raw, name: str) -> float | None:
    links = [value for value in raw.get(name, ()) if value is not None]
    return float(sum(links) * BYTES_PER_KBYTE) if links else None


def _first(raw: Raw, name: str) -> int | None:
    return next(iter(raw.get(name, ())), None)


def _values(table: bytes, offset: int, form: str) -> tuple[int | None, ...]:
    none = _ALL_ONES[form[-1]]
    return tuple(None if value == none else value for value in struct.unpack_from(f"<{form}", table, offset))


def _attributes(table: bytes) -> Raw:
    """Read revision 1.9: how many attributes, then of each a 64-bit encoding (`AMDGPU_METRICS_ENC_ATTR`) and its values."""
    raw: dict[str, tuple[int | None, ...]] = {}
    (count,), offset = struct.unpack_from("<I", table, _HEADER.size), _HEADER.size + 4
    for _ in range(min(count, len(table))):
        (encoding,) = struct.unpack_from("<Q", table, offset)
        kind, attribute, instances = encoding >> 20 & 0xF, encoding >> 10 & 0x3FF, encoding & 0x3FF
        if kind >= len(_ATTRIBUTE_TYPES):
            raise GpuFailed(f"gpu_metrics 1.9: attribute {attribute} has the unknown type {kind}")
        form = f"{instances}{_ATTRIBUTE_TYPES[kind]}"
        values = _values(table, offset + 8, form)
        offset += 8 + struct.calcsize(f"<{form}")
        if attribute in _ATTRIBUTES:
            raw[_ATTRIBUTES[attribute]] = values
    return raw
