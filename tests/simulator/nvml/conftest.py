from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pynvml
import pytest

from atlas_ops.simulator import SimulatedNode
from tests.simulator.binding import bound

Part = Callable[..., tuple[SimulatedNode, object]]


@pytest.fixture
def part() -> Iterator[Part]:
    """Return a function that puts a node under the binding, and returns it with the handle of its first GPU."""
    with contextlib.ExitStack() as stack:

        def make(profile: str = "h100", driver: str = "580.82", gpus: int = 1) -> tuple[SimulatedNode, object]:
            node = SimulatedNode(profile, driver=driver, gpus=gpus)
            stack.enter_context(bound(node.library))
            return node, pynvml.nvmlDeviceGetHandleByIndex(0)

        yield make
