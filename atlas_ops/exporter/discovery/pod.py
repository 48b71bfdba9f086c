"""Reads what the API of Kubernetes says of a pod into the few facts that tell a model server.

Called by `pod_store` for each object of a list and of a watch. Field names: Kubernetes API reference, Pod v1 core.
Nothing is believed: a field of another shape than the API's counts as missing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAX_CONTAINERS = 32
"""Of a pod that are looked at; real ones have a handful."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""A DNS subdomain (RFC 1123), as Kubernetes asks of names; longer or stranger ones would become labels of series."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """One container of a pod; init containers are none."""

    name: str
    image: str
    command: str
    """Command and arguments, joined by spaces."""
    ports: tuple[tuple[str, int], ...]
    """(name, number) of the TCP ports that it declares."""
    started_at: float | None
    """Unix time; None while it does not run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """One pod."""

    namespace: str
    name: str
    node: str
    ip: str
    """As in a URL, so an IPv6 address is in brackets; empty while it has none."""
    running: bool
    """Whether its containers have been started and not all of them have ended; it need not be ready."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[Container, ...]


def read_name(found: object) -> tuple[str, str]:
    """Return namespace and name of an object; empty where they are missing or could not be real."""
    metadata = _mapping(_mapping(found).get("metadata"))
    namespace, name = _text(metadata.get("namespace")), _text(metadata.get("name"))
    return (namespace if _NAME.fullmatch(namespace) else "", name if _NAME.fullmatch(name) else "")


def read_pod(found: object) -> Pod:
    """Return what an object says of its pod."""
    pod = _mapping(found)
    metadata, spec, status = (_mapping(pod.get(part)) for part in ("metadata", "spec", "status"))
    namespace, name = read_name(found)
    return Pod(
        namespace=namespace,
        name=name,
        node=_text(spec.get("nodeName")),
        ip=_ip(_text(status.get("podIP"))),
        running=status.get("phase") == "Running",
        labels=_texts(metadata.get("labels")),
        annotations=_texts(metadata.get("annotations")),
        containers=tuple(_containers(spec.get("containers"), _starts(status.get("containerStatuses")))),
    )


def _ip(text: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return str(found) if found.version == 4 else "" if found.scope_id else f"[{found}]"


def _containers(found: object, starts: Mapping[str, float]) -> Iterator[Container]:
    for item in _list(found)[:MAX_CONTAINERS]:
        container = _mapping(item)
        name = _text(container.get("name"))
        if _NAME.fullmatch(name):
            words = [*_list(container.get("command")), *_list(container.get("args"))]
            yield Container(
                name=name,
                image=_text(container.get("image")),
                command=" ".join(_text(word) for word in words),
                ports=tuple(_ports(container.get("ports"))),
                started_at=starts.get(name),
            )


def _ports(found: object) -> Iterator[tuple[str, int]]:
    for item in _list(found):
        port = _mapping(item)
        number = port.get("containerPort")
        if type(number) is int and 0 < number < 1 << 16 and port.get("protocol", "TCP") == "TCP":
            yield _text(port.get("name")), number


def _starts(found: object) -> dict[str, float]:
    """Return when each container that runs was started."""
    starts = {}
    for item in _list(found):
        status = _mapping(item)
        running = _mapping(_mapping(status.get("state")).get("running"))
        try:
            starts[_text(status.get("name"))] = datetime.fromisoformat(_text(running.get("startedAt"))).timestamp()
        except (ValueError, OverflowError):
            continue
    return starts


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _texts(found: object) -> dict[str, str]:
    return {name: value for name, value in _mapping(found).items() if isinstance(value, str)}
