"""GPM, the activity counters of Hopper and later: two samples, and what happened between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.codes import ARGUMENT_VERSION_MISMATCH, INVALID_ARGUMENT, NOT_SUPPORTED, SUCCESS, Refused
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target
from atlas_ops.simulator.state import GpuState

_VERSION = 1
_FIRST_SAMPLE = 0x3000000
_MIB = 2**20

Span = tuple[GpuState, GpuState, float]
"""First state, last state, and the seconds between them."""


@dataclass(frozen=True, slots=True)
class _Sample:
    state: GpuState
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Metric:
    name: bytes
    unit: bytes
    read: Callable[[Span], float]


def _percent(name: str, share: Callable[[GpuState], float]) -> _Metric:
    """Return a share of the time: the mean of what was at both ends."""
    return _Metric(name.encode(), b"%", lambda span: 50 * (share(span[0]) + share(span[1])))


def _rate(name: str, total: Callable[[GpuState], int]) -> _Metric:
    """Return the MiB a second by which a byte counter grew."""
    return _Metric(name.encode(), b"MiB/s", lambda span: (total(span[1]) - total(span[0])) / _MIB / span[2])


def _busy(gpu: GpuState) -> float:
    return gpu.utilization_ratio


# What a busy GPU's units do is assumed: nearly all multiprocessors have work, a third of their warps are resident, and the
# tensor cores are at work in the time that is not spent on memory.
_METRICS: dict[int, _Metric] = {
    1: _percent("Graphics Activity", _busy),
    2: _percent("SM Activity", lambda gpu: 0.95 * gpu.utilization_ratio),
    3: _percent("SM Occupancy", lambda gpu: 0.35 * gpu.utilization_ratio),
    4: _percent("Integer Activity", lambda gpu: 0.1 * gpu.utilization_ratio),
    5: _percent("Tensor Activity", lambda gpu: max(0.0, gpu.utilization_ratio - gpu.memory_utilization_ratio)),
    6: _percent("DFMA Tensor Activity", lambda _gpu: 0.0),
    7: _percent("HMMA Tensor Activity", lambda gpu: max(0.0, gpu.utilization_ratio - gpu.memory_utilization_ratio)),
    8: _percent("DMMA Tensor Activity", lambda _gpu: 0.0),
    9: _percent("IMMA Tensor Activity", lambda _gpu: 0.0),
    10: _percent("DRAM Activity", lambda gpu: gpu.memory_utilization_ratio),
    11: _percent("FP64 Activity", lambda _gpu: 0.0),
    12: _percent("FP32 Activity", lambda gpu: 0.15 * gpu.utilization_ratio),
    13: _percent("FP16 Activity", lambda gpu: 0.05 * gpu.utilization_ratio),
    20: _rate("PCIe TX", lambda gpu: gpu.pcie.sent_bytes),
    21: _rate("PCIe RX", lambda gpu: gpu.pcie.received_bytes),
    60: _rate("NVLink RX", lambda gpu: gpu.nvlink.received_bytes),
    61: _rate("NVLink TX", lambda gpu: gpu.nvlink.sent_bytes),
}


class GpmSamples:
    """The samples of one library; a sample that nothing was put into is None."""

    def __init__(self) -> None:
        self._samples: dict[int, _Sample | None] = {}
        self._addresses = itertools.count(_FIRST_SAMPLE, 0x10)

    def __len__(self) -> int:
        return len(self._samples)

    def device_functions(self) -> DeviceFunctions:
        """Return the functions that are about a GPU."""
        return (
            ("nvmlGpmQueryDeviceSupport", _support),
            ("nvmlGpmSampleGet", self._get),
            ("nvmlGpmMigSampleGet", self._get_of_instance),
        )

    def functions(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        """Return the others."""
        return (
            ("nvmlGpmSampleAlloc", self._alloc),
            ("nvmlGpmSampleFree", self._free),
            ("nvmlGpmMetricsGet", self._metrics),
        )

    def _alloc(self, out: Any) -> None:
        number = next(self._addresses)
        c.put_address(out, number)
        self._samples[number] = None

    def _free(self, sample: Any) -> None:
        del self._samples[self._place(sample)]

    def _place(self, sample: Any) -> int:
        number = c.address(sample)
        if number not in self._samples:
            raise Refused(INVALID_ARGUMENT)
        return number

    def _get(self, target: Target, sample: Any) -> None:
        c.need(target.profile.gpm)
        self._samples[self._place(sample)] = _Sample(target.state, target.now_ns)

    def _get_of_instance(self, target: Target, gpu_instance: Any, sample: Any) -> None:
        """Instances are as busy as their GPU: the simulator has no work for one of them alone."""
        if all(part.gpu_instance != c.number(gpu_instance) for part in target.profile.mig):
            raise Refused(INVALID_ARGUMENT)
        self._get(target, sample)

    def _metrics(self, request: Any) -> None:
        record = c.pointee(request)
        if record.version != _VERSION:
            raise Refused(ARGUMENT_VERSION_MISMATCH)
        first, last = (self._samples[self._place(sample)] for sample in (record.sample1, record.sample2))
        if first is None or last is None or last.at_ns <= first.at_ns:
            raise Refused(INVALID_ARGUMENT)
        span = (first.state, last.state, (last.at_ns - first.at_ns) / 1e9)
        for place in range(record.numMetrics):
            _answer(record.metrics[place], span)


def _answer(entry: Any, span: Span) -> None:
    metric = _METRICS.get(entry.metricId)
    entry.nvmlReturn = SUCCESS if metric else NOT_SUPPORTED
    if metric:
        entry.value = metric.read(span)
        info = entry.metricInfo
        info.shortName = info.longName = metric.name
        info.unit = metric.unit


def _support(target: Target, answer: Any) -> None:
    c.check_version(answer, _VERSION)
    c.fill(answer, isSupportedDevice=target.profile.gpm)
