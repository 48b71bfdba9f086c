from __future__ import annotations

import pynvml
import pytest

from atlas_ops.simulator import SimulatedNode
from atlas_ops.simulator.state import NvlinkCounters, PcieCounters
from tests.simulator.binding import bound, code

from .conftest import Part

UNSUPPORTED, INVALID = pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_INVALID_ARGUMENT
MIB = 2**20


def between(first: object, last: object, *ids: int) -> list[tuple[int, float]]:
    """Return (code, value) of metrics between two samples."""
    request = pynvml.c_nvmlGpmMetricsGet_t()
    request.version = pynvml.NVML_GPM_METRICS_GET_VERSION
    request.numMetrics = len(ids)
    request.sample1, request.sample2 = first, last
    for place, number in enumerate(ids):
        request.metrics[place].metricId = number
    pynvml.nvmlGpmMetricsGet(request)
    return [(request.metrics[place].nvmlReturn, request.metrics[place].value) for place in range(len(ids))]


def test_two_samples_tell_the_means_and_rates_between_them() -> None:
    now = [0]
    node = SimulatedNode("h100", clock_ns=lambda: now[0])
    with bound(node.library):
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        first, last = pynvml.nvmlGpmSampleAlloc(), pynvml.nvmlGpmSampleAlloc()
        node.change(0, utilization_ratio=0.8, memory_utilization_ratio=0.2)
        pynvml.nvmlGpmSampleGet(gpu, first)
        now[0] += 2_000_000_000
        node.change(
            0,
            utilization_ratio=0.4,
            pcie=PcieCounters(sent_bytes=10 * MIB, received_bytes=20 * MIB),
            nvlink=NvlinkCounters(sent_bytes=30 * MIB, received_bytes=40 * MIB),
        )
        pynvml.nvmlGpmSampleGet(gpu, last)
        found = between(first, last, 1, 10, 20, 21, 60, 61)
        assert [code for code, _ in found] == [0] * 6
        assert [value for _, value in found] == pytest.approx([60, 20, 5, 10, 20, 15])
        assert [found for found, _ in between(first, last, 2, 3, 5, 470)] == [0, 0, 0, UNSUPPORTED]


def test_samples_that_are_empty_or_given_back_or_the_wrong_way_round_are_refused(part: Part) -> None:
    node, gpu = part()
    first, last = pynvml.nvmlGpmSampleAlloc(), pynvml.nvmlGpmSampleAlloc()
    assert code(lambda: between(first, last, 1)) == INVALID
    pynvml.nvmlGpmSampleGet(gpu, first)
    pynvml.nvmlGpmSampleGet(gpu, last)
    assert code(lambda: between(last, first, 1)) == INVALID
    assert code(lambda: between(first, last, 1)) == 0
    for sample in (first, last):
        pynvml.nvmlGpmSampleFree(sample)
    assert len(node.library.gpm_samples) == 0
    assert code(lambda: between(first, last, 1)) == INVALID
    assert code(lambda: pynvml.nvmlGpmSampleFree(first)) == INVALID


def test_instances_are_sampled_by_their_number(part: Part) -> None:
    _, gpu = part("h100-mig")
    sample = pynvml.nvmlGpmSampleAlloc()
    assert code(lambda: pynvml.nvmlGpmMigSampleGet(gpu, 9, sample)) == 0
    assert code(lambda: pynvml.nvmlGpmMigSampleGet(gpu, 2, sample)) == INVALID


def test_parts_before_hopper_have_none(part: Part) -> None:
    _, gpu = part("a100")
    sample = pynvml.nvmlGpmSampleAlloc()
    assert pynvml.nvmlGpmQueryDeviceSupport(gpu).isSupportedDevice == 0
    assert code(lambda: pynvml.nvmlGpmSampleGet(gpu, sample)) == UNSUPPORTED
    _, gpu = part("h200")
    assert pynvml.nvmlGpmQueryDeviceSupport(gpu).isSupportedDevice == 1
