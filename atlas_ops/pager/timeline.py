"""What the alerts of an incident add up to, and what its timeline says of each change. Pure; called by `pager.store.inbox`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atlas_ops.pager import times
from atlas_ops.pager.incident import Alert, Change, Kind, ordered

_SHOWN = 5
_PLACE = 80
"""Characters of a place that are shown; a pod's name has at most 63."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum:
    """An incident's alerts in one line. `until` is None while any of them fires."""

    fault: str
    severity: str
    model: str
    place: str
    summary: str
    since: float
    until: float | None
    firing: int
    total: int


def add_up(alerts: Sequence[Alert], now: float) -> Sum:
    """Return what one or more alerts add up to; `now` stands in for an end that Alertmanager did not tell."""
    lead = ordered(alerts)[0]
    firing = sum(alert.firing for alert in alerts)
    return Sum(
        fault=lead.fault,
        severity=lead.severity,
        model=lead.word("model"),
        place=_places(lead, [alert for alert in alerts if alert.firing or not firing]),
        summary=lead.summary,
        since=min(alert.starts_at for alert in alerts),
        until=None if firing else max(alert.ends_at or now for alert in alerts),
        firing=firing,
        total=len(alerts),
    )


def _places(lead: Alert, alerts: Sequence[Alert]) -> str:
    others = len({alert.place for alert in alerts if alert.place} - {lead.place})
    return f"{lead.place} and {others} more" if lead.place and others else lead.place


def opening(change: Change) -> Iterator[tuple[Kind, str]]:
    """Return the first lines of a timeline."""
    yield Kind.OPENED, f"Began: {_names(change.alerts)}"
    if not change.joined:
        yield Kind.RESOLVED, "It was over when it was first heard of"


def lines(change: Change, after: Sum, guess: str = "") -> Iterator[tuple[Kind, str]]:
    """Return what a change of an open incident adds to its timeline; `guess` of `Notification`."""
    if change.joined:
        yield Kind.JOINED, f"Also firing: {_names(change.joined)}"
    if after.until is not None:
        why = f": {guess}" if guess else ""
        yield Kind.RESOLVED, f"\N{WHITE HEAVY CHECK MARK} Resolved after {times.length(after.until - after.since)}{why}"
    elif change.ended:
        yield Kind.ENDED, f"Ended: {_names(change.ended)}; {after.firing} of {after.total} still fire"


def _names(alerts: Sequence[Alert]) -> str:
    shown = [f"{alert.fault} ({alert.place[:_PLACE]})" if alert.place else alert.fault for alert in alerts[:_SHOWN]]
    more = f" and {len(alerts) - _SHOWN} more" if len(alerts) > _SHOWN else ""
    return ", ".join(shown) + more
