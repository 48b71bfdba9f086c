"""What Prometheus knows of the servers of each model, window by window. Filled by `reading`, judged by `assess`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW = 300.0
"""Seconds: long against the time of most requests, short against the rise of the morning."""
LATELY = 12
"""Windows that say how many replicas there are now, and may be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One model of one runtime in one namespace, as `catalog.conventions.MODEL_LABELS`."""

    runtime: str
    model: str
    namespace: str

    @property
    def title(self) -> str:
        """Return how people call it."""
        places = (self.runtime, self.namespace and f"namespace {self.namespace}")
        told = ", ".join(place for place in places if place)
        return f"{self.model} ({told})" if told else self.model


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """A latency objective: `target` of the observations are in time. Slow ones and all, per second, shape (servers, windows)."""

    name: str
    seconds: float
    target: float
    slow: Floats
    all: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """One model. Arrays are of shape (servers, windows), rates per second; NaN where nothing is known."""

    key: Key
    times: Floats
    """Ends of the windows, Unix seconds."""
    servers: tuple[str, ...]
    finished: Floats
    """Requests that ended, rejected ones left out."""
    arrived: Floats
    """Requests that came, rejected ones too."""
    busy: Floats
    """Seconds of the requests that finished, per second: arrivals times their time, L of Little's law."""
    running: Floats
    waiting: Floats
    prompt_tokens: Floats
    generation_tokens: Floats
    slots: Floats
    promises: tuple[Promise, ...]
    most_replicas: int | None
    """What an autoscaler may go up to; None without one."""
