"""Which PCI devices are graphics cards of AMD.

Apart from the backend: `atlas_ops.cli` asks `present` on every machine, and imports the rest only where that is true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_VENDOR = "0x1002"
_CARD = re.compile(r"card[0-9]+")
_ADDRESS = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")
"""PCI domain, bus, device and function: the name of a PCI device's folder."""


def present(host_root: str = "/") -> bool:
    """Whether a graphics card of AMD is in the machine, with or without a driver. A few file names are all it costs."""
    return any(True for _ in devices(Path(host_root)))


def devices(host_root: Path) -> Iterator[Path]:
    """Yield the folders of the PCI devices that are graphics cards of AMD."""
    try:
        names = [path for path in (host_root / "sys/class/drm").iterdir() if _CARD.fullmatch(path.name)]
    except OSError:
        return
    for name in names:
        try:
            device = (name / "device").resolve(strict=True)
            vendor = (device / "vendor").read_text("ascii", "replace").strip()
        except OSError:  # taken out in this moment; partitions of a card (amdgpu_xcp) have no vendor
            continue
        if vendor == _VENDOR and _ADDRESS.fullmatch(device.name):
            yield device


def place(device: Path) -> tuple[int, ...]:
    """Return the PCI address of a device as numbers, to sort by."""
    address = _ADDRESS.fullmatch(device.name)
    return tuple(int(part, 16) for part in address.groups()) if address else ()
