"""Counts the features of requests, in the server that has them, into the frozen bins of a reference (`atlas-ops drift fit`).

    features = FeatureCounter("fraud.json", model="fraud")     # or: ops.features("fraud.json")
    features.count(amount=12.5, tenant="acme")                 # what came in
    features.count(prediction="fraud", confidence=0.93)        # what went out, when it is known
    features.count_many(amount=[12.5, 3.0], tenant=["acme", None])

Only counts leave the process: no value does, and a category's name only where the reference names it. Names that begin as
`catalog.conventions.PREDICTION_FEATURES` are predictions, as EMBEDDING_FEATURES embeddings, all others inputs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.instrument import reference as references
from atlas_ops.instrument.bins import Bins
from atlas_ops.instrument.failures import Failures, harmless
from atlas_ops.instrument.feature_metrics import metrics_of

_log = logging.getLogger(__name__)


class FeatureCounter:
    """Counts features of one model. One for each model; any thread may call it. Counting never raises."""

    def __init__(self, reference: str | Path, *, model: str = "", registry: CollectorRegistry = REGISTRY) -> None:
        """Read a reference and publish all its bins, at 0.

        `model` is the label of the series, and has to be the one that the reference was made for. `registry` is
        prometheus_client's, from which the server's page is made. EnvironmentProblem or ConfigError when the file cannot be
        used, UsageError when the model is counted there by other bins already.
        """
        read = references.read(Path(reference), model=model)
        self.failures = Failures()
        metrics = metrics_of(registry)
        plain = {name: _Feature(name, bins, metrics.counters(read, name)) for name, bins in read.bins.items()}
        made = {name: _Embedding(name, of, plain) for name, of in read.embeddings.items()}
        self._features: Mapping[str, _Feature | _Embedding] = {**plain, **made}
        self._strange = False

    @harmless
    def count(self, /, **values: Any) -> None:
        """Count the values of one request: numbers, words, embeddings; None is missing. Features not named are not counted."""
        for name, value in values.items():
            if (feature := self._known(name)) is not None:
                feature.count(value)

    @harmless
    def count_many(self, /, **columns: Iterable[Any]) -> None:
        """Count the values of several requests: a list, an array or a column for each feature, an array of rows for an embedding."""
        for name, column in columns.items():
            if (feature := self._known(name)) is not None:
                feature.count_many(column)

    def _known(self, name: str) -> _Feature | _Embedding | None:
        feature = self._features.get(name)
        if feature is None and not self._strange:
            self._strange = True
            _log.warning("the reference has no feature %.100r: it is not counted, and further ones are not told", name)
        return feature


class _Teller:
    """Says once that values of a feature cannot be counted."""

    def __init__(self, feature: str) -> None:
        self._feature, self._told = feature, False

    def tell(self, value: object) -> None:
        if not self._told:
            self._told = True
            # Its type, not its text: that may be somebody's secret.
            _log.warning(
                "feature %s: a value of the type %s cannot be counted; it counts as missing, and further ones are not told",
                self._feature,
                type(value).__name__,
            )


class _Feature:
    """The counters of one feature."""

    def __init__(self, name: str, bins: Bins, counters: tuple[Counter, ...]) -> None:
        self._bins, self._counters, self._teller = bins, counters, _Teller(name)

    def count(self, value: Any) -> None:
        self._counters[self._place(value)].inc()

    def count_many(self, column: Iterable[Any]) -> None:
        counts = [0] * len(self._counters)
        for value in column.tolist() if hasattr(column, "tolist") else column:
            counts[self._place(value)] += 1
        for counter, count in zip(self._counters, counts, strict=True):
            if count:
                counter.inc(count)

    def _place(self, value: Any) -> int:
        try:
            return self._bins.place(value)
        except Exception:  # noqa: BLE001 (the server's value can be anything)
            self._teller.tell(value)
            return len(self._counters) - 1


class _Embedding:
    """What stands for an embedding: a few features, which are counted for it."""

    def __init__(self, name: str, of: references.Embedding, features: Mapping[str, _Feature]) -> None:
        try:
            from atlas_ops.instrument.vectors import Vectors  # noqa: PLC0415 - numpy
        except ModuleNotFoundError as error:
            raise EnvironmentProblem(
                f"the reference has the embedding {name}, and {error.name} is not installed",
                next_step="pip install 'atlas-ops[drift]'",
            ) from error
        self._vectors, self._features, self._teller = Vectors(name, of), features, _Teller(name)

    def count(self, value: Any) -> None:
        self.count_many([value])

    def count_many(self, rows: Iterable[Any]) -> None:
        for name, values in self._vectors.values([self._row(row) for row in rows]).items():
            if name in self._features:  # directions in which the reference did not differ are none
                self._features[name].count_many(values)

    def _row(self, value: Any) -> Any:
        try:
            return self._vectors.row(value)
        except Exception:  # noqa: BLE001 (the server's value can be anything)
            self._teller.tell(value)
            return self._vectors.row(None)
