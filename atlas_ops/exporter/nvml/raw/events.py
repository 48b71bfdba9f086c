"""The events of a recording, told again: each once, at its time, to every event set that watches its GPU.

Used by `exporter.nvml.replay`, one thread for each event set. As with the driver, an event from before the registration
is told to nobody.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from atlas_ops.exporter.nvml.raw.lines import Answer


@dataclass(slots=True)
class _Set:
    gpus: set[str] = field(default_factory=set)
    next: int = 0


class EventSets:
    """The event sets of one library. `now` tells the replayed time in seconds."""

    def __init__(self, events: Sequence[Answer], now: Callable[[], float]) -> None:
        self._events, self._now = events, now
        self._sets: dict[int, _Set] = {}
        self._lock = threading.Lock()

    def register(self, event_set: int, gpu: str) -> None:
        """Let an event set (its address) watch a GPU (the name of its handle) from now on."""
        first = bisect.bisect_right(self._events, self._now(), key=lambda event: event.at)
        with self._lock:
            self._sets.setdefault(event_set, _Set(next=first)).gpus.add(gpu)

    def wait(self, event_set: int, seconds: float) -> Answer | None:
        """Return the next event of a set; None when there was none for so long."""
        until = time.monotonic() + seconds
        while True:
            event, due = self._take(event_set)
            left = until - time.monotonic()
            if event is not None or left <= 0:
                return event
            time.sleep(min(left, due))

    def free(self, event_set: int) -> None:
        """Forget a set."""
        with self._lock:
            self._sets.pop(event_set, None)

    def _take(self, event_set: int) -> tuple[Answer | None, float]:
        """Return the event of a set that is due, or None and the seconds until there can be one."""
        with self._lock:
            watching = self._sets.get(event_set, _Set(next=len(self._events)))
            while watching.next < len(self._events):
                event = self._events[watching.next]
                if event.at > self._now():
                    return None, event.at - self._now()
                watching.next += 1
                if _gpu_of(event) in watching.gpus:
                    return event, 0.0
        return None, float("inf")


def _gpu_of(event: Answer) -> str:
    data = event.outputs[0] if event.outputs else None
    device = data.get("device") if isinstance(data, dict) else None
    name = device.get("handle") if isinstance(device, dict) else None
    return name if isinstance(name, str) else ""
