"""The worker that decides what goes to Slack when: one thread, one call at a time.

Started by `atlas_ops.cli.pager`; woken by `pager.app`. The store is its queue, so a crash at any point loses nothing, and
the workers of several pagers may share it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from atlas_ops.errors import AtlasError
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.delivery import parcel
from atlas_ops.pager.delivery.courier import Courier, Settling
from atlas_ops.pager.delivery.pace import Pace
from atlas_ops.pager.delivery.parcel import Parcel
from atlas_ops.pager.delivery.storms import Gatherer
from atlas_ops.pager.job import Worker
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.client import Later, Outcome, Refused, Sent, Slack
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.outbox import Claim, Taken
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 5.0
"""A webhook wakes the worker; this only bounds how late it notices what another pager left behind."""


class Delivery(Worker):
    """The worker. `problem` says what keeps it from delivering; empty when nothing does.

    `patience`: how many seconds a new incident may wait for its diagnosis, so that its first message has it.
    """

    def __init__(
        self,
        store: Store,
        slack: Slack,
        composer: Composer,
        metrics: Metrics,
        pace: Pace | None = None,
        *,
        patience: float = 0.0,
        lanes: Sequence[Lane] = (),
    ) -> None:
        super().__init__("delivery")
        self._pace = pace or Pace()
        self._patience = patience
        self._lanes = tuple(lanes) or (Lane(channel=slack.channel),)
        self._courier = Courier(slack, metrics, store.buckets, self._pace)
        self._gatherer = Gatherer(store.storms, self._pace)
        self._store = store
        self._slack = slack
        self._composer = composer
        self._metrics = metrics
        self._plain: set[str] = set()
        """What Slack refused the blocks of, so that its text alone goes."""
        self._failures = 0
        self._not_before = {lane.channel: 0.0 for lane in self._lanes}
        self._checked_at = 0.0

    @property
    def channel(self) -> str:
        """The name of the channel that pages go to."""
        return self._lanes[0].channel

    def _run(self) -> None:
        self._check()
        super()._run()

    def _check(self) -> None:
        """Ask Slack whether it would take messages, so that a wrong token is known before the first alert."""
        self._checked_at = time.monotonic()
        match self._slack.check():
            case Refused() as refused:
                self._stuck(refused.advice)
            case Later() as later:
                self._stuck(later.detail)
            case Sent():
                self._free()

    def _turn(self) -> float:
        try:
            return self._round()
        except Taken as taken:
            _LOG.info("another pager goes on with %s", taken)
            return 0.0
        except AtlasError as error:
            self._metrics.retried("database")
            self._stuck(error.message)
        except Exception:  # noqa: BLE001 - a worker that dies of one odd incident would lose every page after it
            _LOG.exception("an incident could not be delivered; it is tried again after the others")
        return self._pace.look

    def _round(self) -> float:
        """Deliver one message that is due; return how long to wait before the next round."""
        waiting = self._store.outbox.waiting() + self._store.storms.waiting()
        self._metrics.queue(waiting)
        if not waiting:
            if self.problem and self._checked_at + self._pace.refused <= time.monotonic():
                self._check()
            return min(_IDLE_SECONDS, self._pace.refused)
        return min([self._attend(lane) for lane in self._lanes])

    def _attend(self, lane: Lane) -> float:
        """Deliver one message of a lane; return how long to wait before the next."""
        if (pause := self._not_before[lane.channel] - time.monotonic()) > 0:
            return pause
        self._gatherer.tend(lane)
        if (wait := self._store.buckets.wait(lane.channel, self._pace.rate)) > 0:
            return wait
        claim = self._store.storms.claim(lane, every=self._pace.every)
        if claim is not None:
            self._deliver(claim, parcel.of_storm(self._store, self._composer, claim.id), lane)
            return 0.0
        claim = self._store.outbox.claim(lane, every=self._pace.every, patience=self._patience)
        if claim is None:
            return self._pace.look
        found = parcel.of_incident(self._store, self._composer, claim.id)
        new = found is not None and not found.posting.ts and found.posting.attempt_at is None
        if not (new and self._gatherer.gathers(lane)):
            self._deliver(claim, found, lane)
        return 0.0

    def _deliver(self, claim: Claim, found: Parcel | None, lane: Lane) -> None:
        if found is None:
            return
        outcome: Outcome | Settling | None = None
        try:
            outcome = self._courier.deliver(found, lane, plain=claim.id in self._plain)
        finally:
            if outcome is None:  # whatever was raised: the others come first then
                self._give_back(claim, found)
        match outcome:
            case Sent():
                self._plain.discard(claim.id)
                self._free()
            case Settling():
                found.outbox.release(claim, seconds=outcome.seconds, failed=False)
            case Later():
                self._later(claim, found, outcome, lane)
            case Refused():
                self._refused(claim, found, outcome, lane)

    def _give_back(self, claim: Claim, found: Parcel) -> None:
        try:
            found.outbox.release(claim, seconds=self._pace.retry(claim.failures))
        except (Taken, AtlasError):
            return  # the claim ends by itself

    def _later(self, claim: Claim, found: Parcel, outcome: Later, lane: Lane) -> None:
        self._metrics.retried(outcome.reason)
        self._failures += 1
        if outcome.wait is not None:
            # What Slack asks for holds for everything in the channel, and for every pager.
            self._store.buckets.pause(lane.channel, outcome.wait)
        else:
            # Our own patience is short, or the next page would wait for it.
            pause = min(self._pace.retry(self._failures), self._pace.pause)
            self._not_before = dict.fromkeys(self._not_before, time.monotonic() + pause)
        seconds = self._pace.retry(claim.failures) if outcome.wait is None else outcome.wait
        found.outbox.release(claim, seconds=seconds, problem=outcome.detail)
        self._stuck(outcome.detail)

    def _refused(self, claim: Claim, found: Parcel, outcome: Refused, lane: Lane) -> None:
        self._metrics.retried("refused")
        if outcome.gone:
            _LOG.warning("the message of %s is gone (%s): it is posted anew", found.name, outcome.code)
            found.outbox.lost(claim.id)
            found.outbox.release(claim)
        elif outcome.about_message and claim.id not in self._plain:
            _LOG.warning("Slack refused the blocks of %s (%s): its text goes alone", found.name, outcome.code)
            self._plain.add(claim.id)
            found.outbox.release(claim)
        else:
            if not outcome.about_message:
                self._not_before[lane.channel] = time.monotonic() + self._pace.refused
            found.outbox.release(claim, seconds=self._pace.refused, problem=outcome.advice)
            self._stuck(outcome.advice)

    def _stuck(self, problem: str) -> None:
        if problem != self.problem:
            _LOG.error("Slack does not take messages: %s", problem)
        self.problem = problem

    def _free(self) -> None:
        if self.problem:
            _LOG.info("Slack takes messages again")
        self.problem = ""
        self._failures = 0
