"""Tells what is due by the other ways, each message once. `round` is called by the job of `pager.oncall.duty`.

One target and way after the other. Where one fails, it alone waits, for longer each time.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.ways import wording
from atlas_ops.pager.ways.sending import NotSent, Order, Sender
from atlas_ops.pager.ways.telling import Batch, Way
from atlas_ops.settings.people import Target

_LOG = logging.getLogger(__name__)
_BY = {Way.SLACK: "in Slack", Way.EMAIL: "by e-mail", Way.WEBHOOK: "by webhook"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rhythm:
    """The waits, in seconds."""

    first_retry: float = 5.0
    last_retry: float = 300.0
    """After failures the waits double from the first to the last."""
    burst: int = 3
    gather: float = 30.0
    """After a burst of messages, a target gets one in so many seconds: what comes meanwhile goes into it, so that a storm
    does not fill a mailbox."""

    def retry(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        return min(self.first_retry * 2.0 ** min(failures, 16), self.last_retry)


class Teller:
    """Knows the targets by name, and a sender for each way that can be used. `problems` says what fails now."""

    def __init__(
        self,
        store: Store,
        targets: Mapping[str, Target],
        senders: Mapping[Way, Sender],
        metrics: Metrics,
        pager_url: str,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._store = store
        self._targets = targets
        self._senders = senders
        self._metrics = metrics
        self._pager_url = pager_url
        self._rhythm = rhythm or Rhythm()
        self._not_before: dict[tuple[str, Way], float] = {}
        self._sent: dict[tuple[str, Way], deque[float]] = {}
        self.problems: tuple[str, ...] = ()

    def round(self) -> None:
        """Tell what is due and may go now."""
        self._store.tellings.sweep(time.time())
        for target, way in self._store.tellings.pending():
            if self._not_before.get((target, way), 0.0) <= time.monotonic():
                batch = self._store.tellings.claim(target, way)
                if batch:
                    wait = self._tell(batch)
                    self._not_before[target, way] = time.monotonic() + wait
        self.problems = self._store.tellings.problems()

    def _tell(self, batch: Batch) -> float:
        """Send one message, note what came of it, and return how long the next one to the same target waits."""
        target, sender = self._targets.get(batch.target), self._senders.get(batch.way)
        if target is None or sender is None:
            self._store.tellings.withdraw(batch, f"the settings name no such way to {batch.target} any more")
            return 0.0
        title, text = wording.title(batch), wording.text(batch, self._pager_url)
        try:
            sender.send(Order(batch=batch, target=target, title=title, text=text))
        except NotSent as error:
            wait = self._rhythm.retry(batch.failures) if error.wait is None else error.wait
            self._failed(batch, error.message, wait, unsure=error.unsure)
            return wait
        except Exception:  # noqa: BLE001 - one odd incident must not hold up what is told of others
            _LOG.exception("what %s is told %s could not be made", batch.target, _BY[batch.way])
            wait = self._rhythm.last_retry
            self._failed(batch, "it could not be made: see the log", wait, unsure=False)
            return wait
        told = f"{_BY[batch.way]} to {batch.target}"
        self._store.tellings.told(batch, f"Told {told}", time.time())
        self._metrics.told(batch.way, sent=True)
        _LOG.info("told %s: %s", told, title)
        return self._gathering(batch)

    def _gathering(self, batch: Batch) -> float:
        """Return how long the next message to the same target waits after this one."""
        burst = self._rhythm.burst
        sent = self._sent.setdefault((batch.target, batch.way), deque(maxlen=burst))
        sent.append(time.monotonic())
        return max(0.0, sent[0] + burst * self._rhythm.gather - sent[-1]) if len(sent) == burst else 0.0

    def _failed(self, batch: Batch, problem: str, wait: float, *, unsure: bool) -> None:
        self._store.tellings.failed(batch, problem, wait=wait, unsure=unsure)
        self._metrics.told(batch.way, sent=False)
        _LOG.warning("%s is not told %s (tried again in %.0f s): %s", batch.target, _BY[batch.way], wait, problem)
