"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no defect: examples may take as long as they need.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
