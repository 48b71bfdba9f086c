"""Takes the next step where nobody acknowledges a page in time, or where somebody asks for it.

`round` is called by the job of `pager.oncall.duty`; `by_hand` by Slack's buttons and the console's forms. A step, its line of the timeline
and what is to be told because of it are written together, so that a crash neither loses nor doubles it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from atlas_ops.pager import times
from atlas_ops.pager.deeds.deed import Deed
from atlas_ops.pager.incident import Headline
from atlas_ops.pager.oncall.plan import Call, Plan
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)


class Escalation:
    """Follows a plan. `changed` is called after a step, which Slack should show."""

    def __init__(self, store: Store, plan: Plan, *, changed: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._plan = plan
        self._changed = changed

    def round(self) -> None:
        """Take every step that is due."""
        now = time.time()
        for head in self._store.oncall.waiting(self._plan.waits, now):
            call = self._plan.call(head.escalation, now)
            if call and self._store.oncall.escalate(head.id, call, _overdue(head, call, now), now):
                _LOG.warning("incident %s (%s) was escalated to %s", head.id, head.fault, call.who)
                self._changed()

    def by_hand(self, deed: Deed, taken: int) -> str | None:
        """Take the step after the `taken` first ones for a person; return what the timeline says of it.

        None: there is no further step, or it was taken already.
        """
        call = self._plan.call(taken, deed.at)
        if call is None:
            return None
        told = f"{deed.who} escalated it to {_reached(call)}"
        return told if self._store.oncall.escalate(deed.incident, call, told, deed.at, deed) else None


def _overdue(head: Headline, call: Call, now: float) -> str:
    return f"Nobody is on it after {times.length(now - head.since)}: escalated to {_reached(call)}"


def _reached(call: Call) -> str:
    return call.who if call.target.reachable else f"{call.who}, whom the settings name no way to reach"
