"""Brings one message up to date in Slack, everything of it exactly once. Called by `pager.delivery.worker`.

Before something goes, that it goes is written down; after, that it went. What is found written down without its end, by
a pager that was killed or got no answer, is asked of Slack before anything is sent again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from atlas_ops.pager.delivery.pace import Pace
from atlas_ops.pager.delivery.parcel import Parcel
from atlas_ops.pager.incident import UPDATE, Event
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack import client as slack
from atlas_ops.pager.slack import message, wire
from atlas_ops.pager.slack.advice import FIXED
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.client import Absent, Accepted, Later, Outcome, Refused, Sent, Slack
from atlas_ops.pager.store.buckets import Buckets
from atlas_ops.pager.store.lane import Lane

_LOG = logging.getLogger(__name__)
_CLOCK_SKEW_SECONDS = 86_400.0
"""How far our clock and Slack's may be apart when we look for a message by its time: one that was set wrong is wrong by hours."""
_ANSWERED = 0.0
"""Stands for the time of an attempt that Slack has answered, without saying whether it took the message."""


@dataclass(frozen=True, slots=True)
class Settling:
    """The last attempt may still be on its way through Slack; look again in so many seconds."""

    seconds: float


class Courier:
    """Knows the way of a message: first the message itself, then its updates, each followed by a reply that tells it."""

    def __init__(self, slack: Slack, metrics: Metrics, buckets: Buckets, pace: Pace) -> None:
        self._slack = slack
        self._metrics = metrics
        self._buckets = buckets
        self._pace = pace
        # When an attempt was made, lost sight of or found, by a clock that nobody sets: those of others may bear any time.
        self._seen: dict[tuple[str, int], float] = {}

    def deliver(self, parcel: Parcel, lane: Lane, *, plain: bool) -> Outcome | Settling:
        """Bring one message up to date; Sent when Slack shows everything of it. `plain`: without blocks.

        Raises Taken when another pager has claimed it meanwhile.
        """
        if parcel.posting.attempt_at is not None:
            left = self._recover(parcel, lane)
            if not isinstance(left, Parcel):
                return left
            parcel = left
        composed = parcel.compose()
        composed = message.plainly(composed) if plain else composed
        return self._follow_up(parcel, lane, composed) if parcel.posting.ts else self._post(parcel, lane, composed)

    def _post(self, parcel: Parcel, lane: Lane, composed: Message) -> Outcome:
        last = parcel.told_at_first
        self._attempt(parcel, lane, last)
        outcome = self._slack.post(composed, channel=lane.channel)
        if isinstance(outcome, Sent):
            digest = wire.digest(composed)
            parcel.outbox.posted(parcel.id, channel=outcome.channel, ts=outcome.ts, digest=digest, event=last)
            self._seen.pop((parcel.id, last), None)
            self._metrics.delivered("message", time.time() - parcel.posting.received_at)
            _LOG.info("posted %s", parcel.name)
            again = parcel.again() if any(event.number > last for event in parcel.events) else None
            if again is not None:
                return self._follow_up(again, lane, composed)
            parcel.outbox.done(parcel.id, revision=parcel.posting.revision)
        else:
            self._leave(parcel, outcome, event=last)
        return outcome

    def _follow_up(self, parcel: Parcel, lane: Lane, composed: Message) -> Outcome:
        """Update the message when it would read differently now, then tell in its thread what happened since."""
        place = Sent(channel=parcel.posting.channel, ts=parcel.posting.ts)
        if wire.digest(composed) != parcel.posting.digest:
            outcome = self._update(parcel, lane, composed, place)
            if not isinstance(outcome, Sent):
                return outcome
        if parcel.news:
            outcome = self._reply(parcel, lane, parcel.news, place)
            if not isinstance(outcome, Sent):
                return outcome
        parcel.outbox.done(parcel.id, revision=parcel.posting.revision)
        return place

    def _update(self, parcel: Parcel, lane: Lane, composed: Message, place: Sent) -> Outcome:
        self._attempt(parcel, lane, UPDATE)
        outcome = self._slack.update(composed, place)
        if isinstance(outcome, Refused) and outcome.code == FIXED:
            _LOG.info("the message of %s stays as it is (%s): its thread tells what changes", parcel.name, FIXED)
            outcome = place
        if isinstance(outcome, Sent):
            parcel.outbox.updated(parcel.id, digest=wire.digest(composed))
            self._seen.pop((parcel.id, UPDATE), None)
            self._metrics.delivered("update", time.time() - parcel.posting.changed_at)
        else:
            self._leave(parcel, outcome, event=UPDATE)
        return outcome

    def _reply(self, parcel: Parcel, lane: Lane, news: tuple[Event, ...], place: Sent) -> Outcome:
        told = news[-1].number
        self._attempt(parcel, lane, told)
        loud = any(event.kind in parcel.loud for event in news)
        outcome = self._slack.post(parcel.reply(news), place, broadcast=loud)
        if isinstance(outcome, Sent):
            parcel.outbox.replied(parcel.id, event=told)
            self._seen.pop((parcel.id, told), None)
            self._metrics.delivered("reply", time.time() - parcel.posting.changed_at)
        else:
            self._leave(parcel, outcome, event=told)
        return outcome

    def _attempt(self, parcel: Parcel, lane: Lane, event: int) -> None:
        parcel.outbox.attempt(parcel.id, at=time.time(), event=event)
        self._seen[parcel.id, event] = time.monotonic()
        self._buckets.take(lane.channel, self._pace.rate)

    def _leave(self, parcel: Parcel, outcome: Later | Refused, *, event: int) -> None:
        """Keep the attempt open only where Slack may have taken the message after all."""
        accepted = outcome.accepted if isinstance(outcome, Later) else Accepted.NO
        if accepted is Accepted.NO:
            self._over(parcel, event)
        elif accepted is Accepted.PERHAPS:
            # Slack has answered, so there is nothing to wait for before asking what became of the message.
            parcel.outbox.attempt(parcel.id, at=_ANSWERED, event=event)
        else:
            self._seen[parcel.id, event] = time.monotonic()

    def _over(self, parcel: Parcel, event: int) -> None:
        """Note that nothing is on its way any more."""
        parcel.outbox.attempt(parcel.id, at=None)
        self._seen.pop((parcel.id, event), None)

    def _recover(self, parcel: Parcel, lane: Lane) -> Parcel | Later | Settling:
        """Ask Slack what became of an attempt; return the message with that settled."""
        posting = parcel.posting
        event = posting.attempt_event
        seen = self._seen.setdefault((parcel.id, event), time.monotonic())
        left = self._pace.settle - (time.monotonic() - seen)
        if event == UPDATE:
            return self._settle(parcel, left)
        found = self._look(parcel, lane)
        match found:
            case Later(reason=slack.NOT_SLACK):
                _LOG.warning("%s may appear twice: it cannot be looked for: %s", parcel.name, found.detail)
                self._over(parcel, event)
            case Later():
                return found
            case Absent():
                if left > 0 and posting.attempt_at != _ANSWERED:
                    return Settling(left)
                self._over(parcel, event)
            case Refused():
                _LOG.warning("%s may appear twice: Slack does not let us look (%s)", parcel.name, found.advice)
                self._over(parcel, event)
            case Sent() if posting.ts:
                parcel.outbox.replied(parcel.id, event=event)
            case Sent():
                _LOG.info("%s had reached Slack before its attempt was cut off", parcel.name)
                parcel.outbox.posted(parcel.id, channel=found.channel, ts=found.ts, digest="", event=event)
                self._metrics.delivered("message", time.time() - posting.received_at)
        self._seen.pop((parcel.id, event), None)
        return parcel.again() or parcel

    def _settle(self, parcel: Parcel, left: float) -> Parcel | Settling:
        """Wait until an update that was lost sight of cannot overwrite the next one any more."""
        if left > 0 and parcel.posting.attempt_at != _ANSWERED:
            return Settling(left)
        parcel.outbox.updated(parcel.id, digest="")  # whichever form Slack shows: it is sent once more
        self._seen.pop((parcel.id, UPDATE), None)
        return parcel.again() or parcel

    def _look(self, parcel: Parcel, lane: Lane) -> Outcome | Absent:
        posting = parcel.posting
        if posting.ts:
            place = Sent(channel=posting.channel, ts=posting.ts)
            return self._slack.find_reply(event=posting.attempt_event, thread=place)
        # Whichever of these the clock was right at.
        since = min(posting.received_at, posting.attempt_at or posting.received_at, time.time()) - _CLOCK_SKEW_SECONDS
        return self._slack.find(
            incident=parcel.id, since=since, channel_id=parcel.outbox.channel_id(lane), channel=lane.channel
        )
