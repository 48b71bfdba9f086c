"""The dead man's switch: that the pager hears nothing any more is itself a page. `round` is called by a job of `cli.pager_oncall`.

The page is an incident like any other, so it goes to Slack, escalates and survives a restart; a second way is told with
it. It is over when the pager hears again.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Family, Severity
from atlas_ops.pager.incident import OWN, Alert, Notification
from atlas_ops.pager.oncall.reach import Heard, State
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.ways.telling import Reason
from atlas_ops.settings.people import Target

_LOG = logging.getLogger(__name__)
HEARTBEAT, PROMETHEUS, ALERTMANAGER = "heartbeat", "prometheus", "alertmanager"
"""The variants of the page: Alertmanager's heartbeat does not come, or one of the two does not answer."""
GONE_SECONDS = 600.0
"""A pager that has not been at work for so long will not end its pages any more. One in Kubernetes comes back with another name."""
_IMPACT = "Nobody is told of what fires now: a quiet channel does not mean that all is well."


class Source(Protocol):
    """Something that the pager should hear."""

    def ask(self) -> Heard:
        """Say whether it does."""


class Switch:
    """`sources` by the variant of the page that tells that they are silent; `second` is told of it, too."""

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Source],
        second: Target,
        *,
        instance: str,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._sources = sources
        self._second = second
        self._instance = instance
        self._changed = changed

    def round(self) -> None:
        """Ask every source, and open or end its page; end those that nobody else does."""
        self._store.oncall.present(self._instance)
        for variant, source in self._sources.items():
            heard = source.ask()
            if heard.state is State.SILENT:
                self._page(variant, heard.told)
            elif heard.state is State.WELL:
                self._end(variant)
        for variant in {HEARTBEAT, PROMETHEUS, ALERTMANAGER} - self._sources.keys():
            self._end(variant, "the settings do not have it watched any more")
        for key, alert in self._store.oncall.left_behind(GONE_SECONDS):
            now = time.time()
            self._accept(replace(alert, firing=False, ends_at=now), key, now, "the pager that told it is gone")

    def _page(self, variant: str, told: str) -> None:
        now = time.time()
        key = self._key(variant)
        found = self._store.oncall.open_of(key)
        if self._accept(self._alert(variant, told, since=found[1] if found else now, until=None), key, now):
            _LOG.error("%s", told)
        found = self._store.oncall.open_of(key)
        if found:
            self._store.tellings.tell_of(found[0], Reason.BLIND, self._second, now)

    def _end(self, variant: str, why: str = "") -> None:
        key = self._key(variant)
        found = self._store.oncall.open_of(key)
        if found:
            now, told = time.time(), "No longer watched" if why else "The pager hears again"
            self._accept(self._alert(variant, told, since=found[1], until=now), key, now, why)
            _LOG.info("%s: %s", variant, why or "the pager hears again")

    def _accept(self, alert: Alert, key: str, now: float, why: str = "") -> bool:
        notification = Notification(key=key, alerts=(alert,), truncated=0, heartbeat=False, guess=why)
        changed = self._store.inbox.accept(notification, now)
        if changed:
            self._changed()
        return changed

    def _key(self, variant: str) -> str:
        """Return the key of its incident. The heartbeat is the same for all pagers; the others are this one's."""
        return hashlib.sha256(f"atlas-pager\n{variant}\n{self._where(variant)}".encode()).hexdigest()

    def _where(self, variant: str) -> str:
        return "" if variant == HEARTBEAT else self._instance

    def _alert(self, variant: str, told: str, *, since: float, until: float | None) -> Alert:
        labels = {
            "alertname": c.PAGER_FAULT,
            c.SEVERITY: Severity.PAGE.value,
            c.FAMILY: Family.BLINDNESS.value,
            c.VARIANT: variant,
            "job": c.PAGER_JOB,
            "instance": self._where(variant),
        }
        return Alert(
            # Another outage is another alert, even when the clock was set back between the two.
            fingerprint=f"{OWN}{variant}-{since:.3f}",
            firing=until is None,
            starts_at=since,
            ends_at=until,
            labels={name: value for name, value in labels.items() if value},
            annotations={"summary": f"{told}.", "impact": _IMPACT},
            generator_url="",
        )
