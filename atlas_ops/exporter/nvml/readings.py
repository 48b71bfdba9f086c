"""What NVML gives as one number for one function: temperature, power, clocks, utilisation, fan, PCIe link.

Used by `exporter.nvml.device`. Left out on purpose: `nvmlDeviceGetPcieThroughput`, which blocks for 20 ms per direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.backend import Question, Value
from atlas_ops.exporter.nvml import fields
from atlas_ops.exporter.nvml.calls import NvmlAbsent, Target, given
from atlas_ops.exporter.samples import Labels, labels

SELDOM_SECONDS = 10.0
"""Between two asks for what only a person or a reset changes: limits, links."""
COSTLY_SECONDS = 5.0
"""Between two asks for what costs the driver more of the processor than all the rest: on an H200 (580.159) the energy
2.5 ms, the margin 0.8 ms, most others 0.01 ms."""
NEVER_CHANGES_SECONDS = 60.0
"""The maxima of four clocks take 1 ms each there."""
TEMPERATURE = ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature")
"""The first came with driver 570, the second goes away with CUDA 14."""
_SENSOR_GPU = 0
_THRESHOLD_SLOWDOWN = 1
_MEMORY_TEMPERATURE = 82
_SLOWDOWN_T_LIMIT = 194
"""Field id; data-centre parts since Ada."""
_CLOCKS = (("graphics", 0), ("sm", 1), ("memory", 2), ("video", 3))
"""(domain, `nvmlClockType_t` of nvml.h)."""


def questions(target: Target) -> tuple[Question, ...]:
    """Return the questions about one GPU."""
    seldom = SELDOM_SECONDS
    return (
        _temperature(target),
        _memory_temperature(target),
        _margin(target),
        _number(target, s.GPU_POWER, "nvmlDeviceGetPowerUsage", unit=_milli),
        _number(target, s.GPU_POWER_LIMIT, "nvmlDeviceGetEnforcedPowerLimit", unit=_milli, every=seldom, vital=False),
        _number(target, s.GPU_ENERGY, "nvmlDeviceGetTotalEnergyConsumption", unit=_milli, every=COSTLY_SECONDS),
        *(_clock(target, s.GPU_CLOCK, "nvmlDeviceGetClockInfo", domain) for domain in _CLOCKS),
        *(
            _clock(target, s.GPU_CLOCK_MAX, "nvmlDeviceGetMaxClockInfo", domain, NEVER_CHANGES_SECONDS)
            for domain in _CLOCKS
        ),
        _utilization(target),
        _video(target, s.GPU_ENCODER_UTILIZATION, "nvmlDeviceGetEncoderUtilization"),
        _video(target, s.GPU_DECODER_UTILIZATION, "nvmlDeviceGetDecoderUtilization"),
        _number(target, s.GPU_FAN, "nvmlDeviceGetFanSpeed", unit=_percent),
        _number(target, s.GPU_PCIE_REPLAYS, "nvmlDeviceGetPcieReplayCounter", every=seldom),
        _number(target, s.GPU_PCIE_GENERATION, "nvmlDeviceGetCurrPcieLinkGeneration", every=seldom),
        _number(target, s.GPU_PCIE_WIDTH, "nvmlDeviceGetCurrPcieLinkWidth", every=seldom),
        _number(target, s.GPU_PCIE_GENERATION_MAX, "nvmlDeviceGetMaxPcieLinkGeneration", every=seldom, vital=False),
        _number(target, s.GPU_PCIE_WIDTH_MAX, "nvmlDeviceGetMaxPcieLinkWidth", every=seldom, vital=False),
    )


def _number(
    target: Target,
    signal: Signal,
    function: str,
    *arguments: int,
    unit: Callable[[int], float] = float,
    extra: Labels = (),
    every: float = 0.0,
    vital: bool = True,
) -> Question:
    def ask() -> Iterable[Value]:
        return (Value(signal, unit(given(function, target.ask(function, *arguments))), extra),)

    name = "_".join((function, *(value for _, value in extra)))
    return Question(name=name, signals=(signal,), ask=ask, vital=vital, every_seconds=every, call=function)


def _clock(target: Target, signal: Signal, function: str, domain: tuple[str, int], every: float = 0.0) -> Question:
    """One question for each domain: parts lack some. `every` is given for maxima, which the driver knows by heart."""
    name, kind = domain
    extra = labels(domain=name)
    return _number(target, signal, function, kind, unit=_mega, extra=extra, every=every, vital=not every)


def _temperature(target: Target) -> Question:
    def ask() -> Iterable[Value]:
        celsius = target.first(TEMPERATURE, _SENSOR_GPU)
        return (Value(s.GPU_TEMPERATURE, float(celsius), labels(sensor="gpu")),)

    return Question(name="temperature", signals=(s.GPU_TEMPERATURE,), ask=ask)


def _memory_temperature(target: Target) -> Question:
    batch = fields.one(target, _MEMORY_TEMPERATURE)

    def ask() -> Iterable[Value]:
        return [Value(s.GPU_TEMPERATURE, celsius, labels(sensor="memory")) for celsius in batch.numbers()]

    return Question(name="memory_temperature", signals=(s.GPU_TEMPERATURE,), ask=ask, call=fields.FUNCTION)


def _margin(target: Target) -> Question:
    """Ada and later tell it (driver 570 and later); of older parts it is what the temperature lacks to the slowdown.

    Not so of those with a scale of their own, and a driver that is too old to tell: their margin is not a constant less the
    temperature.
    """
    slowdown = fields.one(target, _SLOWDOWN_T_LIMIT)

    def ask() -> Iterable[Value]:
        try:
            margin = target.ask("nvmlDeviceGetMarginTemperature")
        except NvmlAbsent:
            if _has_own_scale(slowdown):
                raise
            threshold = target.ask("nvmlDeviceGetTemperatureThreshold", _THRESHOLD_SLOWDOWN)
            margin = threshold - target.first(TEMPERATURE, _SENSOR_GPU)
        return (Value(s.GPU_TEMPERATURE_MARGIN, float(margin)),)

    return Question(
        name="temperature_margin", signals=(s.GPU_TEMPERATURE_MARGIN,), ask=ask, every_seconds=COSTLY_SECONDS
    )


def _has_own_scale(slowdown: fields.Fields) -> bool:
    """Whether the part has thresholds on the margin's own scale (T.Limit); then the old ones say nothing of the margin."""
    try:
        return bool(list(slowdown.numbers()))
    except NvmlAbsent:
        return False


def _utilization(target: Target) -> Question:
    def ask() -> Iterable[Value]:
        function = "nvmlDeviceGetUtilizationRates"
        rates = target.ask(function)
        return (
            Value(s.GPU_UTILIZATION, _percent(given(function, rates.gpu))),
            Value(s.GPU_MEMORY_UTILIZATION, _percent(given(function, rates.memory))),
        )

    return Question(name="utilization", signals=(s.GPU_UTILIZATION, s.GPU_MEMORY_UTILIZATION), ask=ask)


def _video(target: Target, signal: Signal, function: str) -> Question:
    def ask() -> Iterable[Value]:
        percent, _sampling_period = target.ask(function)
        return (Value(signal, _percent(given(function, percent))),)

    return Question(name=function, signals=(signal,), ask=ask)


def _percent(value: int) -> float:
    return value / 100


def _milli(value: int) -> float:
    return value / 1000


def _mega(value: int) -> float:
    return value * 1e6
