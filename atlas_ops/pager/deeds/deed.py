"""What a person does about an incident, wherever they do it. Pure; made by Slack's buttons and the console's forms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from atlas_ops.pager.incident import Headline


class Act(Enum):
    """What can be done."""

    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"
    UNSILENCE = "unsilence"
    ESCALATE = "escalate"
    NOT_ACTIONABLE = "not_actionable"


SHORT, LONG = "30 min", "4 h"
SILENCES = {SHORT: 1800.0, LONG: 4 * 3600.0}
"""How long one can silence, in seconds, by the words that buttons and forms have for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """One act of one person. `key` makes it the same deed when it arrives twice."""

    key: str
    act: Act
    incident: str
    who: str
    """The person, as the timeline names them: a Slack name, or the name that the console knows."""
    at: float
    seconds: float = 0.0
    """How long to silence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A silence of Alertmanager that holds for an incident, until a Unix time."""

    until: float
    who: str


def possible(head: Headline, now: float) -> tuple[Act, ...]:
    """Return what can be done about an incident in its present state, in the order in which it is offered."""
    firing = head.until is None
    silenced = is_silenced(head, now)
    offered = {
        Act.ACKNOWLEDGE: firing and not head.acknowledged_by,
        Act.SILENCE: firing and not silenced,
        Act.UNSILENCE: firing and silenced,
        Act.ESCALATE: firing and not silenced,
        Act.NOT_ACTIONABLE: not head.not_actionable_by,
    }
    return tuple(act for act, offer in offered.items() if offer)


def is_silenced(head: Headline, now: float) -> bool:
    """Tell whether Alertmanager keeps quiet about an incident now."""
    return head.silenced_until is not None and head.silenced_until > now
