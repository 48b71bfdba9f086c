"""What follows when a person presses a button in Slack, whichever way Slack tells of it.

Called by `slack.socket` and `slack.interactions`, which have told Slack already that they have it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from atlas_ops.pager.deeds.deed import Deed
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.slack import buttons
from atlas_ops.pager.slack.client import Slack

_LOG = logging.getLogger(__name__)
_INCIDENT = re.compile(r"[0-9a-f]{12}")
_SHORT = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a button was pressed, and by whom: ids of Slack's."""

    channel: str
    thread: str
    user: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Presses:
    """Does what buttons say. Who pressed one that does nothing any more is told why, unseen by others."""

    performer: Performer
    slack: Slack

    def take(self, payload: Mapping[str, object]) -> None:
        """Do what a payload of Slack's asks for; never raises. What is not a press of one of our buttons is let pass."""
        try:
            place, deeds = _place(payload), list(_deeds(payload, time.time()))
            for deed in deeds:
                result = self.performer.perform(deed)
                if not result.done:
                    self.slack.whisper(result.text, channel=place.channel, thread=place.thread, user=place.user)
        except Exception:  # noqa: BLE001 - an odd payload must not end the thread that hears of all others
            _LOG.exception("a button was pressed, and nothing came of it")


def _deeds(payload: Mapping[str, object], now: float) -> Iterator[Deed]:
    """Return what was asked for. A press is known again by its person, its moment and its button."""
    user = _object(payload.get("user"))
    name, who = str(user.get("id") or ""), str(user.get("username") or user.get("name") or user.get("id") or "")
    actions = payload.get("actions") if payload.get("type") == "block_actions" else None
    for action in actions if isinstance(actions, list) else ():
        pressed = _object(action)
        kind = buttons.kind(str(pressed.get("action_id")))
        incident, moment = str(pressed.get("value")), str(pressed.get("action_ts"))
        if kind is None:  # a link, which Slack tells of as well
            continue
        if not (_INCIDENT.fullmatch(incident) and _SHORT.fullmatch(moment) and _SHORT.fullmatch(name)):
            _LOG.warning("a press of %s is not understood: it names no incident, moment or person", kind.action)
            continue
        key = f"slack:{name}:{moment}:{kind.action}:{incident}"
        yield Deed(key=key, act=kind.act, incident=incident, who=who, at=now, seconds=kind.seconds)


def _place(payload: Mapping[str, object]) -> Place:
    container, user = _object(payload.get("container")), _object(payload.get("user"))
    return Place(
        channel=str(container.get("channel_id") or ""),
        thread=str(container.get("thread_ts") or container.get("message_ts") or ""),
        user=str(user.get("id") or ""),
    )


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
