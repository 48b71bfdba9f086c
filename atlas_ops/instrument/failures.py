"""Measuring never breaks the server that is measured: what fails here is counted, logged once, and over.

Used by every part of `instrument` that a server calls while it works.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

_log = logging.getLogger(__name__)


class Failures:
    """How often measuring failed."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, what: str) -> None:
        """Count the exception that is being handled; the first one is logged whole."""
        self.count += 1
        if self.count == 1:
            _log.exception("%s failed; the request goes on, and further failures are only counted", what)


class Careful(Protocol):
    """What has methods that are `harmless`."""

    @property
    def failures(self) -> Failures:
        """Where their failures are counted."""
        ...


Self = TypeVar("Self", bound=Careful)
Given = ParamSpec("Given")


def harmless(method: Callable[Concatenate[Self, Given], None]) -> Callable[Concatenate[Self, Given], None]:
    """Return `method` as one that never raises."""

    @functools.wraps(method)
    def guarded(self: Self, /, *args: Given.args, **kwargs: Given.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:  # noqa: BLE001 (a number that is missing is better than a request that is lost)
            self.failures.add(method.__qualname__)

    return guarded
