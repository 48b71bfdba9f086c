"""Limits of the faults of blindness."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BlindnessLimits:
    """Each is a setting under `limits:`."""
