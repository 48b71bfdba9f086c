"""Incidents and the messages that are made of them. For the tests of the message."""

from __future__ import annotations

import json
from typing import Any

from atlas_ops.pager.diagnosis.verdict import Diagnosis, Finding, Standing
from atlas_ops.pager.incident import Alert, Headline, Incident, ordered
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.slack import blocks, message, wire
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.message import Reach
from atlas_ops.pager.timeline import add_up
from atlas_ops.stage import slack_limits
from tests.pager.notes import RUNBOOK, notification

BOOK = Runbook(fault="QueueBacklog", family="capacity", text=RUNBOOK)
PAGER = "https://pager.example.org"
REACH = Reach(pager_url=PAGER, alertmanager_url="https://alertmanager.example.org", buttons=True, escalates=True)
NOW = 1795514460.0
LATER_ON = NOW + 1800


def incident(
    *alerts: Alert,
    truncated: int = 0,
    diagnosis: Diagnosis | None = None,
    chart: str = "",
    words: str = "",
    **more: Any,
) -> Incident:
    total = add_up(alerts, 0.0)
    headline = Headline(
        id="0123456789ab",
        fault=total.fault,
        severity=total.severity,
        model=total.model,
        place=total.place,
        summary=total.summary,
        since=total.since,
        until=total.until,
        firing=total.firing,
        total=total.total,
        heard_at=0.0,
        problem="",
        delivered=False,
        **more,
    )
    return Incident(
        headline=headline,
        alerts=ordered(alerts),
        truncated=truncated,
        diagnosis=diagnosis,
        chart=chart,
        chart_words=words,
    )


def parent(*alerts: dict[str, object], book: Runbook | None = BOOK, reach: Reach = REACH, **more: Any) -> Message:
    return message.parent(incident(*notification(*alerts).alerts, **more), book, reach, NOW)


def finding(cause: str, standing: Standing, told: str = "told", step: str = "", weight: int = 1) -> Finding:
    return Finding(cause=cause, standing=standing, told=told, next_step=step, weight=weight, query="up")


def shown(composed: Message) -> str:
    """Return everything that a reader of the message sees."""
    found: list[str] = []
    for block in wire.blocks(composed):
        found += [str(value) for value in slack_limits._strings(block)]
    return "\n".join(found)


def problem(composed: Message) -> tuple[str, tuple[str, ...]]:
    payload = {
        "text": wire.fallback(composed),
        "blocks": json.loads(json.dumps(wire.blocks(composed))),
        "metadata": wire.metadata(composed),
    }
    return slack_limits.problem(payload)


def links_of(composed: Message) -> tuple[blocks.Link, ...]:
    return next(block.links for block in composed.blocks if isinstance(block, blocks.Links))
