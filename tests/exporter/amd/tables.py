"""Tables `gpu_metrics`, built from whole C structures after the kernel's `kgd_pp_interface.h`.

Independent of the offsets that `exporter.amd.metrics` reads at: here, ctypes lays the fields out as a C compiler does.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping, Sequence
from typing import Any

U16, U32, U64 = ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64
Field = tuple[str, Any]
"""(name, ctypes type)."""


class Header(ctypes.LittleEndianStructure):
    _fields_ = (("structure_size", U16), ("format_revision", ctypes.c_uint8), ("content_revision", ctypes.c_uint8))


def _u16(*names: str) -> list[Field]:
    return [(name, U16) for name in names]


_TEMPERATURES = _u16(*(f"temperature_{name}" for name in ("edge", "hotspot", "mem", "vrgfx", "vrsoc", "vrmem")))
_ACTIVITY = _u16("average_gfx_activity", "average_umc_activity", "average_mm_activity", "average_socket_power")
_CLOCKS = [
    *_u16(*(f"average_{name}" for name in ("gfxclk", "socclk", "uclk", "vclk0", "dclk0", "vclk1", "dclk1"))),
    *_u16(*(f"current_{name}" for name in ("gfxclk", "socclk", "uclk", "vclk0", "dclk0", "vclk1", "dclk1"))),
]
_V1_0: list[Field] = [
    ("system_clock_counter", U64), *_TEMPERATURES, *_ACTIVITY, ("energy_accumulator", U32), *_CLOCKS,
    ("throttle_status", U32), ("current_fan_speed", U16), ("pcie", ctypes.c_uint8 * 2),
]  # fmt: skip
_V1_1: list[Field] = [
    *_TEMPERATURES, *_ACTIVITY, ("energy_accumulator", U64), ("system_clock_counter", U64), *_CLOCKS,
    ("throttle_status", U32), *_u16("current_fan_speed", "pcie_link_width", "pcie_link_speed", "padding"),
    ("gfx_activity_acc", U32), ("mem_activity_acc", U32), ("temperature_hbm", U16 * 4),
]  # fmt: skip
_V1_2: list[Field] = [*_V1_1, ("firmware_timestamp", U64)]
_V1_3: list[Field] = [
    *_V1_2, *_u16("voltage_soc", "voltage_gfx", "voltage_mem", "padding1"), ("indep_throttle_status", U64),
]  # fmt: skip

_MI300_HEAD = _u16(
    "temperature_hotspot", "temperature_mem", "temperature_vrsoc", "curr_socket_power", "average_gfx_activity",
    "average_umc_activity",
)  # fmt: skip
_ENERGY: list[Field] = [("energy_accumulator", U64), ("system_clock_counter", U64)]
_RESIDENCIES: list[Field] = [
    ("accumulation_counter", U32),
    *((f"{name}_residency_acc", U32) for name in ("prochot", "ppt", "socket_thm", "vr_thm", "hbm_thm")),
]
_STATUS: list[Field] = [("throttle_status", U32)]
_LINKS: list[Field] = [
    ("gfxclk_lock_status", U32),
    *_u16("pcie_link_width", "pcie_link_speed", "xgmi_link_width", "xgmi_link_speed"),
    ("gfx_activity_acc", U32), ("mem_activity_acc", U32), ("pcie_bandwidth_acc", U64), ("pcie_bandwidth_inst", U64),
    ("pcie_l0_to_recov_count_acc", U64), ("pcie_replay_count_acc", U64), ("pcie_replay_rover_count_acc", U64),
]  # fmt: skip
_NAKS: list[Field] = [("pcie_nak_sent_count_acc", U32), ("pcie_nak_rcvd_count_acc", U32)]
_XGMI: list[Field] = [("xgmi_read_data_acc", U64 * 8), ("xgmi_write_data_acc", U64 * 8)]
_TAIL: list[Field] = [
    ("firmware_timestamp", U64), ("current_gfxclk", U16 * 8), ("current_socclk", U16 * 4), ("current_vclk0", U16 * 4),
    ("current_dclk0", U16 * 4), ("current_uclk", U16), ("padding", U16),
]  # fmt: skip
_V1_4 = [*_MI300_HEAD, ("vcn_activity", U16 * 4), *_ENERGY, *_STATUS, *_LINKS, *_XGMI, *_TAIL]
_V1_5 = [
    *_MI300_HEAD, ("vcn_activity", U16 * 4), ("jpeg_activity", U16 * 32), *_ENERGY, *_STATUS, *_LINKS, *_NAKS, *_XGMI,
    *_TAIL,
]  # fmt: skip
_V1_6_BEFORE = [
    *_MI300_HEAD, ("vcn_activity", U16 * 4), ("jpeg_activity", U16 * 32), *_ENERGY, *_RESIDENCIES, *_STATUS, *_LINKS,
    *_NAKS, *_XGMI, *_TAIL,
]  # fmt: skip


def _partitions(jpeg_engines: int, accumulators: int) -> list[Field]:
    size = 8 * 4 + 2 * (jpeg_engines + 4) + 8 * 8 * accumulators
    return [("xcp_stats", U64 * (8 * size // 8)), ("pcie_lc_perf_other_end_recovery", U32)]


_V1_6 = [*_MI300_HEAD, *_ENERGY, *_RESIDENCIES, *_LINKS, *_NAKS, *_XGMI, *_TAIL, *_partitions(32, 1)]
_BANDWIDTH: list[Field] = [("mem_max_bandwidth", U64)]
_LINK_STATUS: list[Field] = [("xgmi_link_status", U16 * 8), ("padding2", U16)]
_V1_7_HEAD = [*_MI300_HEAD, *_BANDWIDTH, *_ENERGY, *_RESIDENCIES, *_LINKS, *_NAKS, *_XGMI, *_LINK_STATUS, *_TAIL]
_V2_1: list[Field] = [
    *_u16("temperature_gfx", "temperature_soc"), ("temperature_core", U16 * 8), ("temperature_l3", U16 * 2),
    *_u16("average_gfx_activity", "average_mm_activity"), ("system_clock_counter", U64),
    *_u16("average_socket_power", "average_cpu_power", "average_soc_power", "average_gfx_power"),
    ("average_core_power", U16 * 8), ("average_clocks", U16 * 6), ("current_clocks", U16 * 6),
    ("current_coreclk", U16 * 8), ("current_l3clk", U16 * 2), ("throttle_status", U32), ("fan_pwm", U16),
    ("padding", U16 * 3),
]  # fmt: skip
_V2_2: list[Field] = [*_V2_1, ("indep_throttle_status", U64)]
_V3_0: list[Field] = [("anything", U16 * 126)]

_STRUCTURES: Mapping[tuple[int, int], list[Field]] = {
    (1, 0): _V1_0, (1, 1): _V1_1, (1, 2): _V1_2, (1, 3): _V1_3, (1, 4): _V1_4, (1, 5): _V1_5, (1, 6): _V1_6,
    (1, 7): [*_V1_7_HEAD, *_partitions(32, 2)], (1, 8): [*_V1_7_HEAD, *_partitions(40, 5)],
    (2, 1): _V2_1, (2, 2): _V2_2, (2, 3): [*_V2_2, ("averages", U16 * 12)],
    (2, 4): [*_V2_2, ("averages", U16 * 12), ("volts", U16 * 6)], (3, 0): _V3_0,
}  # fmt: skip
REVISIONS = tuple(_STRUCTURES)
SIZES = {
    (1, 1): 96, (1, 2): 104, (1, 3): 120, (1, 4): 288, (1, 5): 360, (1, 6): 1664, (1, 7): 2208, (1, 8): 3872,
    (2, 1): 120, (2, 2): 128, (2, 3): 152, (2, 4): 168, (3, 0): 256,
}  # fmt: skip
"""What a C compiler makes of the kernel's structures."""


