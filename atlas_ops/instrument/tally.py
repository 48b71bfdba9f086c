"""What is known of one model: plain numbers behind a lock, which cost a request next to nothing.

Written by `request`, `onnx` and `instrument`; read by `names` when somebody looks at the metrics. Knows no OpenTelemetry.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from atlas_ops.instrument.failures import Failures
from atlas_ops.instrument.outcome import OUTCOMES, Ended


@dataclass(slots=True)
class Tokens:
    """Tokens so far."""

    prompt: int = 0
    """Cached ones included."""
    cached: int = 0
    generated: int = 0


@dataclass(kw_only=True, slots=True)
class Tally:
    """The numbers of one model. What is None was never told, and is not published."""

    failures: Failures
    lock: threading.Lock = field(default_factory=threading.Lock)
    in_flight: int = 0
    """Requests that have come and are not answered yet, the waiting ones included."""
    in_line: int | None = None
    """Those of them that wait, by `Request.waiting`."""
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    tokens: Tokens | None = None
    batches: int = 0
    batched_requests: int = 0
    queue: Callable[[], float] | None = None
    running_limit: int | None = None
    waiting_limit: int | None = None
    load_seconds: float | None = None
    ready: bool | None = None

    def begin(self) -> None:
        """Count a request that has come."""
        with self.lock:
            self.in_flight += 1

    def end(self, outcome: Ended) -> None:
        """Count a request that is over."""
        with self.lock:
            self.in_flight -= 1
            if outcome != "ignored":
                self.outcomes[outcome] += 1

    def queue_up(self, requests: int) -> None:
        """Let so many requests more, or fewer, stand in line."""
        with self.lock:
            self.in_line = (self.in_line or 0) + requests

    def add_tokens(self, prompt: int, cached: int, generated: int) -> None:
        """Count tokens."""
        with self.lock:
            tokens = self.tokens = self.tokens or Tokens()
            tokens.prompt += prompt
            tokens.cached += cached
            tokens.generated += generated

    def add_batch(self, requests: int) -> None:
        """Count one execution that so many requests had a part in."""
        with self.lock:
            self.batches += 1
            self.batched_requests += requests

    def waiting(self) -> int | None:
        """Return how many requests wait: those in line, and those in a queue of the server's own."""
        queued = self._queued()
        return self.in_line if queued is None else (self.in_line or 0) + queued

    def running(self) -> int:
        """Return how many requests are being executed: those in flight that do not wait."""
        return max(self.in_flight - (self.waiting() or 0), 0)

    def _queued(self) -> int | None:
        if self.queue is None:
            return None
        try:
            return max(int(self.queue()), 0)
        except Exception:  # noqa: BLE001 (the server's own function)
            self.failures.add("the function given to Instrument.queue")
            return None
