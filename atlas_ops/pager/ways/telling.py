"""What is told to whom, why and how, beside the channel of pages. Pure; kept by `pager.store.tellings`, told by `pager.ways.teller`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from atlas_ops.pager.incident import Headline
from atlas_ops.settings.people import Target


class Way(Enum):
    """How somebody is told."""

    SLACK = "slack"
    """By a message of its own in their Slack channel."""
    EMAIL = "email"
    WEBHOOK = "webhook"


class Reason(Enum):
    """Why somebody is told."""

    ESCALATION = "escalation"
    """Nobody acknowledged the page in time, or somebody asked for help."""
    SLACK_DOWN = "slack_down"
    """Slack has not taken the page."""
    BLIND = "blind"
    """The pager itself hears nothing any more, so there may be more than it tells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Telling:
    """One incident that one target is told of in one way."""

    key: str
    incident: Headline
    reason: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Incidents that one message tells."""

    id: str
    """The same when the message is tried again, so that a receiver knows it."""
    target: str
    way: Way
    over: bool
    """Whether it tells that they are over."""
    tellings: tuple[Telling, ...]
    """At least one."""
    unsure: bool
    """Whether the message may be there already."""
    failures: int

    @property
    def reason(self) -> Reason:
        """Why the first of them is told."""
        return self.tellings[0].reason


def ways_to(target: Target) -> tuple[Way, ...]:
    """Return every way to a target."""
    there = {Way.SLACK: target.slack_channel, Way.EMAIL: target.emails, Way.WEBHOOK: target.webhook_url_file}
    return tuple(way for way, found in there.items() if found)


def key_of(incident: str, reason: Reason, number: int, target: str, way: Way) -> str:
    """Return what makes a telling the same telling; `number` tells steps of an escalation apart."""
    said = "\n".join((incident, reason.value, str(number), target, way.value))
    return hashlib.sha256(said.encode()).hexdigest()[:24]
