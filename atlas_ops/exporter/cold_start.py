"""How long a server took from its start to its first ready answer, for runtimes that do not tell it.

Used by `server_collector`. Measured only where both ends were seen: a server that was ready before anybody looked tells
nothing, and neither does one whose start nobody knows.
"""

from __future__ import annotations

UNSEEN_SECONDS = 600.0
"""How long before the first look a server may have begun. Weights of large models load for minutes, and the exporter
itself may be restarted meanwhile; a server that has been there for longer is away, not starting."""
SAME_START_SECONDS = 5.0
"""Start times closer than this are of one process: the page's, the container's, and those of a clock that was set."""


class ColdStart:
    """The last start of one server."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        """Of the last start that was seen, as exact as the interval between two looks."""
        self._unready_since: float | None = None
        self._was_ready: float | None = None
        """When the process began that was ready before."""

    def observe(self, *, ready: bool, began: float | None, now: float) -> None:
        """Take in a look: whether the server answers requests, and when its process or container began (Unix time)."""
        if not ready:
            self._unready_since = now if self._unready_since is None else self._unready_since
            return
        unready_since, self._unready_since = self._unready_since, None
        if began is None:
            return
        was_ready, self._was_ready = self._was_ready, began
        if unready_since is None or (was_ready is not None and abs(began - was_ready) < SAME_START_SECONDS):
            return
        if unready_since - UNSEEN_SECONDS <= began <= now:
            self.seconds = now - began
