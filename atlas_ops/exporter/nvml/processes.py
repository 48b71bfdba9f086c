"""GPU memory by process. Used by `exporter.nvml.device` for a GPU and by `exporter.nvml.mig` for its instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import Question, Value
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCode, Target
from atlas_ops.exporter.samples import labels

PROCESSES_SECONDS = 5.0
"""Between two asks: the driver walks its clients for the answer, and takes milliseconds."""
MOST_PROCESSES = 64
"""Of one GPU or instance that are told one by one; the memory of further ones is summed up as `other`."""
_LISTS = (
    ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"),
    ("nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2"),
)
_NO_INSTANCE = 0xFFFFFFFF
_PID_LIMIT = 2**22
"""Linux has no process numbers above (PID_MAX_LIMIT)."""


def question(target: Target, cut: Callable[[], bool]) -> Question:
    """Return the question about one GPU. `cut` says whether its instances are told by themselves."""

    def ask() -> Iterable[Value]:
        return list(values(target, cut=cut()))  # not lazily: a call that hangs has to hang here

    return Question(name="processes", signals=(s.GPU_PROCESS_MEMORY,), ask=ask, every_seconds=PROCESSES_SECONDS)


def values(target: Target, *, cut: bool = False) -> Iterator[Value]:
    """Ask. `cut`: leave out processes of MIG instances, which are told under these. None: a memory that is not given."""
    found = sorted(_memory(target, cut=cut).items(), key=lambda item: (-(item[1] or 0), item[0]))
    for pid, size in found[:MOST_PROCESSES]:
        yield Value(s.GPU_PROCESS_MEMORY, None if size is None else float(size), labels(pid=str(pid)))
    if rest := found[MOST_PROCESSES:]:
        yield Value(s.GPU_PROCESS_MEMORY, float(sum(size or 0 for _, size in rest)), labels(pid=c.OVERFLOW))


def _memory(target: Target, *, cut: bool) -> dict[int, int | None]:
    """Return {pid: bytes}. A process that computes and draws is in both lists, with the same memory in each."""
    found: dict[int, int | None] = {}
    refusals = []
    for names in _LISTS:
        try:
            processes = _processes(target, names)
        except NvmlAbsent as refusal:
            refusals.append(refusal)
            continue
        for process in processes:
            if not (cut and process.gpuInstanceId != _NO_INSTANCE):
                found[process.pid] = max(process.usedGpuMemory, found.get(process.pid), key=lambda size: size or 0)
    if len(refusals) == len(_LISTS):
        raise refusals[0]
    return found


def _processes(target: Target, names: tuple[str, str]) -> list[Any]:
    """Ask by the newer function. Drivers 535.43 to 535.86 answer it with longer records, which read as nonsense."""
    newer, older = names
    processes: list[Any] = target.first(names)
    if any(process.pid > _PID_LIMIT for process in processes):
        processes = target.ask(older)
        if any(process.pid > _PID_LIMIT for process in processes):
            raise NvmlAbsent(newer, NvmlCode.ARGUMENT_VERSION_MISMATCH)
    return [process for process in processes if process.pid]
