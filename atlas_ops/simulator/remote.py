"""GPU readings across a process border: the simulator's `/gpus` page, and whoever reads it from another process.

Written by `simulator.server`, read through `simulator.nvml` by an exporter that runs beside the simulator.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from atlas_ops.errors import AtlasError, UsageError
from atlas_ops.simulator.drivers import driver_by_name
from atlas_ops.simulator.profiles import profile_by_name
from atlas_ops.simulator.state import GpuState

CACHE_SECONDS = 0.05
"""A sampler that asks ten values of every GPU ten times a second needs one page per round, and none that is stale."""
TIMEOUT_SECONDS = 1.0


class GpusUnreachable(AtlasError):
    """The simulator does not answer, or answers something that is no list of GPUs."""


def gpus_as_json(gpus: tuple[GpuState, ...]) -> str:
    """Return the text of the `/gpus` page."""
    return json.dumps([dataclasses.asdict(gpu) for gpu in gpus])


def gpus_from_json(text: str) -> tuple[GpuState, ...]:
    """Return the GPUs of a `/gpus` page; GpusUnreachable when it is something else."""
    try:
        gpus: tuple[GpuState, ...] = _decoded(tuple[GpuState, ...], json.loads(text))
        for gpu in gpus:
            profile_by_name(gpu.profile)
            driver_by_name(gpu.driver)
    except (ValueError, TypeError, AttributeError, KeyError, UsageError) as error:
        raise GpusUnreachable(f"this is no page of simulated GPUs: {error}") from error
    return gpus


def _decoded(kind: Any, value: Any) -> Any:
    """Return what JSON made of a value of a type: records came as objects, tuples as lists."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        kinds = _field_types(kind)
        return kind(**{name: _decoded(kinds[name], part) for name, part in value.items()})
    if get_origin(kind) is tuple:
        return tuple(_decoded(get_args(kind)[0], part) for part in value)
    return value


@cache
def _field_types(record: Any) -> dict[str, Any]:
    return get_type_hints(record)


def remote_gpus(url: str) -> Callable[[], tuple[GpuState, ...]]:
    """Return a function that reads the GPUs of the simulator at `url` (http://HOST:PORT), at most every 50 ms.

    The function is safe for threads and raises GpusUnreachable. AtlasError at once when `url` is no such address.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise AtlasError(f"{url!r} is no address of a simulator", next_step="write it like http://127.0.0.1:9500")
    return _Reader(parts.hostname, parts.port).read


class _Reader:
    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._gpus: tuple[GpuState, ...] = ()
        self._failure: GpusUnreachable | None = None

    def read(self) -> tuple[GpuState, ...]:
        with self._lock:
            if time.monotonic() - self._read_at > CACHE_SECONDS:
                self._refresh()
            if self._failure:
                raise self._failure
            return self._gpus

    def _refresh(self) -> None:
        try:
            self._gpus, self._failure = gpus_from_json(self._fetch()), None
        except GpusUnreachable as failure:
            self._failure = failure
        self._read_at = time.monotonic()

    def _fetch(self) -> str:
        host, port = self._address
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/gpus")
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
            raise GpusUnreachable(f"no simulator answers at {host}:{port}: {error}") from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise GpusUnreachable(f"{host}:{port} answered /gpus with {answer.status}")
        return text
