"""One call of a function of NVML as a recording sees it: whom it is about, what selects the answer, what came back.

Made by `exporter.nvml.record` and `exporter.nvml.replay` in the same way, so that what one writes the other finds.
"""

from __future__ import annotations

from typing import Any

from atlas_ops.exporter.nvml.raw import c_objects as c
from atlas_ops.exporter.nvml.raw.fill import Unfit, fill
from atlas_ops.exporter.nvml.raw.handles import ALIKE, EVENT_SET, GPM_SAMPLE, Handles, short_kind
from atlas_ops.exporter.nvml.raw.plain import Plain, diff, given, read, trimmed


class Call:
    """A call with the ctypes arguments of the binding, looked at before it is made. Unreadable when it cannot be kept.

    `of` is the name of the handle that comes first, if one does; `inputs` are the other arguments, as they were before the
    call: what is given by value, and what is not zero behind a reference.
    """

    def __init__(self, function: str, arguments: tuple[Any, ...], handles: Handles) -> None:
        self.function = function
        self._arguments, self._handles = arguments, handles
        has_handle = bool(arguments) and c.is_handle(arguments[0])
        self.of = handles.name(arguments[0]._type_.__name__, c.address(arguments[0])) if has_handle else ""
        self._others = arguments[has_handle:]
        self._targets = [c.target(argument) for argument in self._others]
        for place in self._targets:
            c.clear_answers(place)
        self._before = self._look()
        self.inputs = trimmed(self._before)

    @property
    def handle(self) -> int:
        """The address of the first argument, which is a handle."""
        return c.address(self._arguments[0])

    @property
    def last_handle(self) -> int:
        """The address of the handle that is the last argument, or that the call has written behind it."""
        last = self._arguments[-1]
        return c.address(last if c.target(last) is None else c.target(last))

    def outputs(self) -> list[Plain]:
        """Return what the call has changed behind its references, by the places of `inputs`."""
        return trimmed([diff(*pair) for pair in zip(self._before, self._look(), strict=True)])

    def answer(self, outputs: list[Plain]) -> None:
        """Write an answer behind the references. Unfit when it is not for these arguments."""
        if len(outputs) > len(self._targets):
            raise Unfit(f"answers to {len(self._targets)} arguments", outputs)
        for place, data in zip(self._targets, outputs, strict=False):
            if place is not None:
                fill(place, data, self._handles)
            elif data is not None:
                raise Unfit("no answer to an argument that is given by value", data)

    def name_handles(self) -> None:
        """Name the handles that the call gave or freed, after it went well.

        A GPU is `gpu0`, an instance on it `gpu0/mig1`, by the places in the driver's list and in the GPU's. A GPM sample is
        named for what was last sampled into it, since that is what an answer made from it is about.
        """
        match self.function:
            case "nvmlDeviceGetHandleByIndex" | "nvmlDeviceGetHandleByIndex_v2":
                self._handles.give(self.last_handle, f"gpu{self.inputs[0]}")
            case "nvmlDeviceGetMigDeviceHandleByIndex":
                self._handles.give(self.last_handle, f"{self.of}/mig{self.inputs[0]}")
            case "nvmlEventSetCreate":
                self._handles.give(self.last_handle, EVENT_SET)
            case "nvmlGpmSampleAlloc":
                self._handles.give(self.last_handle, GPM_SAMPLE)
            case "nvmlGpmSampleGet":
                self._handles.give(self.last_handle, f"{GPM_SAMPLE} {self.of}")
            case "nvmlGpmMigSampleGet":
                self._handles.give(self.last_handle, f"{GPM_SAMPLE} {self.of}/gi{self.inputs[0]}")
            case "nvmlEventSetFree" | "nvmlGpmSampleFree":
                self._handles.forget(self.handle)

    def _look(self) -> list[Plain]:
        return [self._form(argument) for argument in self._others]

    def _form(self, argument: Any) -> Plain:
        place = c.target(argument)
        if place is not None:
            return read(place, self._handles)
        if c.is_handle(argument) and short_kind(argument._type_.__name__) in ALIKE:
            return None  # which one of these it is selects no answer
        return given(argument, self._handles)
