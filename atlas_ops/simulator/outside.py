"""What a fleet tells from other places than its servers and GPUs: autoscaler, releases, detectors, kernel, pager, probes.

The simulation has no real boundary for these, so it says their canonical samples itself. Kept by `simulator.fleet`. A
rehearsal takes all of them; the demo has a real pager, real probes and a kernel to read from, and takes the rest over HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.simulator.effects import Effect, Runtime
from atlas_ops.simulator.probing import Probing
from atlas_ops.simulator.replica import Replica

HOST = "node-0"
NAMESPACE, CONTAINER = "demo", "vllm"
ROUND_SECONDS = 60.0
"""How often the detectors go round."""
FEATURES = ("prompt_tokens", "generation_tokens", "prediction", "embedding")
"""What the detectors watch; they find nothing unless an effect says so."""
_USUAL_SCORE = 0.2
_HEARTBEAT_SECONDS = 60.0
_RETRY_SECONDS = 15.0
"""How often the pager tries again what Slack refuses."""
REAL_IN_THE_DEMO = (
    "atlas_pager_", "atlas_probe", s.HOST_OOM_KILLS.name, s.CONTAINER_OOM_KILLS.name, s.SERVER_RELEASE_INFO.name,
)  # fmt: skip
"""Beginnings of the names that somebody else tells there."""

_Told = Iterator[tuple[Signal, Mapping[str, str], float]]


class OutsideSample(NamedTuple):
    """One canonical sample."""

    name: str
    labels: Mapping[str, str]
    value: float


def pod_name(index: int) -> str:
    """Return the name of the pod of server `index`."""
    return f"llama-{index}"


def server_labels(index: int, runtime: Runtime, model: str) -> dict[str, str]:
    """Return the labels that the exporter gives to what it tells of server `index`, where nobody chose its address."""
    return {
        c.RUNTIME: runtime,
        c.SERVER: f"{pod_name(index)}:8000",
        c.MODEL: model,
        c.HOST_NAME: HOST,
        c.K8S_NAMESPACE: NAMESPACE,
        c.K8S_POD: pod_name(index),
        c.K8S_CONTAINER: CONTAINER,
    }


class Outside:
    """The state behind the samples. `epoch` is the Unix time of simulated second 0; `scale` shortens all periods."""

    def __init__(self, replicas: Sequence[Replica], *, model: str, epoch: float, scale: float) -> None:
        self._replicas, self._model, self._epoch, self._scale = replicas, model, epoch, scale
        self._now = self._round_at = self._refused = self._strangers = 0.0
        self._probing = Probing(scale=scale)

    def advance(self, start: float, end: float, effect: Effect) -> None:
        """Let simulated time pass under an effect."""
        self._now = end
        self._probing.advance(start, end, effect, self._replicas)
        if not effect.detectors_silent:
            self._round_at = _last(end, ROUND_SECONDS * self._scale)
        self._strangers += effect.foreign_memory_kills_per_minute * (end - start) / (60 * self._scale)
        if effect.pager_failing:
            self._refused += (end - start) / (_RETRY_SECONDS * self._scale)

    @property
    def foreign_memory_kills(self) -> int:
        """How many processes that are no model servers the kernel has killed."""
        return math.floor(self._strangers)

    def samples(self, effect: Effect) -> tuple[OutsideSample, ...]:
        """Return everything as it is now under an effect."""
        parts = (
            self._autoscaler(effect), self._releases(effect), self._detectors(effect), self._kernel(),
            self._pager(effect), self._probes(),
        )  # fmt: skip
        return tuple(
            OutsideSample(signal.name, labels, float(value)) for part in parts for signal, labels, value in part
        )

    def _autoscaler(self, effect: Effect) -> _Told:
        if effect.autoscaler:
            of_model = {c.RUNTIME: effect.server(0).runtime, c.MODEL: self._model, c.K8S_NAMESPACE: NAMESPACE}
            yield s.REPLICAS_DESIRED, of_model, effect.autoscaler.desired
            yield s.REPLICAS_READY, of_model, effect.autoscaler.ready
            yield s.REPLICAS_MAXIMUM, of_model, effect.autoscaler.maximum

    def _releases(self, effect: Effect) -> _Told:
        for index, replica in enumerate(self._replicas):
            if replica.answer is not None:
                labels = server_labels(index, replica.runtime, self._model)
                track = effect.server(index).track or c.STABLE
                whose = {label: labels[label] for label in c.SERVER_IDENTITY}
                yield s.SERVER_RELEASE_INFO, {**whose, "track": track, "release": ""}, 1

    def _detectors(self, effect: Effect) -> _Told:
        yield s.WATCH_LAST_SUCCESS, {}, self._epoch + self._round_at
        yield s.WATCH_SUCCESS, {c.MODEL: self._model}, 1
        yield s.DRIFT_REFERENCE_INFO, {c.MODEL: self._model, "reference": "calm"}, 1
        for feature, score in (dict.fromkeys(FEATURES, _USUAL_SCORE) | dict(effect.drift)).items():
            labels = {c.MODEL: self._model, c.FEATURE: feature, c.DETECTOR: c.SEASONAL}
            yield s.DRIFT_SCORE, labels, score
            yield s.DRIFT_DETECTED, labels, score >= 1

    def _kernel(self) -> _Told:
        kills = [replica.life.memory_kills for replica in self._replicas]
        yield s.HOST_OOM_KILLS, {c.HOST_NAME: HOST}, sum(kills) + self.foreign_memory_kills
        for index, count in enumerate(kills):
            labels = server_labels(index, self._replicas[index].runtime, self._model)
            whose = {label: labels[label] for label in (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD, c.K8S_CONTAINER)}
            yield s.CONTAINER_OOM_KILLS, {**whose, c.CONTAINER_ID: container_id(index)}, count

    def _pager(self, effect: Effect) -> _Told:
        yield s.PAGER_QUEUE, {}, effect.pager_failing
        yield s.PAGER_DELIVERED, {"kind": "message"}, 0
        yield s.PAGER_RETRIED, {"reason": "server_error"}, math.floor(self._refused)
        yield s.PAGER_LAST_HEARTBEAT, {}, self._epoch + _last(self._now, _HEARTBEAT_SECONDS * self._scale)

    def _probes(self) -> _Told:
        for index, signal, labels, value in self._probing.told(epoch=self._epoch):
            yield signal, {**server_labels(index, self._replicas[index].runtime, self._model), **labels}, value


def container_id(index: int) -> str:
    """Return the id of the container of server `index`: 64 hexadecimal digits, as of containerd."""
    return f"{index + 1:064x}"


def _last(now: float, period: float) -> float:
    """Return when something that happens once in each period happened last."""
    return math.floor(now / period) * period
