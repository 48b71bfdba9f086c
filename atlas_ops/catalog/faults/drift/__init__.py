"""Faults of drift: what comes in or goes out is no longer what the model was made for."""

from __future__ import annotations

from atlas_ops.catalog.faults.drift import detected, workload
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    return (
        detected.input_drift(parameters),
        detected.prediction_drift(parameters),
        detected.embedding_drift(parameters),
        workload.workload_mix_shift(parameters),
    )
