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
from urllib.parse import urlsplit

from atlas_ops.errors import AtlasError
from atlas_ops.simulator.gpu import GpuState

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
        return tuple(GpuState(**fields) for fields in json.loads(text))
    except (ValueError, TypeError) as error:
        raise GpusUnreachable(f"this is no page of simulated GPUs: {error}") from error


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
