"""Which collectors are at work: what the settings ask for, against what runs already.

Used by `service`; the plans come from the command. A collector whose plan has not changed stays the same object over
every reload, so its counters go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from atlas_ops.exporter.collector import Collector

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.01

Made = Mapping[Hashable, Collector]
"""The collectors of the plans before, by their keys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A collector that should be at work. `key` holds every setting that it depends on, and no two plans share one."""

    key: Hashable
    make: Callable[[Made], Collector]
    """Gets the collectors of the plans before this one: a collector that needs another finds it there, and has the
    other's key in its own."""
    renew: Callable[[Collector], None] | None = None
    """Tells the collector what may change while it stays the same, and is therefore not in the key; must not fail."""


class Lineup:
    """The collectors at work."""

    def __init__(self) -> None:
        self._at_work: dict[Hashable, Collector] = {}

    @property
    def collectors(self) -> tuple[Collector, ...]:
        """In the order of their plans."""
        return tuple(self._at_work.values())

    def prepare(
        self, plans: Sequence[Plan], seconds: float, cancelled: Callable[[], bool]
    ) -> dict[Hashable, Collector]:
        """Start what is new, and wait up to `seconds` for its first round; what is at work stays so.

        When a collector cannot be made or started, the error is raised and nothing has changed.
        """
        made: dict[Hashable, Collector] = {}
        for plan in plans:
            made[plan.key] = self._at_work.get(plan.key) or plan.make(made)
        fresh = [collector for key, collector in made.items() if key not in self._at_work]
        try:
            for collector in fresh:
                collector.start()
        except BaseException:
            _stop(fresh)
            raise
        end = time.monotonic() + seconds
        while time.monotonic() < end and not cancelled() and not all(collector.ready for collector in fresh):
            time.sleep(_POLL_SECONDS)
        for plan in plans:
            if plan.renew:
                plan.renew(made[plan.key])
        return made

    def adopt(self, made: Mapping[Hashable, Collector]) -> None:
        """Take what `prepare` returned, and stop what is not in it."""
        removed = [collector for key, collector in self._at_work.items() if key not in made]
        self._at_work = dict(made)
        _stop(removed)

    def stop(self) -> None:
        """Stop all of them, those that others need last."""
        _stop(self.collectors)


def _stop(collectors: Sequence[Collector]) -> None:
    for collector in reversed(collectors):
        try:
            collector.stop()
        except Exception:  # noqa: BLE001 (logged whole; the others have to be stopped, too)
            _log.exception("collector %s could not be stopped", collector.name)
