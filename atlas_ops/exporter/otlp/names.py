"""What our signals and labels are called in OpenTelemetry; data, used by `series`.

Where OpenTelemetry's conventions for hardware have a metric (https://opentelemetry.io/docs/specs/semconv/hardware/gpu/,
status "development"), its name, unit and attributes are used. Every other signal keeps its name with dots for
underscores, without `_total` and without its unit: `atlas_gpu_throttle_seconds_total` is `atlas.gpu.throttle` in `s`.
A rate keeps the word `rate`, so that it does not meet its counter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.samples import Labels

SCOPE = ("atlas_gpu_", "atlas_host_", "atlas_container_")
"""What is pushed: signals of GPUs and of the host. Model servers speak OTLP themselves, or are scraped."""


class Kind(Enum):
    """The kinds of OpenTelemetry's instruments that are needed."""

    GAUGE = "gauge"
    COUNTER = "counter"
    UP_DOWN_COUNTER = "up-down counter"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The metric that a signal becomes; `unit` in UCUM."""

    name: str
    unit: str
    kind: Kind
    help: str
    whole: bool
    """Whether values are told as integers."""
    attributes: Labels = ()
    """What is true of each of its points."""
    renamed: Labels = ()
    """(label, attribute) pairs that hold for this metric alone."""
    value: Callable[[float], float] = float


def _gauge(name: str, help_text: str, unit: str = "1", attributes: Labels = (), renamed: Labels = ()) -> Target:
    return Target(
        name=name, unit=unit, kind=Kind.GAUGE, help=help_text, whole=False, attributes=attributes, renamed=renamed
    )


def _bytes(name: str, help_text: str, kind: Kind, attributes: Labels = ()) -> Target:
    return Target(name=name, unit="By", kind=kind, help=help_text, whole=True, attributes=attributes)


def _status(state: str, value: Callable[[float], float]) -> Target:
    told = "1 for the state that the GPU is in, 0 for the others."
    return Target(
        name="hw.status", unit="1", kind=Kind.UP_DOWN_COUNTER, help=told, whole=True,
        attributes=(("hw.state", state),), value=value,
    )  # fmt: skip


_BUSY = "Share of time in which the GPU worked on a kind of task."
_IO = "Bytes between the GPU and its host, over PCIe."
_DIRECTION = "network.io.direction"

MEMORY_UTILIZATION = _gauge("hw.gpu.memory.utilization", "Share of the GPU's memory that is in use.")
"""Made of two signals, used and total; our own `memory_utilization` is how busy the memory is, and another thing."""

_CONVENTIONAL: dict[Signal, tuple[Target, ...]] = {
    s.GPU_UP: (_status("ok", float), _status("failed", lambda up: 1 - up)),
    s.GPU_UTILIZATION: (_gauge("hw.gpu.utilization", _BUSY, "1", (("hw.gpu.task", "general"),)),),
    s.GPU_ENCODER_UTILIZATION: (_gauge("hw.gpu.utilization", _BUSY, "1", (("hw.gpu.task", "encoder"),)),),
    s.GPU_DECODER_UTILIZATION: (_gauge("hw.gpu.utilization", _BUSY, "1", (("hw.gpu.task", "decoder"),)),),
    s.GPU_MEMORY_USED: (_bytes("hw.gpu.memory.usage", s.GPU_MEMORY_USED.help, Kind.UP_DOWN_COUNTER),),
    s.GPU_MEMORY_TOTAL: (_bytes("hw.gpu.memory.limit", s.GPU_MEMORY_TOTAL.help, Kind.UP_DOWN_COUNTER),),
    s.GPU_PCIE_TX: (_bytes("hw.gpu.io", _IO, Kind.COUNTER, ((_DIRECTION, "transmit"),)),),
    s.GPU_PCIE_RX: (_bytes("hw.gpu.io", _IO, Kind.COUNTER, ((_DIRECTION, "receive"),)),),
    s.GPU_POWER: (_gauge("hw.power", s.GPU_POWER.help, "W"),),
    s.GPU_TEMPERATURE: (
        _gauge("hw.temperature", s.GPU_TEMPERATURE.help, "Cel", (), (("sensor", "hw.sensor_location"),)),
    ),
    s.GPU_FAN: (_gauge("hw.fan.speed_ratio", s.GPU_FAN.help),),
    s.GPU_ENERGY: (
        Target(name="hw.energy", unit="J", kind=Kind.COUNTER, help=s.GPU_ENERGY.help, whole=False),
    ),
    s.GPU_ECC_ERRORS: (
        Target(
            name="hw.errors", unit="{error}", kind=Kind.COUNTER, help=s.GPU_ECC_ERRORS.help, whole=True,
            renamed=(("type", "error.type"),),
        ),
    ),
}  # fmt: skip

_UNITS = {
    "": ("1", ""),
    "ratio": ("1", ""),
    "bytes": ("By", ""),
    "seconds": ("s", ""),
    "celsius": ("Cel", ""),
    "watts": ("W", ""),
    "joules": ("J", ""),
    "hertz": ("Hz", ""),
    "bytes_per_second": ("By/s", "_rate"),
}
"""{unit of a signal: (UCUM, what stands for it in the name)}."""

_ATTRIBUTES = {
    c.UUID: "hw.id",
    c.GPU: "hw.name",
    c.K8S_NAMESPACE: "k8s.namespace.name",
    c.K8S_POD: "k8s.pod.name",
    c.K8S_CONTAINER: "k8s.container.name",
    c.CONTAINER_ID: "container.id",
    "pid": "process.pid",
    "process": "process.executable.name",
    "name": "hw.model",
    "driver_version": "hw.driver_version",
}
"""{label: attribute}; every other label has `atlas.` before its name."""


def attribute(label: str) -> str:
    """Return the name of the attribute that a label becomes."""
    return _ATTRIBUTES.get(label, f"atlas.{label}")


def _own(signal: Signal) -> Target:
    stem = signal.name.removesuffix("_total")
    unit, word = _UNITS[signal.unit]
    if signal.unit:
        stem = stem.replace(f"_{signal.unit}", word)
    counter = signal.type is SignalType.COUNTER
    return Target(
        name=stem.replace("_", "."),
        unit=unit,
        kind=Kind.COUNTER if counter else Kind.GAUGE,
        help=signal.help,
        whole=unit == "By" or (counter and not signal.unit),
    )


TARGETS: dict[str, tuple[Target, ...]] = {
    signal.name: _CONVENTIONAL.get(signal) or (_own(signal),) for signal in s.SIGNALS if signal.name.startswith(SCOPE)
}
"""{name of a signal: the metrics that it becomes}, for everything that is pushed."""
