"""What holds for every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A busy machine is no defect: examples may take as long as they need.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes of waiting, so that nobody waits for it alone at the end."""
    items.sort(key=lambda item: "tests/stage/" not in item.nodeid)
