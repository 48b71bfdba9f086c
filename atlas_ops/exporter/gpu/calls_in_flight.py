"""Driver calls about one GPU that have not returned, and how old the oldest is.

Every thread of `gpu.worker` makes its calls through here; the page tells the age.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType


class CallsInFlight:
    """The calls that are under way, in any thread. `clock` is in seconds and never runs backwards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[_Call, float] = {}

    def call(self, *, expected_seconds: float = 0.0) -> _Call:
        """Return a context in which a call is under way. One that is made to wait counts from when it should be back."""
        return _Call(self._since, self._clock, expected_seconds)

    def oldest_seconds(self, now: float) -> float:
        """Return the age of the oldest call; 0 when there is none."""
        since = list(self._since.values())
        return max(0.0, now - min(since)) if since else 0.0


class _Call:
    """One call. A class, not a generator: it is entered for every call to the driver."""

    __slots__ = ("_clock", "_expected", "_since")

    def __init__(self, since: dict[_Call, float], clock: Callable[[], float], expected: float) -> None:
        self._since, self._clock, self._expected = since, clock, expected

    def __enter__(self) -> None:
        self._since[self] = self._clock() + self._expected

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._since[self]
