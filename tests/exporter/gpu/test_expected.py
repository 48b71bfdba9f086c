"""How many GPUs the node should have: what the settings say, else the device plugin's offer, else nothing."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.collector import Collector
from atlas_ops.exporter.gpu.expected import ExpectedGpus
from atlas_ops.exporter.samples import Sample


@pytest.mark.parametrize(
    ("configured", "offered", "told"), [(8, None, 8.0), (8, 4, 8.0), (0, 4, 0.0), (None, 4, 4.0), (None, None, None)]
)
def test_the_settings_win_over_the_offer(configured: int | None, offered: int | None, told: float | None) -> None:
    collector: Collector = ExpectedGpus(configured, lambda: offered, "node-1")
    collector.start()
    assert collector.ready
    expected = [] if told is None else [Sample(s.GPU_EXPECTED, (("host_name", "node-1"),), told)]
    assert collector.collect() == expected
    collector.stop()


def test_an_offer_that_comes_later_is_told_then() -> None:
    offers = iter((None, 2))
    collector = ExpectedGpus(None, lambda: next(offers), "node-1")
    assert [len(collector.collect()), len(collector.collect())] == [0, 1]
