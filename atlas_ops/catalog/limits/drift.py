"""Limits of the faults of drift."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DriftLimits:
    """Each is a setting under `limits:`."""
