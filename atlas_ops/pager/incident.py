"""What an incident is, and how one more webhook changes it. Pure: no clock, no database, no network.

Called by `pager.store.inbox`, which keeps what these functions decide, and by everything that shows an incident.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Severity
from atlas_ops.pager.diagnosis.verdict import Diagnosis

LATE_SECONDS = 120.0
"""A firing alert that says it began when a resolved one began is late mail, up to this long after the resolve. Later it
is true: Alertmanager resolves an alert that it has not heard of, and fires it again with the old start when Prometheus
comes back. Alertmanager keeps one delivery in flight for no longer than its group interval, a minute."""

OWN = "pager:"
"""So begin the fingerprints of alerts that the pager itself raises, of which Alertmanager knows nothing."""

_RANKS = {severity.value: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One alert as Alertmanager last told it, scrubbed. Times are Unix seconds."""

    fingerprint: str
    firing: bool
    starts_at: float
    ends_at: float | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str

    @property
    def fault(self) -> str:
        """The name of its fault."""
        return self.labels.get("alertname", "") or "UnnamedAlert"

    @property
    def severity(self) -> str:
        """Its severity; empty when it has none."""
        return self.labels.get(conventions.SEVERITY, "")

    @property
    def summary(self) -> str:
        """One sentence that says what is wrong, with its value."""
        return self.annotations.get("summary", "") or self.annotations.get("description", "") or self.fault

    def word(self, word: str) -> str:
        """Return a label by the word that people use for it (`node`), or by the signal's own (`host_name`)."""
        return self.labels.get(word, "") or self.labels.get(conventions.ALERT_LABELS.get(word, ""), "")

    @property
    def place(self) -> str:
        """Where it is: the pod, else the server, else the GPU's node, as closely as the labels tell."""
        pod, namespace, gpu = self.word("pod"), self.word("namespace"), self.word("gpu")
        around = self.word("server") or self.word("node") or self.word("instance") or self.word("job")
        if gpu:
            return f"GPU {gpu} on {self.word('node') or around}" if around else f"GPU {gpu}"
        return (f"{namespace}/{pod}" if namespace else pod) if pod else around


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One webhook of Alertmanager: the alerts of a group. `key` stands for the group and its receiver (see `by_severity`)."""

    key: str
    alerts: tuple[Alert, ...]
    truncated: int
    """Alerts of the group that Alertmanager left out (its setting `max_alerts`)."""
    heartbeat: bool
    """Whether the heartbeat fired in it; the heartbeat is never among the alerts."""
    guess: str = ""
    """From what the pager concludes that alerts are over of which Alertmanager has not said so; empty: it has."""


class Kind(Enum):
    """What an event of the timeline is about."""

    OPENED = "opened"
    JOINED = "joined"
    ENDED = "ended"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    UNSILENCED = "unsilenced"
    ESCALATED = "escalated"
    NOT_ACTIONABLE = "not_actionable"
    TOLD = "told"
    """It was told in another way than Slack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One line of an incident's timeline. Those after the first message become replies in its thread."""

    number: int
    at: float
    kind: Kind
    text: str
    mention: str = ""
    """Slack's id of the person (U...) or user group (S...) that the line calls; empty: nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Headline:
    """An incident in one line. Times are Unix seconds; `until` is None while any alert fires."""

    id: str
    fault: str
    severity: str
    model: str
    place: str
    summary: str
    since: float
    until: float | None
    firing: int
    total: int
    heard_at: float
    """When Alertmanager last said anything about it."""
    problem: str
    """Why its message is not in Slack yet; empty when it is, or is on its way."""
    delivered: bool
    """Whether Slack shows its present state."""
    storm: str = ""
    """The storm whose message tells of it; empty: it has a message of its own."""
    acknowledged_by: str = ""
    """Who says that they are on it; empty: nobody."""
    acknowledged_at: float | None = None
    silenced_until: float | None = None
    """Until when Alertmanager keeps quiet about it; a moment of the past: it does not any more."""
    silenced_by: str = ""
    not_actionable_by: str = ""
    """Who says that there was nothing to do about it; empty: nobody."""
    escalation: int = 0
    """How many steps of the escalation were taken."""
    escalated_to: str = ""
    """Name of the target that the last step told; empty: there was none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """The alerts of one group and severity, from the first alert to the resolve."""

    headline: Headline
    alerts: tuple[Alert, ...]
    """In the order in which they should be read: firing first, then by severity and start."""
    truncated: int
    diagnosis: Diagnosis | None = None
    """What the checks of its runbook found; None until they ran."""
    chart: str = ""
    """Slack's id of the file that shows its chart; empty: none was uploaded."""
    chart_words: str = ""
    """What that chart shows, in a sentence."""

    @property
    def id(self) -> str:
        """Its identity in links."""
        return self.headline.id

    @property
    def lead(self) -> Alert:
        """The alert that speaks for all: its summary is shown, its labels fill in the runbook."""
        return self.alerts[0]

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that fire now."""
        return tuple(alert for alert in self.alerts if alert.firing)

    @property
    def spoken(self) -> tuple[Alert, ...]:
        """The alerts to show: those that fire, or all of them after the resolve."""
        return self.firing or self.alerts


UPDATE = -1
"""Stands for an event where a message was changed in place; events are numbered from 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Posting:
    """How far an incident has come on its way to Slack."""

    revision: int
    changed_at: float
    received_at: float
    channel: str
    ts: str
    digest: str
    """Of the message as Slack shows it."""
    sent_event: int
    attempt_at: float | None
    """When the message, its update or a reply was sent whose fate is not known."""
    attempt_event: int
    """The last event that it tells; UPDATE for an update."""
    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """An incident that Slack does not show as it is now."""

    incident: Incident
    posting: Posting
    events: tuple[Event, ...]
    """Its timeline: the beginning, who was called, and the newest lines."""
    events_left_out: int = 0
    """Lines of a long timeline that are not among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What a webhook changes: alerts that begin, that end, and that only say it in other words."""

    joined: tuple[Alert, ...]
    ended: tuple[Alert, ...]
    refreshed: tuple[Alert, ...]

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """All alerts to be written."""
        return (*self.joined, *self.ended, *self.refreshed)


