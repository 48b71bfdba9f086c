"""Whether the servers of a model count by the bins of a reference, now: counts in other bins must not be taken for drift.

Called by `prometheus_fit`, `cli.drift_accept` and `watch.past`; what was so at another time is seen by `prometheus_counts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.checksum import bins_checksum
from atlas_ops.detect.features import Feature, Numeric
from atlas_ops.drift.runtime_features import Told, told
from atlas_ops.errors import DataError
from atlas_ops.prometheus import Prometheus


def check_bins(client: Prometheus, model: str, features: Sequence[Feature], at: float) -> None:
    """Raise DataError when a server counts a feature into other bins `at` a Unix time."""
    check_fitting(features, misfits(client, model, features, at).values(), least=len(features))


def check_fitting(features: Sequence[Feature], found: Collection[str], *, least: int = 1) -> None:
    """Raise DataError with the misfits that were `found`, when fewer than so many features fit."""
    if found and len(features) - len(found) < least:
        raise DataError(
            "; ".join(found),
            next_step="give the reference that the servers have loaded, let all of them load this one and tell the same, or make the "
            "reference again with `atlas-ops drift fit --prometheus`",
        )


def misfits(client: Prometheus, model: str, features: Sequence[Feature], at: float) -> dict[str, str]:
    """Return {feature: why it cannot be counted} of those that some server counts into other bins `at` a Unix time.

    Such a server has loaded another reference, or its runtime tells something else.
    """
    expected = {feature.name: checksum(feature) for feature in features}
    points = [point for expr in checksums(model) for point in client.query(expr, at=at)]
    counted = {point.labels.get(c.FEATURE, "") for point in points}
    found = {
        name: f"servers of {model!r} count {name} into other bins than those of the reference"
        for point in points
        if expected.get(name := point.labels.get(c.FEATURE, ""), point.value) != point.value
    }
    for feature in features:
        if feature.name not in counted and (by_runtimes := told(feature)):
            lacking = _lacking(client, model, by_runtimes, at)
            found |= {feature.name: lacking} if lacking else {}
    return found


def _lacking(client: Prometheus, model: str, told: Told, at: float) -> str:
    """Say what is a bin of the reference that some server lacks; "" when none does."""
    servers: Counter[int | None] = Counter()
    most = 0
    for point in client.query(f"count by ({told.label}) ({of_model(told.metric, model)})", at=at):
        servers[told.place(point.labels.get(told.label, ""))] += round(point.value)
        most = max(most, round(point.value))
    lacking = [place for place in range(len(told.needed)) if servers[place] != most]
    if not lacking:
        return ""
    who = "none of" if not any(servers[place] for place in lacking) else "not all of"
    return (
        f"servers tell {told.feature.name} otherwise than the reference has it: {who} the servers of {model!r} that tell "
        f"{told.metric} have {told.lacks(lacking)}"
    )


def checksums(model: str) -> tuple[str, str]:
    """Return PromQL for the least and the greatest checksum of each feature: servers may differ."""
    least, greatest = (f"{of} by ({c.FEATURE}) ({of_model(s.FEATURE_BINS_CHECKSUM, model)})" for of in ("min", "max"))
    return least, greatest


def checksum(feature: Feature) -> int:
    """Return the checksum of a feature's bins."""
    return bins_checksum(feature.edges) if isinstance(feature, Numeric) else bins_checksum(feature.names, feature.known)


def of_model(metric: object, model: str) -> str:
    """Return a selector of the series of one model."""
    return promql.select(metric, f"{c.MODEL}={promql.quote(model)}")
