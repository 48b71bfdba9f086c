"""The names under which Kubernetes hands out GPUs, and the names under which a driver knows them.

Called by `podresources` (what the kubelet says) and `collector` (what a GPU may be called). Both sides become keys, so
that a match is one look-up. The forms are those of the plugins' sources: NVIDIA/k8s-device-plugin internal/rm,
kubernetes-sigs/dra-driver-nvidia-gpu, GoogleCloudPlatform/container-engine-accelerators, ROCm/k8s-device-plugin and
ROCm/k8s-gpu-dra-driver.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from atlas_ops.exporter.gpu.backend import GpuIdentity, GpuInstance

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_REPLICA = re.compile(r"(?P<id>.+?)(?:::\d+|/vgpu\d+|-slice-\d+)\Z")
"""Parts in time, or by MPS: `GPU-…::3` (NVIDIA), `nvidia0/vgpu1` (GKE), `0000:03:00.0-slice-2` (AMD)."""
_NVIDIA_UUID = re.compile(rf"GPU-{_UUID}\Z", re.IGNORECASE)
_MIG_UUID = re.compile(rf"MIG-{_UUID}\Z", re.IGNORECASE)
_OLD_MIG_UUID = re.compile(rf"MIG-(?P<gpu>GPU-{_UUID})/(?P<gi>\d+)/(?P<ci>\d+)\Z", re.IGNORECASE)
"""The driver's own form before R470."""
_GKE = re.compile(r"nvidia(?P<minor>\d{1,4})(?:/gi(?P<gi>\d+))?\Z")
_PCI = re.compile(r"(?P<domain>[0-9a-f]{4,8}):(?P<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\Z", re.IGNORECASE)
_CARD = re.compile(r"card(?P<minor>\d{1,4})\Z")
_INDEX = re.compile(r"(?P<index>\d{1,4})(?::(?P<mig>\d+))?\Z")
_GPU_RESOURCE = re.compile(r"gpu|/mig-|\Anvidia\.com/|\Aamd\.com/", re.IGNORECASE)
"""Numbers, cards and PCI addresses name network cards too, so there the resource has to say that it is a GPU."""
_CLAIMED = re.compile(r"(?:.*-)?gpu-(?P<minor>\d{1,4})(?P<part>-mig-.+)?\Z")
"""`gpu-0`, `gpu-0-mig-1g10gb-19-0`; in a CDI name behind the uid of a claim. The number is the minor one since driver
25.8, the index before, which is the same on nearly every node."""
_CLAIMED_AMD = re.compile(r"(?:.*-)?gpu-(?P<minor>\d{1,4})-\d+\Z")
"""`gpu-1-129`: the numbers of /dev/dri/cardN and renderDN."""


@dataclass(frozen=True, slots=True)
class DeviceId:
    """A device as Kubernetes names it."""

    key: str
    """Compares with `keys_of`; empty where the name does not tell which part of its GPU it means."""
    gpu: str
    """The key of the whole GPU; empty where the name does not tell."""
    replica: bool = False
    """Whether others may hold the same device, in turn or by MPS."""


def of_plugin(resource: str, name: str) -> DeviceId | None:
    """Return the device behind an id of a device plugin; None when it is no GPU."""
    replica = _REPLICA.match(name)
    found = _by_itself(replica["id"] if replica else name)
    if found is None and _GPU_RESOURCE.search(resource):
        found = _by_resource(replica["id"] if replica else name)
    return DeviceId(found.key, found.gpu, replica=True) if found and replica else found


def of_claim(driver: str, device: str, cdi_names: Iterable[str]) -> DeviceId | None:
    """Return the device behind a claim of dynamic resource allocation; None when it is no GPU.

    Where the name of the device says nothing, those of the container device interface (`vendor/class=name`) may.
    """
    if "gpu" not in driver:
        return None
    for name in (device, *(cdi.partition("=")[2] for cdi in cdi_names)):
        found = _by_itself(name) or _by_claim(driver, name)
        if found is not None:
            return found
    return None


def keys_of(gpu: GpuIdentity, instance: GpuInstance | None) -> tuple[str, ...]:
    """Return every key under which Kubernetes may know a whole GPU or, when given, an instance of it."""
    return tuple(_gpu_keys(gpu) if instance is None else _instance_keys(gpu, instance))


def _gpu_keys(gpu: GpuIdentity) -> Iterator[str]:
    if gpu.uuid:
        yield _uuid(gpu.uuid)
    if gpu.minor is not None:
        yield _minor(gpu.minor)
    if address := _PCI.match(gpu.pci_bus_id):
        yield _pci(address)
    yield _index(gpu.index)


def _instance_keys(gpu: GpuIdentity, instance: GpuInstance) -> Iterator[str]:
    if instance.uuid:
        yield _uuid(instance.uuid)
    if gpu.uuid:
        yield f"{_uuid(gpu.uuid)}/{instance.gpu_instance}/{instance.compute_instance}"
    if gpu.minor is not None:
        yield f"{_minor(gpu.minor)}/{instance.gpu_instance}"


def _by_itself(name: str) -> DeviceId | None:
    """Return the device of an id that only GPUs have."""
    if _NVIDIA_UUID.match(name):
        return _whole(_uuid(name))
    if _MIG_UUID.match(name):
        return DeviceId(_uuid(name), "")
    if old := _OLD_MIG_UUID.match(name):
        return DeviceId(f"{_uuid(old['gpu'])}/{int(old['gi'])}/{int(old['ci'])}", _uuid(old["gpu"]))
    if gke := _GKE.match(name):
        gpu = _minor(int(gke["minor"]))
        return DeviceId(f"{gpu}/{int(gke['gi'])}" if gke["gi"] else gpu, gpu)
    return None


def _by_resource(name: str) -> DeviceId | None:
    """Return the device of an id that other hardware may have too."""
    if pci := _PCI.match(name):
        return _whole(_pci(pci))
    if card := _CARD.match(name):
        return _whole(_minor(int(card["minor"])))
    if number := _INDEX.match(name):
        gpu = _index(int(number["index"]))
        return DeviceId("", gpu) if number["mig"] else _whole(gpu)
    return None


def _by_claim(driver: str, name: str) -> DeviceId | None:
    pattern = _CLAIMED_AMD if "amd" in driver else _CLAIMED
    if claimed := pattern.match(name):
        gpu = _minor(int(claimed["minor"]))
        return DeviceId("", gpu) if claimed.groupdict().get("part") else _whole(gpu)
    return None


def _whole(key: str) -> DeviceId:
    return DeviceId(key, key)


def _uuid(uuid: str) -> str:
    return f"uuid {uuid.lower()}"


def _minor(number: int) -> str:
    return f"minor {number}"


def _index(number: int) -> str:
    return f"index {number}"


def _pci(address: re.Match[str]) -> str:
    """Return one spelling: NVML gives the domain eight digits, the kernel four."""
    return f"pci {int(address['domain'], 16):04x}:{address['rest'].lower()}"
