"""A node and a kubelet for every test that asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.exporter.workload import collector as module
from tests.exporter.workload.kubelet_standin import Kubelet, kubelet
from tests.exporter.workload.rig import Rig


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(module, "_FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "_MEET_SECONDS", 0.001)
    found = Rig(tmp_path)
    yield found
    for collector in found.started:
        collector.stop()
        assert not collector._thread.is_alive()


@pytest.fixture
def server() -> Iterator[Kubelet]:
    with kubelet() as found:
        yield found
