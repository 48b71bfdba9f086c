"""What a person does about an incident, wherever they do it. Pure; made by Slack's buttons and the console's forms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Act(Enum):
    """What can be done."""

    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"
    UNSILENCE = "unsilence"
    ESCALATE = "escalate"
    NOT_ACTIONABLE = "not_actionable"


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