def table(revision: tuple[int, int], **values: int | Sequence[int]) -> bytes:
    """A table of a revision; what is not given is all ones, as the driver leaves it."""
    return _fill(_STRUCTURES[revision], revision, values)


def table_1_6_before(**values: int | Sequence[int]) -> bytes:
    """The 1.6 that some kernels had before the final one."""
    return _fill(_V1_6_BEFORE, (1, 6), values)


def _fill(fields: list[Field], revision: tuple[int, int], values: Mapping[str, int | Sequence[int]]) -> bytes:
    kind = type("Table", (ctypes.LittleEndianStructure,), {"_fields_": [("common_header", Header), *fields]})
    made = kind()
    ctypes.memset(ctypes.byref(made), 0xFF, ctypes.sizeof(made))
    made.common_header = Header(ctypes.sizeof(made), *revision)
    for name, value in values.items():
        setattr(made, name, value if isinstance(value, int) else (*value, *getattr(made, name)[len(value) :]))
    return bytes(made)


_ATTRIBUTES = {
    "temperature_hotspot": (0, 2), "energy_accumulator": (7, 6), "accumulation_counter": (9, 4),
    "prochot_residency_acc": (10, 4), "ppt_residency_acc": (11, 4), "socket_thm_residency_acc": (12, 4),
    "vr_thm_residency_acc": (13, 4), "hbm_thm_residency_acc": (14, 4), "xgmi_read_data_acc": (29, 6),
    "xgmi_write_data_acc": (30, 6), "gfx_busy_inst": (40, 4),
}  # fmt: skip
"""{name: (`amdgpu_metrics_attr_id`, `amdgpu_metrics_attr_type`: 2 is u16, 4 is u32, 6 is u64)}."""


def table_1_9(**values: int | Sequence[int]) -> bytes:
    """A table of revision 1.9: packed (encoding, values) pairs."""
    body = b""
    for name, value in values.items():
        many = [value] if isinstance(value, int) else value
        attribute, kind = _ATTRIBUTES[name]
        body += struct.pack("<Q", kind << 20 | attribute << 10 | len(many))
        body += struct.pack(f"<{len(many)}{ {2: 'H', 4: 'I', 6: 'Q'}[kind] }", *many)
    return struct.pack("<HBBI", 8 + len(body), 1, 9, len(values)) + body
