"""The facts about a GPU that never change: name, driver, place on the bus. Used by `exporter.nvml.device` and `mig`."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import Question, Value
from atlas_ops.exporter.nvml.calls import NvmlFailed, NvmlRefusal, Target, text
from atlas_ops.exporter.samples import labels

FACTS_SECONDS = 10.0


def question(target: Target) -> Question:
    """Return the question about one GPU."""
    return Question(
        name="info", signals=(s.GPU_INFO,), ask=lambda: _ask(target), vital=False, every_seconds=FACTS_SECONDS
    )


def _ask(target: Target) -> Iterable[Value]:
    """Ask; a fact that the driver hides is left out."""
    facts = labels(
        name=name(target), driver_version=driver_version(target), pci_bus_id=pci_bus_id(target), minor=_minor(target)
    )
    return (Value(s.GPU_INFO, 1.0, facts),)


def name(target: Target) -> str:
    """Return the name of a GPU or an instance; nothing when it is not given."""
    try:
        return target.text("nvmlDeviceGetName")
    except NvmlFailed:
        return ""


def driver_version(target: Target) -> str:
    """Return the version of the driver, such as `580.65.06`; nothing when it is not given."""
    try:
        return target.calls.text("nvmlSystemGetDriverVersion")
    except NvmlFailed:
        return ""


def _minor(target: Target) -> str:
    """Return the number of the device file (/dev/nvidiaN); nothing when it is not given."""
    try:
        return str(int(target.ask("nvmlDeviceGetMinorNumber")))
    except NvmlRefusal:
        return ""


def pci_bus_id(target: Target) -> str:
    """Return the place on the bus, such as `00000000:1B:00.0`; nothing when it is not given."""
    try:
        record = target.ask("nvmlDeviceGetPciInfo")
    except NvmlRefusal:
        return ""
    # Past the binding's own attribute access, which decodes strictly.
    return text(bytes(ctypes.Structure.__getattribute__(record, "busId")))
