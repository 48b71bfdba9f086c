"""How much of each GPU is used: its time, its units, its memory."""

from __future__ import annotations

from functools import partial

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.render.dashboards.panels import Chart, Number, Query
from atlas_ops.render.dashboards.parts.gpus import query, whole

_PROCESS = ("process", "pid", c.K8S_POD)
_shares = partial(Chart, unit="percentunit", maximum=1.0)


def memory_share(*matchers: str) -> Number:
    """Return the share of the GPUs' memory that is in use."""
    used, total = (f"sum({whole(signal, *matchers)})" for signal in (s.GPU_MEMORY_USED, s.GPU_MEMORY_TOTAL))
    return Number(
        key="gpu-memory-share",
        title="Memory in use",
        shows="Memory in use by memory installed. A server takes nearly all of it at its start, for the KV cache.",
        worry="it grows from day to day.",
        faults=("GpuMemoryLeak",),
        query=Query(expr=f"{used} / {total}", legend="in use"),
        unit="percentunit",
        width=3,
    )


def utilisation(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the share of time in which something ran, by the driver's coarse measure."""
    return _shares(
        key="gpu-utilisation",
        title="Utilisation",
        shows="Share of time in which a kernel ran, and in which memory was read or written. It says nothing of how much ran.",
        worry="it falls to zero while requests wait, or stays there day and night.",
        faults=("GpuIdleAllocated", "EngineStalled"),
        queries=(
            query(by, promql.select(s.GPU_UTILIZATION, *matchers), word="kernels"),
            query(by, promql.select(s.GPU_MEMORY_UTILIZATION, *matchers), word="memory"),
        ),
        width=width,
    )


def activity(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return how busy the units of a GPU are, by its profiling counters."""
    units = (
        (s.GPU_SM_ACTIVE, "multiprocessors"),
        (s.GPU_SM_OCCUPANCY, "warps"),
        (s.GPU_TENSOR_ACTIVE, "tensor pipes"),
        (s.GPU_DRAM_ACTIVE, "memory interface"),
    )
    return _shares(
        key="gpu-activity",
        title="Activity of the units",
        shows=(
            "What the work is limited by: prompts keep the tensor pipes busy, decoding the memory interface. Told by NVIDIA's "
            "Hopper and later."
        ),
        worry="all are low while utilisation is high and requests wait: the GPU waits for the host.",
        queries=tuple(query(by, promql.select(signal, *matchers), word=word) for signal, word in units),
        width=width,
    )


def video(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return how busy the engines for video are."""
    return _shares(
        key="gpu-video",
        title="Video engines",
        shows="Share of time in which the video encoder and decoder were busy.",
        worry="one stays at its end: models of video wait for it, whatever the GPU's utilisation.",
        empty="on parts without such engines",
        queries=(
            query(by, promql.select(s.GPU_ENCODER_UTILIZATION, *matchers), word="encoder"),
            query(by, promql.select(s.GPU_DECODER_UTILIZATION, *matchers), word="decoder"),
        ),
        width=width,
    )


def memory(by: tuple[str, ...], *matchers: str, width: int = 12) -> Chart:
    """Return the share of memory in use by GPU, or by instance."""
    used, total = (promql.select(signal, *matchers) for signal in (s.GPU_MEMORY_USED, s.GPU_MEMORY_TOTAL))
    return _shares(
        key="gpu-memory",
        title="Memory in use",
        shows="Memory in use by memory of the GPU, and of each instance where it is cut into some.",
        worry="it grows steadily: full memory alone is how caches are meant to be.",
        faults=("GpuMemoryLeak",),
        queries=(query(by, f"{used} / {total}"),),
        width=width,
    )


def processes(by: tuple[str, ...], *matchers: str, width: int = 12) -> Chart:
    """Return the memory that each process holds."""
    return Chart(
        key="gpu-processes",
        title="Memory by process",
        shows="Memory that each process holds. Some virtual GPUs do not tell it.",
        worry="a process is there that should not be, or one grows steadily.",
        faults=("GpuMemoryLeak",),
        empty="while no process is on a GPU",
        queries=(query(by, promql.select(s.GPU_PROCESS_MEMORY, *matchers), *_PROCESS),),
        unit="bytes",
        width=width,
    )
