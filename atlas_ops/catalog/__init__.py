"""The catalog: what can be measured and what can go wrong. Everything else is printed from it or checked against it."""

from __future__ import annotations

from atlas_ops.catalog.faults import all_faults
from atlas_ops.catalog.model import Catalog
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.catalog.signals import SIGNALS


def build_catalog(parameters: Parameters | None = None) -> Catalog:
    """Return the whole catalog for the user's parameters (the defaults when none are given)."""
    return Catalog(signals=SIGNALS, faults=all_faults(parameters or Parameters()))


__all__ = ["build_catalog"]
