"""Finds the AMD GPUs of a machine. `Amd` is what `atlas_ops.cli.exporter` gives to the GPU collector where `devices.present`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from atlas_ops.exporter.amd import devices as pci_devices
from atlas_ops.exporter.amd.card import Card
from atlas_ops.exporter.amd.device import AmdDevice
from atlas_ops.exporter.amd.smi import Smi, SmiTrouble, import_library
from atlas_ops.exporter.amd.sysfs import DRIVER, driver_of
from atlas_ops.exporter.gpu.backend import GpuNone, GpuUnavailable

_log = logging.getLogger(__name__)


class Amd:
    """The AMD GPUs of the host whose file system is at `host_root`.

    They are measured through AMD's library where `load` returns it and it works, and through the kernel's files where not.
    """

    name = "amd"

    def __init__(self, host_root: str = "/", *, load: Callable[[], object] = import_library) -> None:
        self._root, self._load = Path(host_root), load
        self._smi: Smi | None = None
        self._trouble = ""

    def open(self) -> Sequence[AmdDevice]:
        """Return the GPUs in the order of their PCI addresses; GpuNone when there is none, GpuUnavailable without a driver."""
        found = sorted(pci_devices.devices(self._root), key=pci_devices.place)
        devices = [device for device in found if driver_of(device) == DRIVER]
        if not found:
            raise GpuNone("there is no AMD GPU", next_step="see whether lspci lists one")
        if not devices:
            raise GpuUnavailable(
                f"{len(found)} AMD GPU(s), none with the driver {DRIVER}", next_step=f"load the kernel module {DRIVER}"
            )
        cards = self._cards(devices)
        return tuple(AmdDevice(index, card) for index, card in enumerate(cards))

    def close(self) -> None:
        """Let go of the library, if it is in use."""
        if self._smi is not None:
            self._smi.close()
            self._smi = None

    def _cards(self, devices: Sequence[Path]) -> Iterator[Card]:
        handles = self._handles()
        for device in devices:
            if self._smi is not None and device.name in handles:
                yield self._smi.card(device, self._root, handles[device.name])
            else:
                yield Card(device, self._root)

    def _handles(self) -> dict[str, object]:
        """Return the library's handles by PCI address; none when it does not work, which is logged once."""
        self.close()
        try:
            smi = Smi(self._load())
            handles = dict(smi.open())
        except SmiTrouble as trouble:
            if str(trouble) != self._trouble:
                self._trouble = str(trouble)
                _log.info("AMD GPUs are read from the kernel's files, without the library amdsmi (%s)", trouble)
            return {}
        self._smi, self._trouble = smi, ""
        return handles
