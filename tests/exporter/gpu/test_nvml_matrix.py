"""Each function of the driver's library refuses, fails or hangs: only its own signals change.

All at once, on the page: a simulated node with one GPU for each function, and one more that is healthy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu import collector as collector_module
from atlas_ops.exporter.gpu import watcher, worker
from atlas_ops.exporter.gpu.collector import GpuCollector
from atlas_ops.exporter.gpu.record import THROTTLE_SIGNALS
from atlas_ops.exporter.nvml import gpm
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.samples import Labels
from atlas_ops.simulator import SimulatedNode
from atlas_ops.simulator.chaos import Chaos, functions
from atlas_ops.simulator.nvml.codes import NOT_SUPPORTED, UNKNOWN

from ..nvml.rig import FIELDS, SOMETHING_OF_EVERYTHING
from ..nvml.test_matrix import BY_FIELD, MATRIX
from .fake_gpu import FakeWorkloads
from .rig import HOST, checked, gpu_threads, until

THROTTLE = frozenset({*THROTTLE_SIGNALS, s.GPU_THROTTLE_SOURCE})
EVENTS = frozenset({s.GPU_XID_ERRORS, s.GPU_EVENTS})
OWN: dict[str, frozenset[Signal]] = {
    **{function: effect.of for function, effect in MATRIX.items()},
    FIELDS: BY_FIELD | THROTTLE | {s.GPU_TEMPERATURE},
    "nvmlDeviceGetCurrentClocksEventReasons": THROTTLE,
    "nvmlDeviceGetCurrentClocksThrottleReasons": THROTTLE,
    "nvmlDeviceGetSupportedClocksEventReasons": THROTTLE,
    "nvmlDeviceGetSupportedClocksThrottleReasons": THROTTLE,
    "nvmlDeviceGetSupportedEventTypes": EVENTS,
    "nvmlDeviceRegisterEvents": EVENTS,
}
"""{function: the signals that it is for}. Of a function that is not here, no signal is told."""
WHO = ("nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID")
"""Without these nobody knows which GPU it is: they are tested with lost GPUs."""
OF_NO_GPU = frozenset(
    {
        "nvmlInit_v2", "nvmlInitWithFlags", "nvmlShutdown", "nvmlErrorString", "nvmlSystemGetDriverVersion",
        "nvmlSystemGetNVMLVersion", "nvmlSystemGetCudaDriverVersion_v2", "nvmlDeviceGetCount_v2", "nvmlEventSetCreate",
        "nvmlEventSetFree", "nvmlEventSetWait_v2", "nvmlGpmSampleAlloc", "nvmlGpmSampleFree", "nvmlGpmMetricsGet",
    }
)  # fmt: skip
OF_THE_EXPORTER = (s.EXPORTER_TICK_GAP, s.EXPORTER_CALL_IN_FLIGHT, s.EXPORTER_GPU_FAILING)
Key = tuple[Signal, Labels]


@contextmanager
def measured(chaos: Chaos, *, limit: float = 5.0) -> Iterator[GpuCollector]:
    """A collector on a library."""
    collector = GpuCollector(
        Nvml(chaos),
        host_name=HOST,
        workloads=FakeWorkloads(),
        sample_seconds=0.1,
        read_seconds=0.3,
        call_limit_seconds=limit,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collector_module, "_CHECK_SECONDS", 0.02)
        patch.setattr(worker, "_IDLE_SECONDS", 0.1)
        patch.setattr(watcher, "WAIT_SECONDS", 0.05)
        try:
            collector.start()
            yield collector
        finally:
            chaos.release()
            collector.stop()
            until(lambda: not gpu_threads())


def keys(collector: GpuCollector) -> dict[str, set[Key]]:
    """{index of a GPU: what is told of it}; support counts as told of the signal that it is about."""
    found: dict[str, set[Key]] = {}
    for signal, told in checked(collector.collect()):
        extra = tuple(pair for pair in told if pair[0] not in ("gpu", "uuid", "host_name"))
        if signal not in OF_THE_EXPORTER and signal is not s.GPU_INFO and signal is not s.GPU_METRIC_SUPPORTED:
            found.setdefault(dict(told)["gpu"], set()).add((signal, extra))
        elif signal is s.GPU_INFO:
            found.setdefault(dict(told)["gpu"], set()).add((signal, tuple(extra[:1])))
    return found


def settled(collector: GpuCollector) -> dict[str, set[Key]]:
    """What is told when nothing has changed any more for a while."""
    before, since = keys(collector), time.monotonic()
    end = since + 60
    while time.monotonic() - since < 2.0:
        time.sleep(0.3)
        now = keys(collector)
        if now != before:
            before, since = now, time.monotonic()
        assert time.monotonic() < end, "this never settled"
    return before


def node(gpus: int) -> SimulatedNode:
    made = SimulatedNode("h100", driver="580.82", gpus=gpus)
    for index in range(gpus):
        made.change(index, **SOMETHING_OF_EVERYTHING)
    return made


@pytest.mark.parametrize("how", ["not_supported", "fails", "hangs"])
def test_a_function_that_misbehaves_changes_only_its_own_signals(how: str) -> None:
    subjects = sorted(functions(node(1).library) - OF_NO_GPU - {*WHO})
    if how != "not_supported":
        subjects = [function for function in subjects if function in OWN]  # the others are not asked, it has shown
    chaos = Chaos(node(len(subjects) + 1).library)
    codes = {"not_supported": NOT_SUPPORTED, "fails": UNKNOWN}
    for gpu, function in enumerate(subjects):
        if how == "hangs":
            chaos.hang(function, gpu=gpu)
        else:
            chaos.refuse(function, codes[how], gpu=gpu)
    with measured(chaos, limit=1.5) as collector:
        found = settled(collector)
        up = {dict(k)["gpu"]: v for (signal, k), v in checked(collector.collect()).items() if signal is s.GPU_UP}
    healthy = found[str(len(subjects))]
    assert up == dict.fromkeys(found, 1.0)
    for gpu, function in enumerate(subjects):
        changed = {signal for signal, _ in found[str(gpu)] ^ healthy}
        assert changed <= OWN.get(function, frozenset()), f"{function} {how}"
        if function in MATRIX:
            gone = MATRIX[function].failed if how in ("fails", "hangs") else MATRIX[function].absent
            assert gone & {signal for signal, _ in healthy} <= changed, f"{function} {how}"


def test_a_call_that_is_of_no_gpu_and_hangs_costs_its_own_signals_alone() -> None:
    chaos = Chaos(node(2).library)
    with measured(chaos) as collector:
        healthy = settled(collector)
    chaos = Chaos(node(2).library)
    chaos.hang("nvmlGpmMetricsGet")
    with measured(chaos, limit=0.3) as collector:
        found = settled(collector)
    assert {signal for signal, _ in found["0"] ^ healthy["0"]} == set(gpm.SIGNALS)
    assert found["0"] == found["1"]
