"""The one form in which collectors hand their measurements to the page.

Made by the GPU collector, the translator and the exporter's own measurements; printed by `exporter.page`.
"""

from __future__ import annotations

from typing import NamedTuple

from atlas_ops.catalog.model import Signal

Labels = tuple[tuple[str, str], ...]
"""(name, value) pairs in the contract's order; labels with an empty value are left out."""


class Sample(NamedTuple):
    """One value of a signal. A tuple, for some thousand are made every second. `part` is `_bucket`, `_sum` or `_count` for histograms, else empty.

    The bound of a `_bucket` is its last label, `le`.
    """

    signal: Signal
    labels: Labels
    value: float
    part: str = ""


def labels(**values: str) -> Labels:
    """Return labels in the order given, without the empty ones."""
    return tuple((name, value) for name, value in values.items() if value)
