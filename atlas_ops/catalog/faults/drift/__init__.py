"""Faults of drift: what comes in or goes out is no longer what the model was made for."""

from __future__ import annotations

from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:  # noqa: ARG001
    """Return the faults of this family."""
    return ()
