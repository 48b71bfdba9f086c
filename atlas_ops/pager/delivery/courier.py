"""Brings one incident up to date in Slack, each message exactly once. Called by `pager.delivery.worker`.

Before a message goes, that it goes is written down; after, that it went. What is found written down without its end, by
a pager that was killed or got no answer, is asked of Slack before anything is sent again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from atlas_ops.pager.composer import Composer
from atlas_ops.pager.delivery.pace import Bucket, Pace
from atlas_ops.pager.incident import Event, Kind, Work
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack import client as slack
from atlas_ops.pager.slack import message, wire
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.client import Absent, Accepted, Later, Outcome, Refused, Sent, Slack
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
_CLOCK_SKEW_SECONDS = 300.0
"""How far our clock and Slack's may be apart when we look for a message by its time."""


@dataclass(frozen=True, slots=True)
class Settling:
    """The last attempt may still be on its way through Slack; look again in so many seconds."""

    seconds: float


class Courier:
    """Knows the way of a message: first the message itself, then its updates, each followed by a reply that tells it."""

    def __init__(
        self, store: Store, slack: Slack, composer: Composer, metrics: Metrics, bucket: Bucket, pace: Pace
    ) -> None:
        self._store = store
        self._slack = slack
        self._composer = composer
        self._metrics = metrics
        self._bucket = bucket
        self._pace = pace

    def deliver(self, work: Work, *, plain: bool) -> Outcome | Settling:
        """Bring one incident up to date; Sent when Slack shows everything of it. `plain`: without blocks."""
        if work.posting.attempt_at is not None:
            left = self._recover(work)
            if not isinstance(left, Work):
                return left
            work = left
        composed = self._composer.message(work.incident)
        composed = message.plainly(composed) if plain else composed
        return self._follow_up(work, composed) if work.posting.ts else self._post(work, composed)

    def _post(self, work: Work, composed: Message) -> Outcome:
        incident, posting = work.incident.id, work.posting
        last = max((event.number for event in work.events), default=0)
        self._store.outbox.attempt(incident, at=time.time(), event=last)
        self._bucket.take()
        outcome = self._slack.post(composed)
        if isinstance(outcome, Sent):
            digest = wire.digest(composed)
            self._store.outbox.posted(incident, channel=outcome.channel, ts=outcome.ts, digest=digest, event=last)
            self._store.outbox.done(incident, revision=posting.revision)
            self._metrics.delivered("message", time.time() - posting.received_at)
            _LOG.info("posted incident %s (%s)", incident, work.incident.headline.fault)
        else:
            self._leave(incident, outcome, event=last)
        return outcome

    def _follow_up(self, work: Work, composed: Message) -> Outcome:
        """Update the message when it would read differently now, then tell in its thread what happened since."""
        incident, posting = work.incident.id, work.posting
        place = Sent(channel=posting.channel, ts=posting.ts)
        if wire.digest(composed) != posting.digest:
            self._bucket.take()
            outcome = self._slack.update(composed, place)
            if not isinstance(outcome, Sent):
                return outcome
            self._store.outbox.updated(incident, digest=wire.digest(composed))
            self._metrics.delivered("update", time.time() - posting.changed_at)
        news = [event for event in work.events if event.number > posting.sent_event and event.kind is not Kind.OPENED]
        if news:
            outcome = self._reply(work, news, place)
            if not isinstance(outcome, Sent):
                return outcome
        self._store.outbox.done(incident, revision=posting.revision)
        return place

    def _reply(self, work: Work, news: list[Event], place: Sent) -> Outcome:
        incident, told = work.incident.id, news[-1].number
        self._store.outbox.attempt(incident, at=time.time(), event=told)
        self._bucket.take()
        outcome = self._slack.post(message.reply(work.incident, news), place)
        if isinstance(outcome, Sent):
            self._store.outbox.replied(incident, event=told)
            self._metrics.delivered("reply", time.time() - work.posting.changed_at)
        else:
            self._leave(incident, outcome, event=told)
        return outcome

    def _leave(self, incident: str, outcome: Later | Refused, *, event: int) -> None:
        """Keep the attempt open only where Slack may have taken the message after all."""
        accepted = outcome.accepted if isinstance(outcome, Later) else Accepted.NO
        if accepted is Accepted.NO:
            self._store.outbox.attempt(incident, at=None)
        elif accepted is Accepted.PERHAPS:
            # Slack has answered, so there is nothing to wait for before asking what became of the message.
            self._store.outbox.attempt(incident, at=0.0, event=event)

    def _recover(self, work: Work) -> Work | Later | Settling:
        """Ask Slack what became of an attempt; return the incident with that settled."""
        incident, posting = work.incident.id, work.posting
        found = self._look(work)
        match found:
            case Later(reason=slack.NOT_SLACK):
                _LOG.warning("incident %s may appear twice: it cannot be looked for: %s", incident, found.detail)
                self._store.outbox.attempt(incident, at=None)
            case Later():
                return found
            case Absent():
                left = self._pace.settle - (time.time() - (posting.attempt_at or 0.0))
                if 0 < left <= self._pace.settle:
                    return Settling(left)
                self._store.outbox.attempt(incident, at=None)
            case Refused():
                _LOG.warning("incident %s may appear twice: Slack does not let us look (%s)", incident, found.advice)
                self._store.outbox.attempt(incident, at=None)
            case Sent() if posting.ts:
                self._store.outbox.replied(incident, event=posting.attempt_event)
            case Sent():
                _LOG.info("incident %s had reached Slack before its attempt was cut off", incident)
                event = posting.attempt_event
                self._store.outbox.posted(incident, channel=found.channel, ts=found.ts, digest="", event=event)
                self._metrics.delivered("message", time.time() - posting.received_at)
        return self._store.incidents.work(incident) or work

    def _look(self, work: Work) -> Outcome | Absent:
        posting = work.posting
        if posting.ts:
            place = Sent(channel=posting.channel, ts=posting.ts)
            return self._slack.find_reply(event=posting.attempt_event, thread=place)
        since = posting.received_at - _CLOCK_SKEW_SECONDS
        return self._slack.find(incident=work.incident.id, since=since, channel_id=self._store.outbox.channel_id())
