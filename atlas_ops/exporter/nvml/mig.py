"""MIG: the instances that a GPU is cut into, with memory, processes and activity of each.

Used by `exporter.nvml.device`. Compute instances of one GPU instance share its memory and its activity, and each is told
the whole of it, as nvidia-smi does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import GpuInstance, Question, Value
from atlas_ops.exporter.nvml import gpm, info, memory, processes
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCode, NvmlRefusal, Target
from atlas_ops.exporter.samples import labels

LAYOUT_SECONDS = 5.0
"""Between two looks at how the GPU is cut up: about thirty calls for seven instances."""
_HOLES = frozenset({NvmlCode.NOT_FOUND, NvmlCode.INVALID_ARGUMENT})
"""What the driver says to a place without an instance, and to the handle of one that is gone."""


@dataclass(frozen=True, slots=True)
class Part:
    """One instance, and how to ask about it."""

    instance: GpuInstance
    target: Target


class Mig:
    """The instances of one GPU. `close` gives back what GPM needed; nothing may be asked while it runs."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._parts: tuple[Part, ...] = ()
        self._activity = _Activity(target)
        every = LAYOUT_SECONDS
        self.questions = (
            # First, because the others are about the instances that this one finds.
            Question(name="mig", signals=(s.GPU_INFO,), ask=self._look, every_seconds=every, vital=False),
            Question(name="mig_memory", signals=memory.SIGNALS, ask=lambda: self._each(memory.values)),
            Question(
                name="mig_processes",
                signals=(s.GPU_PROCESS_MEMORY,),
                ask=lambda: self._each(processes.values),
                every_seconds=processes.PROCESSES_SECONDS,
            ),
            Question(name="mig_gpm", signals=gpm.SIGNALS, ask=lambda: self._activity.ask(self._known())),
        )

    def forget(self) -> None:
        """Begin anew: handles and samples are from before the GPU was lost."""
        self._parts = ()
        self._activity.forget()

    def close(self) -> None:
        """Give GPM's samples back."""
        self._activity.close()

    def found(self) -> bool:
        """Whether there are instances that are told by themselves."""
        return bool(self._parts)

    def _look(self) -> Iterable[Value]:
        """See how the GPU is cut up now."""
        try:
            self._parts = tuple(self._find())
        except NvmlAbsent:
            self._parts = ()
            raise
        return [
            Value(s.GPU_INFO, 1.0, labels(name=info.name(part.target)), instance=part.instance)
            for part in self._known()
        ]

    def _known(self) -> tuple[Part, ...]:
        if not self._parts:
            raise NvmlAbsent("MIG instances", NvmlCode.NOT_SUPPORTED)
        return self._parts

    def _find(self) -> Iterator[Part]:
        current, _pending = self._target.ask("nvmlDeviceGetMigMode")
        if not current:
            return
        for place in range(self._target.ask("nvmlDeviceGetMaxMigDeviceCount")):
            try:
                yield self._part(place)
            except NvmlRefusal as refusal:
                if refusal.code not in _HOLES:
                    raise

    def _part(self, place: int) -> Part:
        target = Target(self._target.calls, self._target.ask("nvmlDeviceGetMigDeviceHandleByIndex", place))
        gpu_instance = int(target.ask("nvmlDeviceGetGpuInstanceId"))
        compute_instance = int(target.ask("nvmlDeviceGetComputeInstanceId"))
        instance = GpuInstance(
            uuid=target.text("nvmlDeviceGetUUID"),
            name=instance_name(gpu_instance, compute_instance),
            gpu_instance=gpu_instance,
            compute_instance=compute_instance,
        )
        return Part(instance, target)

    def _each(self, ask: Callable[[Target], Iterable[Value]]) -> list[Value]:
        """Ask about every instance. One that refuses is left out, unless all do."""
        values: list[Value] = []
        refusals = []
        parts = self._known()
        for part in parts:
            try:
                values += [value._replace(instance=part.instance) for value in ask(part.target)]
            except NvmlRefusal as refusal:
                refusals.append(refusal)
        if len(refusals) == len(parts):
            raise refusals[0]
        return values


class _Activity:
    """GPM of the instances. Samples belong to GPU instances, and are taken anew whenever the cut changes."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._support, self._metrics = gpm.GpmSupport(target), gpm.GpmMetrics(target.calls)
        self._pairs: dict[int, gpm.SamplePair] = {}
        self._cut: tuple[GpuInstance, ...] = ()

    def forget(self) -> None:
        self._support.forget()
        for pair in self._pairs.values():
            pair.forget()

    def close(self) -> None:
        for pair in self._pairs.values():
            pair.close()
        self._pairs = {}

    def ask(self, parts: tuple[Part, ...]) -> list[Value]:
        """Ask about every GPU instance, and tell each compute instance on it."""
        self._support.check()
        cut = tuple(part.instance for part in parts)
        if cut != self._cut:
            self.close()
            self._cut = cut
            self._pairs = {instance.gpu_instance: gpm.SamplePair(self._target.calls) for instance in cut}
        found = {number: self._between(number, pair) for number, pair in self._pairs.items()}
        return [value._replace(instance=instance) for instance in cut for value in found[instance.gpu_instance]]

    def _between(self, number: int, pair: gpm.SamplePair) -> list[Value]:
        samples = pair.take(lambda sample: self._target.ask("nvmlGpmMigSampleGet", number, sample))
        return [] if samples is None else self._metrics.between(*samples)


def instance_name(gpu_instance: int, compute_instance: int) -> str:
    """Return the value of the label `mig`."""
    return f"{gpu_instance}/{compute_instance}"
