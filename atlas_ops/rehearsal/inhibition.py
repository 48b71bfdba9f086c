"""What Alertmanager holds back: the symptoms of a cause that fires, and what is told nevertheless.

The inhibitions are the catalog's. Called by `rehearse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog, Inhibition
from atlas_ops.rehearsal.alerting import Firing


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An alert that somebody is told of, and when: at its start, or when what held it back was over."""

    firing: Firing
    at: float


def told(found: Sequence[Firing], catalog: Catalog) -> tuple[Told, ...]:
    """Return the alerts that are told, by time, under the inhibitions of a catalog."""
    pairs = [(fault.name, rule) for fault in catalog.faults for rule in fault.inhibits]
    alerts = []
    for firing in found:
        sources = [
            other
            for other in found
            for name, rule in pairs
            if other is not firing and _holds(name, rule, other, firing)
        ]
        at = _first_uninhibited(firing, sources)
        if at is not None:
            alerts.append(Told(firing=firing, at=at))
    return tuple(sorted(alerts, key=lambda alert: alert.at))


def _holds(source_name: str, rule: Inhibition, source: Firing, target: Firing) -> bool:
    return (
        source.name == source_name
        and target.name in rule.targets
        and (not rule.source_variant or source.labels.get(c.VARIANT) == rule.source_variant)
        and (not rule.target_variant or target.labels.get(c.VARIANT) == rule.target_variant)
        and all(source.labels.get(label) for label in rule.named)
        # A label that both lack is equal, too.
        and all(source.labels.get(label, "") == target.labels.get(label, "") for label in rule.equal)
    )


def _first_uninhibited(target: Firing, sources: Sequence[Firing]) -> float | None:
    """Return the first moment of its life at which none of the sources fires; None when there is none."""
    at = target.start
    while holding := [source for source in sources if source.fires_at(at)]:
        ends = [source.end for source in holding if source.end is not None]
        if len(ends) < len(holding):
            return None
        at = max(ends)
    return at if target.fires_at(at) else None
