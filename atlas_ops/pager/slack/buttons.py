"""The buttons of a message, and what each of them means. Pure; called by `slack.message` and, when one is pressed, by `slack.press`."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.pager.deeds.deed import LONG, SHORT, SILENCES, Act, possible
from atlas_ops.pager.incident import Headline
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Button, Buttons


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of button. `action` is its name in Slack, which never changes: old messages keep their buttons."""

    action: str
    label: str
    act: Act
    seconds: float = 0.0
    urgent: bool = False
    sure: str = ""


KINDS = (
    Kind(action="atlas_acknowledge", label="Acknowledge", act=Act.ACKNOWLEDGE, urgent=True),
    Kind(action="atlas_silence_30m", label=f"Silence {SHORT}", act=Act.SILENCE, seconds=SILENCES[SHORT]),
    Kind(
        action="atlas_silence_4h",
        label=f"Silence {LONG}",
        act=Act.SILENCE,
        seconds=SILENCES[LONG],
        sure="For four hours nobody is told of this incident, whatever it becomes.",
    ),
    Kind(action="atlas_unsilence", label="Unsilence", act=Act.UNSILENCE),
    Kind(
        action="atlas_escalate",
        label="Escalate",
        act=Act.ESCALATE,
        sure="The next person of the escalation is called, whatever the time is where they are.",
    ),
    Kind(action="atlas_not_actionable", label="Not actionable", act=Act.NOT_ACTIONABLE),
)


def buttons(head: Headline, now: float, *, escalates: bool) -> Buttons:
    """Return the buttons that fit the state. `escalates`: whether there is anybody to escalate to."""
    offered = [act for act in possible(head, now) if escalates or act is not Act.ESCALATE]
    return Buttons(
        tuple(
            Button(
                action=kind.action,
                label=kind.label,
                incident=head.id,
                urgent=kind.urgent,
                sure=blocks.cut(kind.sure, blocks.CONFIRM_LIMIT),
            )
            for kind in KINDS
            if kind.act in offered
        )
    )


def kind(action: str) -> Kind | None:
    """Return the kind of button that has this name in Slack; None for one that only opens a page."""
    return next((kind for kind in KINDS if kind.action == action), None)
