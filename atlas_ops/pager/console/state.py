"""How the pager itself is: what every reader of its pages has to know before believing them. Asked by the pages."""

from __future__ import annotations

import time
from dataclasses import dataclass

from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.store.store import Store

HEARTBEAT_LATE_SECONDS = 300.0
"""The heartbeat comes every minute; five missed ones are no hiccup any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """`problem` says what keeps messages from Slack; `channel` is empty without a token."""

    channel: str
    problem: str
    untold: tuple[str, ...]
    """What keeps people from being told by e-mail, webhooks and other channels of Slack."""
    heartbeat: float | None
    """When the last one came, Unix seconds; None: none ever did."""
    heartbeat_late: bool
    troubles: tuple[str, ...] = ()
    """What else does not work, such as Slack's buttons."""


def state(store: Store, delivery: Delivery | None, late_seconds: float, troubles: tuple[str, ...] = ()) -> State:
    """Return how the pager is now."""
    heartbeat = store.inbox.heartbeat()
    return State(
        channel=delivery.channel if delivery else "",
        problem=delivery.problem if delivery else "",
        untold=store.tellings.problems(),
        heartbeat=heartbeat,
        heartbeat_late=heartbeat is not None and time.time() - heartbeat > late_seconds,
        troubles=troubles,
    )
