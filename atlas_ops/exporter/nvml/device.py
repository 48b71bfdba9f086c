"""One NVIDIA GPU: who it is, and everything that can be asked about it.

Made by `exporter.nvml.binding`, driven by `exporter.gpu.worker`. What is asked, and how answers become signals, is in the
modules beside this one, an idea each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from atlas_ops.exporter.gpu.backend import GpuEvent, GpuForbidden, GpuIdentity, GpuLost, Question
from atlas_ops.exporter.gpu.throttle import EVERY_REASON
from atlas_ops.exporter.nvml import fields, health, info, links, memory, processes, readings
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCalls, NvmlCode, NvmlFailed, NvmlRefusal, Target
from atlas_ops.exporter.nvml.events import EventWatch
from atlas_ops.exporter.nvml.gpm import Gpm
from atlas_ops.exporter.nvml.mig import Mig
from atlas_ops.exporter.nvml.throttle_fields import ThrottleFields

# The second name is the older one: NVIDIA renamed "throttle reasons" to "event reasons" with driver 535.
_REASONS_NOW = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
_REASONS_POSSIBLE = ("nvmlDeviceGetSupportedClocksEventReasons", "nvmlDeviceGetSupportedClocksThrottleReasons")


class NvmlDevice:
    """One NVIDIA GPU, by its place in the driver's list.

    Identity, questions and throttle counters, throttle bits, and events belong to one thread each. What questions keep
    outlasts `identify`: a call of before may still be in flight.
    """

    def __init__(self, calls: NvmlCalls, index: int, clock: Callable[[], float]) -> None:
        self.index, self.counters_call = index, fields.FUNCTION
        self._calls = calls
        self._target = target = Target(calls)
        pcie = links.PcieTraffic(target)
        self._gpm, self._mig = Gpm(target, pcie, clock), Mig(target)
        self._throttle_fields, self._events = ThrottleFields(target), EventWatch(target)
        self._questions = (
            info.question(target),
            *readings.questions(target),
            memory.question(target),
            self._gpm.question,
            *links.questions(target, pcie),
            *health.questions(target),
            *self._mig.questions,
            processes.question(target, self._mig.found),
        )

    def identify(self) -> GpuIdentity:
        """Take a new handle, which is when NVML initialises a GPU, and ask who it is."""
        try:
            target = Target(self._calls, self._calls.ask("nvmlDeviceGetHandleByIndex", self.index))
            uuid = target.text("nvmlDeviceGetUUID")
        except NvmlRefusal as refusal:
            if refusal.code == NvmlCode.NO_PERMISSION:
                raise GpuForbidden(str(refusal), next_step="give it to this container if it is yours") from None
            raise GpuLost(str(refusal), next_step="see whether nvidia-smi shows the GPU") from None
        self._target.handle = target.handle
        for keeper in (self._gpm, self._mig, self._throttle_fields):
            keeper.forget()
        return GpuIdentity(index=self.index, uuid=uuid)

    def questions(self) -> Sequence[Question]:
        """Return everything that can be asked."""
        return self._questions

    def throttle_bits(self) -> int | None:
        """Return the reasons of this moment. A failed call is one sample less; the questions find out if it is more."""
        try:
            return int(self._target.first(_REASONS_NOW))
        except NvmlRefusal:
            return None

    def throttle_mask(self) -> int:
        """Return the reasons that the part can report; where the driver does not say (vGPU guests), it may be any."""
        try:
            return int(self._target.first(_REASONS_POSSIBLE)) & EVERY_REASON
        except NvmlFailed:
            return EVERY_REASON
        except NvmlAbsent:
            return EVERY_REASON if self._has_reasons() else 0

    def _has_reasons(self) -> bool:
        try:
            self._target.first(_REASONS_NOW)
        except NvmlAbsent:
            return False
        except NvmlFailed:
            pass
        return True

    def throttle_counters(self) -> Mapping[str, int]:
        """Return {reason: raw count of the hardware}, of those that the driver has. GpuAbsent, GpuFailed: not now."""
        return self._throttle_fields.counters()

    def watch_events(self) -> tuple[str, ...]:
        """Register for events. GpuAbsent when the part reports none, GpuFailed when that did not work this time."""
        return self._events.register()

    def wait_events(self, seconds: float) -> Sequence[GpuEvent]:
        """Wait for the next event. GpuFailed when the registration has to be made anew."""
        return self._events.wait(seconds)

    def close(self) -> None:
        """Give back what the driver keeps for it. To be called when nothing is asked any more."""
        self._events.close()
        self._gpm.close()
        self._mig.close()
