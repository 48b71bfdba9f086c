"""Limits of the faults of cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CostLimits:
    """Each is a setting under `limits:`."""
