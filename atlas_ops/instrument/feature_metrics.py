"""The counters of features, and what is needed beside them to compute drift in PromQL alone. Called by `features`.

They are prometheus_client's own, so that its multi-process mode adds up the workers of a server. All series are there from the
start: a counter that only appears with its first value hides that value from `increase`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.errors import UsageError
from atlas_ops.instrument.reference import Reference


class FeatureMetrics:
    """The signals of one registry, for all features of all models."""

    def __init__(self) -> None:
        self._values = Counter(s.FEATURE_VALUES.name, s.FEATURE_VALUES.help, s.FEATURE_VALUES.labels, registry=None)
        self._shares, self._scores = _gauge(s.FEATURE_REFERENCE_SHARE), _gauge(s.FEATURE_BIN_SCORE)
        self._checksums = _gauge(s.FEATURE_BINS_CHECKSUM)
        self._bins: dict[tuple[str, str], int] = {}

    def counters(self, reference: Reference, feature: str) -> tuple[Counter, ...]:
        """Publish a feature of a reference, and return the counter of each of its bins.

        UsageError when it is counted already, by other bins: those would stay on the page, and their counts in the same counters.
        """
        model, bins = reference.model, reference.bins[feature]
        if self._bins.setdefault((model, feature), bins.checksum) != bins.checksum:
            raise UsageError(
                f"{feature} of {model} is counted in this process already, into other bins",
                next_step="start the server anew with the new reference",
            )
        self._checksums.labels(model, feature).set(bins.checksum)
        for label, share in zip(bins.labels, reference.usual[feature], strict=True):
            self._shares.labels(model, feature, label).set(share)
        scores = bins.scores(reference.shares[feature])
        for label, score in zip(bins.labels, scores, strict=False):  # categories have none
            self._scores.labels(model, feature, label).set(score)
        return tuple(self._values.labels(model, feature, label) for label in bins.labels)

    def collect(self) -> Iterable[Metric]:
        """Return everything but the time at which each counter was made, which would be as many series again."""
        for metric in self._values.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
        for gauge in (self._shares, self._scores, self._checksums):
            yield from gauge.collect()


_lock = threading.Lock()
_of_registries: WeakKeyDictionary[CollectorRegistry, FeatureMetrics] = WeakKeyDictionary()


def metrics_of(registry: CollectorRegistry) -> FeatureMetrics:
    """Return those of a registry, which are there once, however many models are counted."""
    with _lock:
        found = _of_registries.get(registry)
        if found is None:
            found = _of_registries[registry] = FeatureMetrics()
            registry.register(found)
        return found


def _gauge(signal: Signal) -> Gauge:
    return Gauge(signal.name, signal.help, signal.labels, registry=None, multiprocess_mode="mostrecent")
