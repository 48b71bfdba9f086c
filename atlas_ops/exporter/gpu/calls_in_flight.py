"""Driver calls about one GPU that have not returned: how old the oldest is, and which question hangs.

Every thread of `gpu.worker` makes its calls through here; the page tells the age, and the watchdog acts on it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType


class CallsInFlight:
    """The calls that are under way, in any thread. `clock` is in seconds and never runs backwards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[_Call, float] = {}

    def call(self) -> _Call:
        """Return a context in which a call is under way."""
        return _Call(self._since, self._clock)

    def oldest_seconds(self, now: float) -> float:
        """Return the age of the oldest call; 0 when there is none."""
        since = list(self._since.values())
        return max(0.0, now - min(since)) if since else 0.0


class _Call:
    """One call. A class, not a generator: it is entered for every call to the driver."""

    __slots__ = ("_clock", "_since")

    def __init__(self, since: dict[_Call, float], clock: Callable[[], float]) -> None:
        self._since, self._clock = since, clock

    def __enter__(self) -> None:
        self._since[self] = self._clock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._since[self]