def ordered(alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    """Return alerts in the order in which they should be read."""
    return tuple(sorted(alerts, key=lambda a: (not a.firing, rank(a.severity), a.starts_at, a.place, a.fingerprint)))


def by_severity(told: Notification) -> tuple[Notification, ...]:
    """Return what a webhook tells of each severity, the gravest first: each is an incident of its own.

    In the thread of a ticket, a page would wake nobody. Which of the alerts were left out is not known: they count for the
    gravest.
    """
    if not told.alerts:
        return (told,)
    severities = sorted({alert.severity for alert in told.alerts}, key=lambda severity: (rank(severity), severity))
    return tuple(
        replace(
            told,
            key=hashlib.sha256(f"{told.key}\n{severity}".encode()).hexdigest(),
            alerts=tuple(alert for alert in told.alerts if alert.severity == severity),
            truncated=0 if number else told.truncated,
        )
        for number, severity in enumerate(severities)
    )


def rank(severity: str) -> int:
    """Return 0 for the gravest severity, and so on; unknown ones come last."""
    return _RANKS.get(severity, len(_RANKS))


def merge(known: Mapping[str, Alert], told: Sequence[Alert], *, ages: Mapping[str, float]) -> Change:
    """Return what `told` changes in the alerts known by fingerprint.

    The newer start counts; at the same start, resolved counts (but see `LATE_SECONDS`). So webhooks that come twice or
    in the wrong order change nothing. `ages`: seconds since each known alert last changed.
    """
    now = dict(known)
    changed: dict[str, tuple[str, Alert]] = {}
    for alert in told:
        name = alert.fingerprint
        kind = _kind(now.get(name), alert, ages.get(name, 0.0))
        if kind:
            now[name] = alert
            changed[name] = (kind, alert)

    def of(kind: str) -> tuple[Alert, ...]:
        return tuple(alert for found, alert in changed.values() if found == kind)

    return Change(joined=of("joined"), ended=of("ended"), refreshed=of("refreshed"))


def _kind(old: Alert | None, new: Alert, age: float) -> str:
    if old is None:
        return "joined" if new.firing else "ended"
    if new.starts_at < old.starts_at:
        return ""
    same = new.starts_at == old.starts_at
    if new.firing and old.firing:
        return "" if new == old else "refreshed"
    if new.firing:
        return "" if same and age < LATE_SECONDS else "joined"
    return "ended" if old.firing or not same else ""
