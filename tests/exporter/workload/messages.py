"""The kubelet's answers, byte by byte: an encoder of its own, so that the decoder is not tested against itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Devices = Sequence[tuple[str, Sequence[str]]]
"""(resource, ids) pairs."""
Claim = tuple[str, str, Sequence[str]]
"""Driver, device, names of the container device interface."""


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def plugin_devices(resource: str, ids: Iterable[str]) -> bytes:
    numa_node = field(3, field(1, number_field(1, 1)))
    return field(1, resource) + b"".join(field(2, name) for name in ids) + numa_node


def claim(driver: str, device: str, cdi_names: Iterable[str]) -> bytes:
    resource = b"".join(field(1, field(1, name)) for name in cdi_names) + field(2, driver) + field(3, "node-1")
    return field(2, "a-claim") + field(3, "ml") + field(4, resource + (field(4, device) if device else b""))


def container(name: str, devices: Devices = (), claims: Sequence[Claim] = ()) -> bytes:
    cpus = field(3, varint(2) + varint(3))
    memory = field(4, field(1, "memory") + number_field(2, 1 << 34))
    given = b"".join(field(2, plugin_devices(*one)) for one in devices)
    return field(1, name) + given + cpus + memory + b"".join(field(5, claim(*one)) for one in claims)


def pod(namespace: str, name: str, *containers: bytes) -> bytes:
    return field(1, name) + field(2, namespace) + b"".join(field(3, one) for one in containers)


def pods(*one: bytes) -> bytes:
    return b"".join(field(1, message) for message in one)


def simple_pod(name: str, *ids: str, resource: str = "nvidia.com/gpu", namespace: str = "ml") -> bytes:
    """A pod of one container, `main`, that holds devices of one resource."""
    return pod(namespace, name, container("main", [(resource, ids)]))


def allocatable(*devices: tuple[str, Sequence[str]]) -> bytes:
    return b"".join(field(1, plugin_devices(*one)) for one in devices) + field(2, varint(1))
