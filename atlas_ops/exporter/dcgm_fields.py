"""Which of dcgm-exporter's metrics are which of our signals: the table behind `--compat dcgm`, and nothing else.

Names, units and types are those of dcgm-exporter's `etc/default-counters.csv` and `etc/dcp-metrics-included.csv` (4.x)
and of DCGM's `dcgm_fields.h`; read by `exporter.dcgm`. Where the sources contradict each other:

- `*_VIOLATION` are nanoseconds (dcgm_fields.h), although the comment in the CSV said microseconds for a while.
- `NVLINK_BANDWIDTH_TOTAL` and `PCIE_*_THROUGHPUT` are rates in what DCGM really publishes, although the CSV calls them
  counters (dcgm-exporter pull request 658): they are typed as the gauges that they are.

Left out, because nothing here measures it: VGPU_LICENSE_STATUS, the violations by board limit, low utilisation and
reliability, RETIRED_PENDING, and the FP64, FP32 and FP16 pipes.
"""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS

_PERCENT = 100.0
_MEGA = 1e-6
_KILO = 1e-3
_MILLI = 1e3
_NANO = 1e9
_MEBI = 1 / (1 << 20)
_NVLINK = 1 / (1024 * 1000)
"""Bytes to what DCGM calls megabytes there: it divides a count of KiB by 1000."""


@dataclass(frozen=True, slots=True)
class Part:
    """The samples of a signal whose label `where[0]` is `where[1]` (all where no label is given), times `factor`.

    The parts that use one signal select by the same label.
    """

    signal: Signal
    factor: float = 1.0
    where: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Field:
    """One metric of dcgm-exporter: the sum of the samples that its parts select."""

    name: str
    type: SignalType
    help: str
    parts: tuple[Part, ...]


def _gauge(name: str, told: str, signal: Signal, factor: float = 1.0, where: tuple[str, str] = ("", "")) -> Field:
    return Field(f"DCGM_FI_{name}", SignalType.GAUGE, told, (Part(signal, factor, where),))


def _counter(name: str, told: str, signal: Signal, factor: float = 1.0, where: tuple[str, str] = ("", "")) -> Field:
    return Field(f"DCGM_FI_{name}", SignalType.COUNTER, told, (Part(signal, factor, where),))


def _throttled(name: str, reason: str) -> Field:
    told = f"Time with clocks held down ({reason}), in ns."
    return _counter(name, told, s.GPU_THROTTLE_SECONDS, _NANO, ("reason", reason))


def _reasons(name: str) -> Field:
    parts = tuple(Part(s.GPU_THROTTLE_ACTIVE, float(bit), ("reason", reason)) for reason, bit in THROTTLE_BITS)
    return Field(f"DCGM_FI_{name}", SignalType.GAUGE, "Reasons that hold the clocks down, as bits of nvml.h.", parts)


