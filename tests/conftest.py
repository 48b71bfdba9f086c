"""What holds for every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A busy machine is no defect: examples may take as long as they need.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

LONG = (
    "tests/stage/",
    "tests/test_whole.py",
    "tests/pager/test_chaos.py",
    "tests/pager/test_outage.py",
    "tests/servers/",
)
"""What takes a minute and more."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person ask for more of what the suite has only a little of."""
    parser.addoption("--kills", type=int, default=6, help="how often tests of chaos kill a pager on each database")
    parser.addoption("--outage", type=float, default=9, help="seconds for which Slack is down in the test of an outage")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes of waiting, so that nobody waits for it alone at the end (with --no-loadscope-reorder)."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
