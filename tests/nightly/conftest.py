"""What holds for every test of this folder: it runs where nothing can reach it, and leaves nothing behind."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.nightly.rig import others


@pytest.fixture(scope="session", autouse=True)
def alone() -> None:
    """Refuse the open network: some of these servers listen on every address, whatever they are told."""
    interfaces = [name for _, name in socket.if_nameindex()]
    if interfaces != ["lo"]:
        pytest.exit(f"run these by `make test-servers`, with no network but loopback; found {interfaces}", returncode=4)


@pytest.fixture(scope="module", autouse=True)
def nothing_left(alone: None) -> Iterator[None]:
    """Every process of a module ends with it."""
    yield
    deadline = time.monotonic() + 20  # Ray's workers see by themselves that they are no longer wanted
    while others() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert others() == {}
