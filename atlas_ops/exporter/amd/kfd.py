"""Which processes hold memory of a GPU, as the compute driver (KFD, of the module amdgpu) tells in its own files.

Used by `exporter.amd.card`. The pids are those of the host. Without access to the GPU's device file the kernel keeps the
topology to itself.
"""

from __future__ import annotations

import re
from pathlib import Path

from atlas_ops.exporter.amd.sysfs import Folder
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed

_PROPERTY = re.compile(r"^(domain|location_id) ([0-9]{1,20})$", re.MULTILINE)


class Kfd:
    """The files below `sys/class/kfd/kfd` of a host."""

    def __init__(self, host_root: Path) -> None:
        self._folder = Folder(host_root / "sys/class/kfd/kfd")

    def gpu_ids(self, address: str) -> frozenset[int]:
        """Return KFD's own numbers of the GPU at a PCI address: one, or one for each partition of it."""
        found = set()
        for node in self._folder.names("topology/nodes"):
            place = dict(_PROPERTY.findall(self._folder.text(f"topology/nodes/{node}/properties")))
            if _address(int(place.get("domain", 0)), int(place.get("location_id", 0))) == address:
                found.add(self._folder.count(f"topology/nodes/{node}/gpu_id"))
        found.discard(0)  # the node of a processor
        if not found:
            raise GpuAbsent(f"the compute driver does not list {address}")
        return frozenset(found)

    def memory(self, gpu_ids: frozenset[int]) -> dict[int, int]:
        """Return {pid: bytes} of the processes that hold memory of the GPU."""
        held = {}
        for pid in self._folder.names("proc"):
            try:
                used = sum(self._folder.count(f"proc/{pid}/vram_{gpu_id}") for gpu_id in gpu_ids)
            except (GpuAbsent, GpuFailed):
                continue  # it has ended, or does not use this GPU; the others are told all the same
            if used and pid.isdecimal():
                held[int(pid)] = used
        return held


def _address(domain: int, location: int) -> str:
    """Return the PCI address: `location_id` is bus, device and function in 8, 5 and 3 bits."""
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7:x}"
