"""Who a GPU is, and what it can be asked for without having to look."""

from __future__ import annotations

from typing import Any

from atlas_ops.simulator.nvml import c
from atlas_ops.simulator.nvml.target import DeviceFunctions, Target


def _name(target: Target, text: Any, size: Any) -> None:
    suffix = f" MIG {target.instance.kind}" if target.instance else ""
    c.write(text, size, target.profile.board + suffix)


def _pci(target: Target, info: Any) -> None:
    bus = 0x10 + target.state.index
    c.fill(
        info,
        busIdLegacy=f"0000:{bus:02X}:00.0".encode(),
        busId=f"00000000:{bus:02X}:00.0".encode(),
        domain=0,
        bus=bus,
        device=0,
        pciDeviceId=target.profile.pci_device_id,
        pciSubSystemId=0,
    )


def _capability(target: Target, major: Any, minor: Any) -> None:
    for out, value in zip((major, minor), target.profile.compute_capability, strict=True):
        c.put(out, value)


FUNCTIONS: DeviceFunctions = (
    ("nvmlDeviceGetName", _name),
    ("nvmlDeviceGetSerial", c.not_supported),
    ("nvmlDeviceGetPciInfo_v3", _pci),
    ("nvmlDeviceGetMinorNumber", lambda target, out: c.put(out, target.state.index)),
    ("nvmlDeviceGetIndex", lambda target, out: c.put(out, target.state.index)),
    ("nvmlDeviceGetArchitecture", lambda target, out: c.put(out, target.profile.architecture)),
    ("nvmlDeviceGetCudaComputeCapability", _capability),
)
