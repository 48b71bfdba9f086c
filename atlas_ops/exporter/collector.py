"""What the exporter's page asks of whoever measures: the seam between collectors and the HTTP server.

Implemented by `server_collector`, the GPU collector, `discovery` and others; used by `source`, `lineup` and `service`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from atlas_ops.exporter.samples import Sample
from atlas_ops.settings import Server


class Collector(Protocol):
    """Measures one source. `collect` is called every second and must not wait for the source."""

    @property
    def name(self) -> str:
        """Value of the label `collector`."""
        ...

    @property
    def ready(self) -> bool:
        """Whether it has gone to its source once, with whatever result; a first page waits a little for that."""
        ...

    def start(self) -> None:
        """Begin to measure."""
        ...

    def collect(self) -> list[Sample]:
        """Return the newest measurements at once."""
        ...

    def stop(self) -> None:
        """End every thread and give everything back."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """The last time that a collector went to its source."""

    age_seconds: float
    """Time since it was over."""
    duration_seconds: float
    success: bool
    """Whether the collector did its work; a source that is down is a finding, not a failure."""


@runtime_checkable
class Paced(Protocol):
    """A collector that goes to its source at its own pace, in a thread of its own."""

    interval_seconds: float

    def last_round(self) -> Round | None:
        """Return the last round; None before the first one is over."""
        ...


@runtime_checkable
class Versioned(Protocol):
    """A collector whose samples change seldom: they are taken and printed again only when its version is another."""

    def version(self) -> Hashable:
        """Return something that differs whenever `collect` would return something else than before."""
        ...


@runtime_checkable
class Finder(Protocol):
    """A collector that finds model servers, each of which is to get a collector of its own."""

    def found(self) -> tuple[Server, ...]:
        """Return the servers that there are now, as far as is known; must not wait."""
        ...
