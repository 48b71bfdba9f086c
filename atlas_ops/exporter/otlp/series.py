"""Turns samples into points of OpenTelemetry's metrics, with the times that cumulative sums need.

Used by `push` once per interval; knows no OpenTelemetry package. When a counter began is not known, so its first point
begins and ends at the same time, and so does the one after a reset: OpenTelemetry's way to say "count from here"
(https://opentelemetry.io/docs/specs/otel/metrics/data-model/, cumulative streams with an unknown start time).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.otlp.names import MEMORY_UTILIZATION, TARGETS, Kind, Target, attribute
from atlas_ops.exporter.samples import Sample

MAX_ATTRIBUTE = 256
"""Longer values of attributes are cut: receivers drop whole points for them."""
_WHOLE = float(1 << 53)
"""Up to here a float holds every whole number."""

Attributes = dict[str, str | int]
_Key = tuple[str, frozenset[tuple[str, str | int]]]


@dataclass(frozen=True, slots=True)
class Point:
    """One value; times in nanoseconds of Unix time. `start` counts for sums alone."""

    attributes: Attributes
    value: float | int
    start: int
    time: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric and its points, no two of them with the same attributes."""

    target: Target
    points: list[Point] = field(default_factory=list)


class Series:
    """Remembers from one push to the next when each sum began and what it was."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` gives nanoseconds of Unix time; where it is set back, time stands still here until it has caught up."""
        self._clock = clock
        self._time = 0
        self._sums: dict[_Key, tuple[int, float]] = {}

    def metrics(self, samples: Sequence[Sample]) -> list[Metric]:
        """Return the points of this moment. Of two samples that are the same point, the first counts."""
        self._time = max(self._clock(), self._time + 1)
        identities = _identities(samples)
        metrics: dict[str, Metric] = {}
        seen: set[_Key] = set()
        sums: dict[_Key, tuple[int, float]] = {}
        for target, labels, value in (*_targeted(samples), *_memory_utilization(samples)):
            attributes = _attributes(target, labels, identities)
            key = (target.name, frozenset(attributes.items()))
            if key in seen or not math.isfinite(value):
                continue
            seen.add(key)
            start = self._start(target, key, value)
            if target.kind is not Kind.GAUGE:
                sums[key] = (start, value)
            told = int(value) if target.whole and abs(value) < _WHOLE else value
            metric = metrics.setdefault(target.name, Metric(target))
            metric.points.append(Point(attributes, told, start, self._time))
        self._sums = sums
        return list(metrics.values())

    def _start(self, target: Target, key: _Key, value: float) -> int:
        start, last = self._sums.get(key, (self._time, value))
        return self._time if target.kind is Kind.COUNTER and value < last else start


def _targeted(samples: Iterable[Sample]) -> Iterable[tuple[Target, Mapping[str, str], float]]:
    for sample in samples:
        for target in TARGETS.get(sample.signal.name, ()):
            yield target, dict(sample.labels), target.value(sample.value)


def _memory_utilization(samples: Iterable[Sample]) -> Iterable[tuple[Target, Mapping[str, str], float]]:
    used = {sample.labels: sample.value for sample in samples if sample.signal is s.GPU_MEMORY_USED}
    for sample in samples:
        if sample.signal is s.GPU_MEMORY_TOTAL and sample.value > 0 and sample.labels in used:
            yield MEMORY_UTILIZATION, dict(sample.labels), used[sample.labels] / sample.value


def _identities(samples: Iterable[Sample]) -> dict[tuple[str, str], Mapping[str, str]]:
    """Return {(gpu, mig): labels of its `atlas_gpu_info`}."""
    found = (dict(sample.labels) for sample in samples if sample.signal is s.GPU_INFO)
    return {(labels.get(c.GPU, ""), labels.get(c.MIG, "")): labels for labels in found}


def _attributes(
    target: Target, labels: Mapping[str, str], identities: Mapping[tuple[str, str], Mapping[str, str]]
) -> Attributes:
    renamed = dict(target.renamed)
    attributes: Attributes = dict(target.attributes)
    for label, value in labels.items():
        if label == "pid" and value.isdecimal():
            attributes[attribute(label)] = int(value)
        elif label not in (c.HOST_NAME, c.GPU):  # the host is an attribute of the resource
            attributes[renamed.get(label) or attribute(label)] = value[:MAX_ATTRIBUTE]
    if c.GPU in labels:
        attributes |= _hardware(labels, identities)
    return attributes


def _hardware(labels: Mapping[str, str], identities: Mapping[tuple[str, str], Mapping[str, str]]) -> Attributes:
    """Return who the GPU is, in the words of OpenTelemetry."""
    gpu, uuid, mig = labels[c.GPU], labels.get(c.UUID, ""), labels.get(c.MIG, "")
    whole = identities.get((gpu, ""), {})
    identity = {**whole, **identities.get((gpu, mig), {})}
    known = {
        "hw.type": "gpu",
        "hw.id": uuid or f"gpu{gpu}",
        "hw.name": f"gpu{gpu}",
        "hw.parent": whole.get(c.UUID, "") if mig else "",
        "hw.model": identity.get("name", ""),
        "hw.vendor": _vendor(uuid, identity.get("name", "")),
        "hw.driver_version": identity.get("driver_version", ""),
    }
    return {name: value[:MAX_ATTRIBUTE] for name, value in known.items() if value}


def _vendor(uuid: str, model: str) -> str:
    """Return whose GPU it is; empty when that is not clear. NVML's identifiers begin like no other's."""
    if uuid.startswith(("GPU-", "MIG-")) or model.startswith("NVIDIA"):
        return "NVIDIA"
    return "AMD" if model.startswith("AMD") else ""
