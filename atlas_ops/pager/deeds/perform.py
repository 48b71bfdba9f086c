"""Does what a person wants done about an incident, once. Called by Slack's buttons and by the console's forms.

A silence is made in Alertmanager before it is written down. Its comment names the deed: when the pager dies in between,
the same deed finds the silence again instead of making a second one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from atlas_ops.alertmanager import Alertmanager
from atlas_ops.errors import AtlasError, EnvironmentProblem
from atlas_ops.pager import times
from atlas_ops.pager.deeds import matchers
from atlas_ops.pager.deeds.deed import Act, Deed, Hold, is_silenced
from atlas_ops.pager.incident import Headline, Incident
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.scrub import scrub_name
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
_LOCKS = 16
"""Alertmanager may take seconds to answer; that must not hold up the deeds of other incidents."""

Escalate = Callable[[Deed, int], str | None]
"""Takes the step of an incident's escalation after so many, and writes that down with the deed. Returns what the timeline
says of it; None where there is no further step, or it was taken already. `pager.oncall.escalation`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of a deed, in one sentence for the person. `done`: whether the incident is changed by it."""

    done: bool
    text: str


class Performer:
    """Knows whom to ask for each act. `changed` is called after a deed that Slack should show."""

    def __init__(
        self,
        store: Store,
        alertmanager: Alertmanager,
        metrics: Metrics,
        *,
        changed: Callable[[], None],
        escalate: Escalate | None = None,
    ) -> None:
        self._store = store
        self._alertmanager = alertmanager
        self._metrics = metrics
        self._changed = changed
        self._escalate = escalate
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))
        self._acts = {
            Act.ACKNOWLEDGE: self._acknowledge,
            Act.SILENCE: self._silence,
            Act.UNSILENCE: self._unsilence,
            Act.ESCALATE: self._raise,
            Act.NOT_ACTIONABLE: self._not_actionable,
        }

    def perform(self, deed: Deed) -> Result:
        """Do it, unless it was done; never raises."""
        deed = replace(deed, who=scrub_name(deed.who))
        try:
            # Deeds of one incident one after another: what two people press at once is done once.
            with self._locks[hash(deed.incident) % _LOCKS]:
                result = self._perform(deed)
        except AtlasError as error:
            _LOG.warning("%s of incident %s by %s failed: %s", deed.act.value, deed.incident, deed.who, error.message)
            return Result(done=False, text=f"That did not work: {error}")
        if result.done:
            _LOG.info("incident %s: %s", deed.incident, result.text)
            self._metrics.deed(deed.act)
            self._changed()
        return result

    def _perform(self, deed: Deed) -> Result:
        work = self._store.incidents.work(deed.incident, alerts=None)
        if work is None:
            return Result(done=False, text="The pager knows no such incident (any more), or it is in another database.")
        if self._store.deeds.known(deed.key):
            return Result(done=False, text="That is done already.")
        head = work.incident.headline
        if head.until is not None and deed.act is not Act.NOT_ACTIONABLE:
            return Result(done=False, text="The incident is over: there is nothing left to do about it.")
        return self._acts[deed.act](deed, work.incident)

    def _record(self, deed: Deed, told: str, hold: Hold | None = None) -> Result:
        done = self._store.deeds.record(deed, told, hold)
        return Result(done=done, text=told if done else "That is done already.")

    def _acknowledge(self, deed: Deed, incident: Incident) -> Result:
        head = incident.headline
        if head.acknowledged_by:
            since = f" since {times.moment(head.acknowledged_at)}" if head.acknowledged_at is not None else ""
            return Result(done=False, text=f"{head.acknowledged_by} is on it{since}.")
        return self._record(deed, f"{deed.who} is on it")

    def _not_actionable(self, deed: Deed, incident: Incident) -> Result:
        if who := incident.headline.not_actionable_by:
            return Result(done=False, text=f"{who} has said so already.")
        return self._record(deed, f"{deed.who} says that there was nothing to do about it")

    def _raise(self, deed: Deed, incident: Incident) -> Result:
        if self._escalate is None:
            return Result(done=False, text="Nobody is named to escalate to: see pager.escalation in the settings.")
        told = self._escalate(deed, incident.headline.escalation)
        return Result(
            done=told is not None, text=told or "There is nobody further to escalate to, or somebody was faster."
        )

    # --- silences -----------------------------------------------------------------------------------------------------

    def _silence(self, deed: Deed, incident: Incident) -> Result:
        if is_silenced(incident.headline, deed.at):
            return Result(done=False, text=_silenced(incident.headline))
        until = self._made(deed) or self._make(deed, incident)
        told = f"{deed.who} silenced it until {times.moment(until)} ({times.length(until - deed.at)})"
        return self._record(deed, told, Hold(until=until, who=deed.who))

    def _made(self, deed: Deed) -> float | None:
        """Return the end of the silence that this deed made before the pager died of it; None when it made none."""
        mark = _mark(deed)
        return next((found.until for found in self._alertmanager.silences() if mark in found.comment), None)

    def _make(self, deed: Deed, incident: Incident) -> float:
        until = deed.at + deed.seconds
        told = f"{incident.headline.fault}, silenced with atlas-ops: {_of(incident.id)} {_mark(deed)}"
        try:
            self._alertmanager.silence(matchers.of(incident), start=deed.at, until=until, who=deed.who, comment=told)
        except EnvironmentProblem:
            if self._made(deed) is None:  # it may have made it, although its answer is lost
                raise
        return until

    def _unsilence(self, deed: Deed, incident: Incident) -> Result:
        ours = [found.id for found in self._alertmanager.silences() if _of(incident.id) in found.comment]
        for silence in ours:
            self._alertmanager.expire(silence)
        if not ours and self._is_held(incident):
            who = incident.headline.silenced_by or "Somebody"
            text = f"{who} silenced it in Alertmanager, perhaps with more than this incident: end that silence there."
            return Result(done=False, text=text)
        return self._record(deed, f"{deed.who} ended the silence")

    def _is_held(self, incident: Incident) -> bool:
        held = {alert.fingerprint for alert in self._alertmanager.alerts() if alert.silenced_by}
        return any(alert.fingerprint in held for alert in incident.firing)


def _of(incident: str) -> str:
    return f"[incident {incident}]"


def _mark(deed: Deed) -> str:
    return f"[deed {deed.key}]"


def _silenced(head: Headline) -> str:
    by = f" by {head.silenced_by}" if head.silenced_by else ""
    return f"It is silenced until {times.moment(head.silenced_until or 0.0)}{by}."
