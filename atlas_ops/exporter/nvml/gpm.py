"""GPU performance monitoring (GPM): activity of multiprocessors, tensor pipes and memory, and traffic, on Hopper and later.

Used by `exporter.nvml.device` for a GPU and by `exporter.nvml.mig` for its instances. The driver compares two samples, so
the first round tells nothing, and each later one is the mean since the round before (at least 100 ms, or the driver
refuses). GPM needs no privileges (seen as user nobody on an H200) and disturbs no profiler, unlike the counters that DCGM
uses on older parts.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Any

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import Question, Value
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCalls, NvmlCode, NvmlRefusal, Target
from atlas_ops.exporter.nvml.links import PcieTraffic

_MIB = 1024.0 * 1024.0
_PERCENT = 0.01
_METRICS = (
    (2, s.GPU_SM_ACTIVE, _PERCENT),
    (3, s.GPU_SM_OCCUPANCY, _PERCENT),
    (5, s.GPU_TENSOR_ACTIVE, _PERCENT),
    (10, s.GPU_DRAM_ACTIVE, _PERCENT),
    (20, s.GPU_PCIE_TX_RATE, _MIB),
    (21, s.GPU_PCIE_RX_RATE, _MIB),
    (60, s.GPU_NVLINK_RX_RATE, _MIB),
    (61, s.GPU_NVLINK_TX_RATE, _MIB),
)
"""(`nvmlGpmMetricId_t`, signal, factor from the driver's unit: per cent, MiB per second)."""
SIGNALS = tuple(signal for _, signal, _ in _METRICS)
_PCIE = (SIGNALS.index(s.GPU_PCIE_TX_RATE), SIGNALS.index(s.GPU_PCIE_RX_RATE))
_VERSION = 1


class Gpm:
    """The activity of one GPU. `close` gives the samples back; nothing may be asked while it runs.

    `pcie` is handed what flowed between two samples, where the part measures that. The clock's seconds never run backwards.
    """

    def __init__(self, target: Target, pcie: PcieTraffic, clock: Callable[[], float]) -> None:
        self.question = Question(name="gpm", signals=SIGNALS, ask=self._ask)
        self._target, self._pcie, self._clock = target, pcie, clock
        self._sampled_at = 0.0
        self._support, self._pair = GpmSupport(target), SamplePair(target.calls)
        self._metrics = GpmMetrics(target.calls)

    def forget(self) -> None:
        """Begin anew: what was sampled is from before the GPU was lost."""
        self._support.forget()
        self._pair.forget()

    def close(self) -> None:
        """Give the samples back."""
        self._pair.close()

    def _ask(self) -> Iterable[Value]:
        self._support.check()
        samples = self._pair.take(lambda sample: self._target.ask("nvmlGpmSampleGet", sample))
        before, self._sampled_at = self._sampled_at, self._clock()
        if samples is None:
            return ()
        values = self._metrics.between(*samples)
        rates = [values[place].value for place in _PCIE]
        if None not in rates:
            self._pcie.flowed([(rate or 0.0) * (self._sampled_at - before) for rate in rates])
        return values


class GpmSupport:
    """Whether a part has GPM; asked once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._supported = False

    def forget(self) -> None:
        """Ask again."""
        self._supported = False

    def check(self) -> None:
        """NvmlAbsent when it has not."""
        if not self._supported:
            answer = self._target.ask("nvmlGpmQueryDeviceSupport")
            self._supported = bool(answer.isSupportedDevice)
        if not self._supported:
            raise NvmlAbsent("nvmlGpmQueryDeviceSupport", NvmlCode.NOT_SUPPORTED)


class SamplePair:
    """The two newest samples of one GPU or instance: memory of the driver's, used in turn."""

    def __init__(self, calls: NvmlCalls) -> None:
        self._calls = calls
        self._samples: list[Any] = []
        self._primed = False

    def take(self, fill: Callable[[object], object]) -> tuple[Any, Any] | None:
        """Take a sample; return (the one before, the newest), or None when it is the first."""
        while len(self._samples) < 2:
            self._samples.append(self._calls.ask("nvmlGpmSampleAlloc"))
        before, spare = self._samples
        fill(spare)
        self._samples.reverse()
        primed, self._primed = self._primed, True
        return (before, spare) if primed else None

    def forget(self) -> None:
        """Begin anew, in the same memory: a call about it may still be in flight."""
        self._primed = False

    def close(self) -> None:
        """Give the memory back."""
        for sample in self._samples:
            with contextlib.suppress(NvmlRefusal):
                self._calls.ask("nvmlGpmSampleFree", sample)
        self._samples, self._primed = [], False


class GpmMetrics:
    """The record in which the driver writes what happened between two samples: 20 KB, so it is kept."""

    def __init__(self, calls: NvmlCalls) -> None:
        self._calls = calls
        self._record: Any = None
        self._entries: list[Any] = []

    def between(self, before: object, after: object) -> list[Value]:
        """Ask; a metric that the part or this driver does not have is None."""
        if self._record is None:
            self._build()
        self._record.sample1, self._record.sample2 = before, after
        self._calls.ask("nvmlGpmMetricsGet", self._record)
        return [
            Value(signal, _value(entry, factor))
            for (_, signal, factor), entry in zip(_METRICS, self._entries, strict=True)
        ]

    def _build(self) -> None:
        record = self._calls.record("c_nvmlGpmMetricsGet_t")
        record.version, record.numMetrics = _VERSION, len(_METRICS)
        self._entries = [record.metrics[place] for place in range(len(_METRICS))]
        for entry, (metric, _, _) in zip(self._entries, _METRICS, strict=True):
            entry.metricId = metric
        self._record = record


def _value(entry: Any, factor: float) -> float | None:
    given = entry.nvmlReturn == NvmlCode.SUCCESS and math.isfinite(entry.value)
    return entry.value * factor if given else None
