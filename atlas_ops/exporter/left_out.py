"""How many native samples of a server were not passed on, by reason, since the exporter started.

Filled by `decode` and `translate`; published by `server_collector` as `atlas_exporter_dropped_samples_total`.
"""

from __future__ import annotations

from atlas_ops.catalog.dialect import Dialect

BAD_LINE = "bad_line"
"""Lines of the page that are no sample."""
DUPLICATE = "duplicate"
"""A series that is on the page twice; Prometheus takes the first."""
NONSENSE_VALUE = "nonsense_value"
"""NaN, below zero or beyond all bounds; no signal of a server can be that."""
NO_MODEL = "no_model"
"""Nothing says which of several models the sample is about."""
TOO_MANY_MODELS = "too_many_models"
"""Models beyond the cap, which are counted together as `other`."""
UNKNOWN_OUTCOME = "unknown_outcome"
"""A word for the end of a request that the dialect does not know."""
DEAD_SERIES = "dead_series"
"""Gauges of what no longer lives, such as a replica that was replaced."""
NO_EVENT = "no_event"
"""Ends of requests that are no event of an objective, such as a client's mistake."""

_REASONS = (BAD_LINE, DUPLICATE, NONSENSE_VALUE, NO_MODEL, TOO_MANY_MODELS, UNKNOWN_OUTCOME, DEAD_SERIES, NO_EVENT)


class LeftOut:
    """Counts, with every reason present from the start."""

    def __init__(self, dialect: Dialect) -> None:
        self._counts = dict.fromkeys((*_REASONS, *(drop.reason for drop in dialect.drops)), 0)

    def add(self, reason: str, number: int = 1) -> None:
        """Count something that was left out."""
        self._counts[reason] += number

    def items(self) -> tuple[tuple[str, int], ...]:
        """Return (reason, number) pairs."""
        return tuple(self._counts.items())
