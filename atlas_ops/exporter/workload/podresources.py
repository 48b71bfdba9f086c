"""What the kubelet's pod-resources API says: which container holds which GPU, and which GPUs it can hand out.

Called by `collector` with the bytes of an answer. Field numbers: kubernetes/kubernetes
staging/src/k8s.io/kubelet/pkg/apis/podresources/v1/api.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atlas_ops.exporter.workload import device
from atlas_ops.exporter.workload.containers import Container
from atlas_ops.exporter.workload.device import DeviceId
from atlas_ops.exporter.workload.wire import fields, text

LIST = "/v1.PodResourcesLister/List"
ALLOCATABLE = "/v1.PodResourcesLister/GetAllocatableResources"


@dataclass(frozen=True, slots=True)
class Holding:
    """One GPU, or a part of one, in the hands of one container."""

    holder: Container
    device: DeviceId
    claimed: bool = False
    """By dynamic resource allocation, where several containers may share one claim."""


def holdings(answer: bytes) -> tuple[Holding, ...]:
    """Read a ListPodResourcesResponse; WireError when it is none. Devices that are no GPUs are left out."""
    return tuple(holding for number, pod in fields(answer) if number == 1 for holding in _of_pod(pod))


def offered(answer: bytes) -> tuple[DeviceId, ...]:
    """Read an AllocatableResourcesResponse; WireError when it is none. Devices that are no GPUs are left out."""
    return tuple(found for number, devices in fields(answer) if number == 1 for found in _of_plugin(devices))


def _of_pod(message: bytes) -> Iterator[Holding]:
    name = namespace = ""
    containers: list[bytes] = []
    for number, content in fields(message):
        if number == 1:
            name = text(content)
        elif number == 2:
            namespace = text(content)
        elif number == 3:
            containers.append(content)
    for content in containers:
        yield from _of_container(content, namespace, name)


def _of_container(message: bytes, namespace: str, pod: str) -> Iterator[Holding]:
    name = ""
    given: list[DeviceId] = []
    claimed: list[DeviceId] = []
    for number, content in fields(message):
        if number == 1:
            name = text(content)
        elif number == 2:
            given += _of_plugin(content)
        elif number == 5:
            claimed += _of_claims(content)
    holder = Container(namespace, pod, name)
    yield from (Holding(holder, found) for found in given)
    yield from (Holding(holder, found, claimed=True) for found in claimed)


def _of_plugin(message: bytes) -> Iterator[DeviceId]:
    """Read a ContainerDevices: several ids of one resource."""
    resource = ""
    ids: list[str] = []
    for number, content in fields(message):
        if number == 1:
            resource = text(content)
        elif number == 2:
            ids.append(text(content))
    for name in ids:
        found = device.of_plugin(resource, name)
        if found is not None:
            yield found


def _of_claims(message: bytes) -> Iterator[DeviceId]:
    """Read a DynamicResource: the devices of one claim."""
    for number, content in fields(message):
        if number == 4:
            found = _of_claim(content)
            if found is not None:
                yield found


def _of_claim(message: bytes) -> DeviceId | None:
    """Read a ClaimResource: one device."""
    driver = name = ""
    cdi_names: list[str] = []
    for number, content in fields(message):
        if number == 1:
            cdi_names += [text(value) for inner, value in fields(content) if inner == 1]
        elif number == 2:
            driver = text(content)
        elif number == 4:
            name = text(content)
    return device.of_claim(driver, name, cdi_names)
