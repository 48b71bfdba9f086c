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
    head = incident.headline
    parts: list[Block] = [
        blocks.header(headline.title(head, now)),
        blocks.Context(blocks.fitted(headline.state(head, now), _STATE)),
        blocks.section(headline.opening(incident), _SUMMARY),
    ]
    if head.until is None and incident.diagnosis and incident.diagnosis.findings:
        parts.append(blocks.section(cause(incident.diagnosis), _CAUSE))
    parts.append(blocks.fields(list(facts.fields(incident)), _FIELD))
    parts += _impact(incident)
    if head.total > 1:
        parts.append(blocks.section(facts.alerts(incident), _ALERTS))
    if head.until is None and book:
        parts += steps(incident, book)
    if incident.chart:
        parts.append(blocks.picture(incident.chart, incident.chart_words))
    parts.append(blocks.Context(blocks.fitted(_small_print(incident, book), _SMALL)))
    parts += _ways_on(incident, reach, now)
    text = blocks.cut(headline.text(head, now), blocks.FALLBACK_LIMIT)
    return Message(incident=incident.id, event=0, text=text, blocks=tuple(parts))


def reply(incident: Incident, events: Sequence[Event]) -> Message:
    """Return one reply for the thread that tells all of these events."""
    text = "\n".join(event.text for event in events)
    return Message(
        incident=incident.id,
        event=events[-1].number,
        text=blocks.cut(text, blocks.FALLBACK_LIMIT),
        blocks=(blocks.section(_lines(events)),),
    )


def plainly(message: Message) -> Message:
    """Return the message as text alone, for when Slack does not take its blocks."""
    return Message(incident=message.incident, event=message.event, text=message.text, blocks=())


def _lines(events: Sequence[Event]) -> Iterator[Span]:
    for number, event in enumerate(events):
        if event.mention:
            yield plain("\n" if number else "")
            yield blocks.mention(event.mention)
            yield plain(f" {event.text}")
        else:
            yield plain(f"\n{event.text}" if number else event.text)


def _impact(incident: Incident) -> Iterator[Block]:
    impact = incident.lead.annotations.get("impact", "")
    if impact and incident.headline.until is None:
        yield blocks.section([bold("Impact"), plain("  "), plain(impact)], _IMPACT)


def _small_print(incident: Incident, book: Runbook | None) -> Iterator[Span]:
    yield plain(f"Incident {incident.id}")
    if incident.headline.until is None and book is None:
        yield plain(f" · no runbook for {incident.headline.fault}")
    elif incident.headline.until is None:
        yield plain(" · the whole runbook, filled in, is on the incident page")


def _ways_on(incident: Incident, reach: Reach, now: float) -> Iterator[Block]:
    if reach.buttons:
        row = buttons(incident.headline, now, escalates=reach.escalates)
        yield from [row] if row.buttons else []
    act = not reach.buttons and incident.headline.until is None
    found = links(incident, pager_url=reach.pager_url, alertmanager_url=reach.alertmanager_url, act=act)
    yield from [found] if found.links else []
