"""The first lines of a message: its title, how the incident stands, and what is wrong. Pure; called by `slack.message`; `slack.storm` has the same signs."""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops.catalog.model import Severity
from atlas_ops.pager import times
from atlas_ops.pager.deeds.deed import is_silenced
from atlas_ops.pager.incident import Headline, Incident
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Span, bold, plain

_EMOJI = {"page": "\N{LARGE RED CIRCLE}", "ticket": "\N{LARGE ORANGE CIRCLE}", "info": "\N{LARGE BLUE CIRCLE}"}
RESOLVED = "\N{WHITE HEAVY CHECK MARK}"
_SILENCED = "\N{SPEAKER WITH CANCELLATION STROKE}"
_SEEN = "\N{EYES}"
_NAME = 80
"""Characters of a name that are shown."""


def sign(severity: str) -> str:
    """Return what stands before the title of what fires with this severity."""
    return _EMOJI.get(severity, "⚠")


def title(head: Headline, now: float) -> str:
    """Return the title; its sign tells the state at a glance."""
    subject = " · ".join(part for part in (head.fault, head.model or head.place) if part)
    if head.until is not None:
        return f"{RESOLVED} RESOLVED · {subject}"
    attended = _SILENCED if is_silenced(head, now) else _SEEN if head.acknowledged_by else ""
    return f"{attended or sign(head.severity)} {(head.severity or 'alert').upper()} · {subject}"


def text(head: Headline, now: float) -> str:
    """Return the whole message in a line or two: for notifications, and to be read out."""
    place = f" at {head.place}" if head.model and head.place and head.place != head.model else ""
    if head.until is not None:
        return f"{title(head, now)}{place} after {times.length(head.until - head.since)}"
    state = "".join(span.text for span in _deeds(head, now))
    return f"{title(head, now)}{place}: {head.summary}" + (f" ({state})" if state else "")


def state(head: Headline, now: float) -> Iterator[Span]:
    """Return how the incident stands: whether it fires, and what people did about it."""
    deeds = list(_deeds(head, now))
    if head.until is not None:
        yield bold(f"Resolved after {times.length(head.until - head.since)}")
    else:
        yield bold("Firing")
        if not head.acknowledged_by and head.severity == Severity.PAGE.value:
            yield plain(" · nobody is on it yet")
    if deeds:
        yield plain(" · ")
        yield from deeds


def opening(incident: Incident) -> Iterator[Span]:
    """Return what is wrong, with its value and its limit."""
    head = incident.headline
    if head.until is not None:
        yield plain("It was: ")
    yield plain(head.summary)
    description = incident.lead.annotations.get("description", "")
    if head.until is None and description and description != head.summary:
        yield plain(f"\n{description}")


def _deeds(head: Headline, now: float) -> Iterator[Span]:
    """Return what people did, as parts of a sentence divided by points."""
    between = ""
    for words, name, when, at in _told(head, now):
        yield plain(f"{between}{words} ")
        yield bold(blocks.cut(name, _NAME))
        if at is not None:
            yield plain(f" {when} ")
            yield blocks.time(at, times.moment(at))
        between = " · "


def _told(head: Headline, now: float) -> Iterator[tuple[str, str, str, float | None]]:
    """Return what was done, by whom, and a moment that belongs to it with its preposition."""
    if head.acknowledged_by:
        yield "acknowledged by", head.acknowledged_by, "at", head.acknowledged_at
    if is_silenced(head, now):
        yield "silenced by", head.silenced_by or "somebody", "until", head.silenced_until
    if head.escalation and head.until is None:
        yield "escalated to", head.escalated_to or "the next", "", None
    if head.not_actionable_by:
        yield "nothing to do, says", head.not_actionable_by, "", None
