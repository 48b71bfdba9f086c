"""A moment by which everything has to be over.

Used by `fetch` and `server_collector` for one round at a model server, and by `web` for one answer to Prometheus.
"""

from __future__ import annotations

import time


class Deadline:
    """The end of some seconds (a monotonic clock), counted from now or from `begin`."""

    def __init__(self, seconds: float, *, begin: float | None = None) -> None:
        self.begin = time.monotonic() if begin is None else begin
        self._end = self.begin + seconds

    @property
    def left(self) -> float:
        """Seconds left, never below a millisecond (0 would mean `do not block` to a socket)."""
        return max(self._end - time.monotonic(), 0.001)

    @property
    def over(self) -> bool:
        """Whether the moment has come."""
        return time.monotonic() >= self._end
