"""Says what an incident is as a Slack message: what happened, why, where, since when, and what to do first. Pure.

Called by `pager.composer`, for the worker and for the preview on the incident's page. The parts are modules beside this
one; their budgets add up to less than Slack accepts for a whole message, whatever the alerts say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atlas_ops.pager.incident import Event, Incident
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.slack import blocks, facts, headline
from atlas_ops.pager.slack.blocks import Block, Message, Span, bold, plain
from atlas_ops.pager.slack.buttons import buttons
from atlas_ops.pager.slack.cause import cause
from atlas_ops.pager.slack.events import lines
from atlas_ops.pager.slack.links import links
from atlas_ops.pager.slack.steps import steps

# Together below 12,000 characters: Slack's limit on a whole message is not documented, about 13,200 were seen refused.
_SUMMARY, _FIELD, _IMPACT, _CAUSE, _ALERTS, _STATE, _SMALL = 1000, 140, 400, 900, 1200, 500, 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What a message leads to. Addresses are those of readers, without a slash at their end."""

    pager_url: str
    alertmanager_url: str = ""
    buttons: bool = False
    """Whether the pager hears of buttons that are pressed; without, the message leads to its page instead."""
    escalates: bool = False
    """Whether there is anybody to escalate to."""


def parent(incident: Incident, book: Runbook | None, reach: Reach, now: float) -> Message:
    """Return the message of an incident in its state at the Unix time `now`."""
    return Message(
        incident=incident.id,
        event=0,
        text=blocks.cut(headline.text(incident.headline, now), blocks.FALLBACK_LIMIT),
        blocks=(
            *_what(incident, now),
            *_act(incident, reach, now),
            *_help(incident, book),
            *_ways_on(incident, book, reach),
        ),
    )


def reply(incident: Incident, events: Sequence[Event]) -> Message:
    """Return one reply for the thread that tells all of these events."""
    text = "\n".join(event.text for event in events)
    return Message(
        incident=incident.id,
        event=events[-1].number,
        text=blocks.cut(text, blocks.FALLBACK_LIMIT),
        blocks=(blocks.section(lines(events)),),
    )


def plainly(message: Message) -> Message:
    """Return the message as text alone, for when Slack does not take its blocks."""
    return Message(incident=message.incident, event=message.event, text=message.text, blocks=())


def _what(incident: Incident, now: float) -> Iterator[Block]:
    """Return what is wrong, why, where and whom it hurts."""
    head, impact = incident.headline, incident.lead.annotations.get("impact", "")
    yield blocks.header(headline.title(head, now))
    yield blocks.Context(blocks.fitted(headline.state(head, now), _STATE))
    yield blocks.section(headline.opening(incident), _SUMMARY)
    if head.until is None and incident.diagnosis and incident.diagnosis.findings:
        yield blocks.section(cause(incident.diagnosis), _CAUSE)
    yield blocks.fields(list(facts.fields(incident)), _FIELD)
    if head.until is None and impact:
        yield blocks.section([bold("Impact"), plain("  "), plain(impact)], _IMPACT)


def _act(incident: Incident, reach: Reach, now: float) -> Iterator[Block]:
    """Return the buttons, before the long parts: nobody should have to scroll for them on a phone."""
    row = buttons(incident.headline, now, escalates=reach.escalates)
    if reach.buttons and row.buttons:
        yield row


def _help(incident: Incident, book: Runbook | None) -> Iterator[Block]:
    """Return what to look at and what to do."""
    head = incident.headline
    if head.total > 1:
        yield blocks.section(facts.alerts(incident), _ALERTS)
    if head.until is None and book:
        yield from steps(incident, book)
    if incident.chart:
        yield blocks.picture(incident.chart, incident.chart_words)
    yield blocks.Context(blocks.fitted(_small_print(incident, book), _SMALL))


def _small_print(incident: Incident, book: Runbook | None) -> Iterator[Span]:
    yield plain(f"Incident {incident.id}")
    if incident.headline.until is None and book is None:
        yield plain(f" · no runbook for {incident.headline.fault}")
    elif incident.headline.until is None:
        yield plain(" · the whole runbook, filled in, is on the incident page")


def _ways_on(incident: Incident, book: Runbook | None, reach: Reach) -> Iterator[Block]:
    row = links(
        incident,
        pager_url=reach.pager_url,
        alertmanager_url=reach.alertmanager_url,
        act=not reach.buttons and incident.headline.until is None,
        runbook=book is not None,
    )
    if row.links:
        yield row
