"""The worker that decides what goes to Slack when: one thread, one call at a time.

Started by `atlas_ops.cli.pager`; woken by `pager.app`. The store is its queue, so a crash at any point loses nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from atlas_ops.errors import AtlasError
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.delivery.courier import Courier, Settling
from atlas_ops.pager.delivery.pace import Bucket, Pace
from atlas_ops.pager.incident import Headline, rank
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.client import Later, Refused, Sent, Slack
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 5.0
"""A webhook wakes the worker; this only bounds how long a missed call could matter."""


@dataclass(slots=True)
class _Trouble:
    """What is known of an incident that could not be delivered."""

    failures: int = 0
    not_before: float = 0.0
    plain: bool = False
    """Slack refused its blocks, so its text alone goes."""


class Delivery:
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
    ) -> None:
        self._pace = pace or Pace()
        self._bucket = Bucket(self._pace, time.monotonic())
        self._courier = Courier(store, slack, composer, metrics, self._bucket, self._pace)
        self._store = store
        self._slack = slack
        self._metrics = metrics
        self._trouble: dict[str, _Trouble] = {}
        self._failures = 0
        self._not_before = 0.0
        self._checked_at = 0.0
        self._patience = patience
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self.problem = ""

    @property
    def channel(self) -> str:
        """The name of the channel that messages go to."""
        return self._slack.channel

    @property
    def alive(self) -> bool:
        """Whether the worker works."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new to deliver."""
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Stop after the call to Slack that is under way; leave that behind when it takes longer than `seconds`."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        self._check()
        while not self._stopping.is_set():
            self._wake.clear()
            self._wake.wait(self._safe_round())

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

    def _safe_round(self) -> float:
        try:
            return self._round()
        except AtlasError as error:
            self._metrics.retried("database")
            self._stuck(error.message)
        except Exception:  # noqa: BLE001 - a worker that dies of one odd incident would lose every page after it
            _LOG.exception("an incident could not be delivered; it is tried again after the others")
        return _IDLE_SECONDS

    def _round(self) -> float:
        """Deliver one incident that is due; return how long to wait before the next round."""
        unsent = self._store.outbox.unsent(time.time(), patience=self._patience)
        self._metrics.queue(len(unsent))
        self._trouble = {head.id: self._trouble[head.id] for head in unsent if head.id in self._trouble}
        now = time.monotonic()
        due = [head for head in unsent if self._of(head.id).not_before <= now]
        wait = max(self._not_before - now, self._bucket.wait(now) if due else 0.0)
        if wait > 0:
            return wait
        if due:
            self._attend(min(due, key=self._urgency))
            return 0.0
        if self.problem and not unsent and self._checked_at + self._pace.refused <= now:
            self._check()
        return min([self._of(head.id).not_before - now for head in unsent] + [_IDLE_SECONDS, self._pace.refused])

    def _urgency(self, head: Headline) -> tuple[int, int, bool]:
        """Sort pages before tickets; what has failed comes after what has not, so that one cannot hold up all."""
        return (self._of(head.id).failures, rank(head.severity), head.until is not None)

    def _of(self, incident: str) -> _Trouble:
        return self._trouble.get(incident) or _Trouble()

    def _attend(self, head: Headline) -> None:
        work = self._store.incidents.work(head.id)
        if work is None:
            return
        trouble = self._trouble.setdefault(head.id, _Trouble())
        # Counted as failed until it is not: whatever deliver raises, the others come first then.
        trouble.failures += 1
        trouble.not_before = time.monotonic() + self._pace.retry(trouble.failures)
        outcome = self._courier.deliver(work, plain=trouble.plain)
        now = time.monotonic()
        match outcome:
            case Sent():
                del self._trouble[head.id]
                self._free()
            case Settling():
                trouble.failures -= 1
                trouble.not_before = now + outcome.seconds
            case Later():
                self._later(head.id, trouble, outcome, now)
            case Refused():
                self._refused(head.id, trouble, outcome, now)

    def _later(self, incident: str, trouble: _Trouble, outcome: Later, now: float) -> None:
        self._metrics.retried(outcome.reason)
        self._failures += 1
        # What Slack asks for holds for everything; our own patience is short, or the next page would wait for it.
        pause = min(self._pace.retry(self._failures), self._pace.pause) if outcome.wait is None else outcome.wait
        self._not_before = now + pause
        if outcome.wait is not None:
            trouble.not_before = self._not_before
        self._store.outbox.problem(incident, outcome.detail)
        self._stuck(outcome.detail)

    def _refused(self, incident: str, trouble: _Trouble, outcome: Refused, now: float) -> None:
        self._metrics.retried("refused")
        trouble.not_before = now
        if outcome.gone:
            _LOG.warning("the message of incident %s is gone (%s): it is posted anew", incident, outcome.code)
            self._store.outbox.lost(incident)
        elif outcome.about_message and not trouble.plain:
            _LOG.warning("Slack refused the blocks of incident %s (%s): its text goes alone", incident, outcome.code)
            trouble.plain = True
        else:
            trouble.not_before = now + self._pace.refused
            self._store.outbox.problem(incident, outcome.advice)
            if not outcome.about_message:
                self._not_before = now + self._pace.refused
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