FIELDS: tuple[Field, ...] = (
    _gauge("DEV_SM_CLOCK", "Clock of the multiprocessors, in MHz.", s.GPU_CLOCK, _MEGA, ("domain", "sm")),
    _gauge("DEV_MEM_CLOCK", "Clock of the memory, in MHz.", s.GPU_CLOCK, _MEGA, ("domain", "memory")),
    _gauge("DEV_VIDEO_CLOCK", "Clock of the video engines, in MHz.", s.GPU_CLOCK, _MEGA, ("domain", "video")),
    _gauge("DEV_MAX_SM_CLOCK", "Highest clock of the multiprocessors, in MHz.", s.GPU_CLOCK_MAX, _MEGA, ("domain", "sm")),
    _gauge("DEV_MAX_MEM_CLOCK", "Highest clock of the memory, in MHz.", s.GPU_CLOCK_MAX, _MEGA, ("domain", "memory")),
    _gauge("DEV_MAX_VIDEO_CLOCK", "Highest clock of the video engines, in MHz.", s.GPU_CLOCK_MAX, _MEGA,
           ("domain", "video")),
    _reasons("DEV_CLOCK_THROTTLE_REASONS"),  # the name until DCGM 4
    _reasons("DEV_CLOCKS_EVENT_REASONS"),
    _gauge("DEV_MEMORY_TEMP", "Temperature of the memory, in degrees Celsius.", s.GPU_TEMPERATURE, where=("sensor", "memory")),
    _gauge("DEV_GPU_TEMP", "Temperature of the GPU, in degrees Celsius.", s.GPU_TEMPERATURE, where=("sensor", "gpu")),
    _gauge("DEV_GPU_TEMP_LIMIT", "Degrees left before the nearest slowdown.", s.GPU_TEMPERATURE_MARGIN),
    _gauge("DEV_POWER_USAGE", "Power drawn, in W.", s.GPU_POWER),
    _gauge("DEV_ENFORCED_POWER_LIMIT", "Power limit in force, in W.", s.GPU_POWER_LIMIT),
    _counter("DEV_TOTAL_ENERGY_CONSUMPTION", "Energy used since the driver was loaded, in mJ.", s.GPU_ENERGY, _MILLI),
    _gauge("DEV_FAN_SPEED", "Fan speed, in percent of its maximum.", s.GPU_FAN, _PERCENT),
    _gauge("DEV_PCIE_TX_THROUGHPUT", "PCIe traffic sent, in KB/s.", s.GPU_PCIE_TX_RATE, _KILO),
    _gauge("DEV_PCIE_RX_THROUGHPUT", "PCIe traffic received, in KB/s.", s.GPU_PCIE_RX_RATE, _KILO),
    _counter("DEV_PCIE_REPLAY_COUNTER", "PCIe packets sent again.", s.GPU_PCIE_REPLAYS),
    _gauge("DEV_PCIE_LINK_GEN", "PCIe generation in use.", s.GPU_PCIE_GENERATION),
    _gauge("DEV_PCIE_MAX_LINK_GEN", "Highest PCIe generation.", s.GPU_PCIE_GENERATION_MAX),
    _gauge("DEV_PCIE_LINK_WIDTH", "PCIe lanes in use.", s.GPU_PCIE_WIDTH),
    _gauge("DEV_PCIE_MAX_LINK_WIDTH", "PCIe lanes at most.", s.GPU_PCIE_WIDTH_MAX),
    _gauge("DEV_GPU_UTIL", "Time in which a kernel ran, in percent.", s.GPU_UTILIZATION, _PERCENT),
    _gauge("DEV_MEM_COPY_UTIL", "Time in which memory was read or written, in percent.", s.GPU_MEMORY_UTILIZATION,
           _PERCENT),
    _gauge("DEV_ENC_UTIL", "Time the video encoder was busy, in percent.", s.GPU_ENCODER_UTILIZATION, _PERCENT),
    _gauge("DEV_DEC_UTIL", "Time the video decoder was busy, in percent.", s.GPU_DECODER_UTILIZATION, _PERCENT),
    _throttled("DEV_POWER_VIOLATION", "sw_power_cap"),
    _throttled("DEV_THERMAL_VIOLATION", "sw_thermal"),
    _throttled("DEV_SYNC_BOOST_VIOLATION", "sync_boost"),
    _throttled("DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS", "sw_power_cap"),
    _throttled("DEV_CLOCKS_EVENT_REASON_SYNC_BOOST_NS", "sync_boost"),
    _throttled("DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS", "sw_thermal"),
    _throttled("DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS", "hw_thermal"),
    _throttled("DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS", "hw_power_brake"),
    _gauge("DEV_FB_FREE", "Memory that can be allocated, in MiB.", s.GPU_MEMORY_FREE, _MEBI),
    _gauge("DEV_FB_USED", "Memory in use, in MiB.", s.GPU_MEMORY_USED, _MEBI),
    _gauge("DEV_FB_RESERVED", "Memory kept by the driver, in MiB.", s.GPU_MEMORY_RESERVED, _MEBI),
    _gauge("DEV_FB_TOTAL", "Memory of the device, in MiB.", s.GPU_MEMORY_TOTAL, _MEBI),
    _counter("DEV_ECC_SBE_AGG_TOTAL", "Memory errors that were corrected.", s.GPU_ECC_ERRORS, where=("type", "corrected")),
    _counter("DEV_ECC_DBE_AGG_TOTAL", "Memory errors that could not be corrected.", s.GPU_ECC_ERRORS, where=("type", "uncorrected")),
    _counter("DEV_RETIRED_SBE", "Pages retired for single-bit errors.", s.GPU_RETIRED_PAGES, where=("cause", "single_bit")),
    _counter("DEV_RETIRED_DBE", "Pages retired for double-bit errors.", s.GPU_RETIRED_PAGES, where=("cause", "double_bit")),
    _counter("DEV_UNCORRECTABLE_REMAPPED_ROWS", "Rows replaced after uncorrectable errors.", s.GPU_REMAPPED_ROWS, where=("type", "uncorrectable")),
    _counter("DEV_CORRECTABLE_REMAPPED_ROWS", "Rows replaced after correctable errors.", s.GPU_REMAPPED_ROWS, where=("type", "correctable")),
    _gauge("DEV_ROW_REMAP_FAILURE", "1 when a row could not be replaced.", s.GPU_ROW_REMAP_FAILURE),
    _gauge("DEV_ROW_REMAP_PENDING", "1 when a replacement waits for a reset.", s.GPU_ROW_REMAP_PENDING),
    _gauge("DEV_GET_GPU_RECOVERY_ACTION", s.GPU_RECOVERY_ACTION.help, s.GPU_RECOVERY_ACTION),
    _counter("DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", "NVLink flow-control CRC errors.", s.GPU_NVLINK_ERRORS, where=("type", "crc_flit")),
    _counter("DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", "NVLink data CRC errors.", s.GPU_NVLINK_ERRORS, where=("type", "crc_data")),
    _counter("DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", "NVLink packets sent again.", s.GPU_NVLINK_ERRORS, where=("type", "replay")),
    _counter("DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", "NVLink recoveries.", s.GPU_NVLINK_ERRORS, where=("type", "recovery")),
    Field("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", SignalType.GAUGE, "NVLink traffic, both ways, in MB/s.",
          (Part(s.GPU_NVLINK_TX_RATE, _NVLINK), Part(s.GPU_NVLINK_RX_RATE, _NVLINK))),
    _gauge("PROF_GR_ENGINE_ACTIVE", "Share of time in which the engine was active.", s.GPU_UTILIZATION),
    _gauge("PROF_SM_ACTIVE", "Share of multiprocessors with a warp.", s.GPU_SM_ACTIVE),
    _gauge("PROF_SM_OCCUPANCY", "Resident warps against the maximum.", s.GPU_SM_OCCUPANCY),
    _gauge("PROF_PIPE_TENSOR_ACTIVE", "Share of time the tensor pipes were busy.", s.GPU_TENSOR_ACTIVE),
    _gauge("PROF_DRAM_ACTIVE", "Share of time the memory interface was busy.", s.GPU_DRAM_ACTIVE),
    _gauge("PROF_PCIE_TX_BYTES", "PCIe traffic sent, in bytes per second.", s.GPU_PCIE_TX_RATE),
    _gauge("PROF_PCIE_RX_BYTES", "PCIe traffic received, in bytes per second.", s.GPU_PCIE_RX_RATE),
    _gauge("PROF_NVLINK_TX_BYTES", "NVLink traffic sent, in bytes per second.", s.GPU_NVLINK_TX_RATE),
    _gauge("PROF_NVLINK_RX_BYTES", "NVLink traffic received, in bytes per second.", s.GPU_NVLINK_RX_RATE),
)  # fmt: skip
"""Every metric that is a sum of samples; DCGM_FI_DEV_XID_ERRORS is no sum and made by `exporter.dcgm` itself."""
