"""Watches an alert on its way: pending, firing, delivered, resolved. Turns what it sees into steps of a timeline.

Called by `stage.demo`. It only reads: Prometheus's alerts and the messages that the Slack stand-in has accepted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from atlas_ops.catalog import conventions
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.prometheus import Alert, Prometheus
from atlas_ops.stage.slack_message import Message
from atlas_ops.stage.slack_standin import SlackStandIn

POLL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Something that happened, `seconds` after the timeline's zero."""

    seconds: float
    text: str


class Observer:
    """Collects the steps of a timeline and hands each to `tell` as it happens."""

    def __init__(self, prometheus: Prometheus, slack: SlackStandIn, tell: Callable[[Step], None]) -> None:
        self._prometheus = prometheus
        self._slack = slack
        self._tell = tell
        self._seen: set[tuple[str, str]] = set()
        self._zero = time.monotonic()
        self.steps: list[Step] = []
        self.firing: frozenset[str] = frozenset()
        """Names of the alerts that fired at the last look."""
        self.fired: set[str] = set()
        """Names of those that fired at any since the timeline's zero."""

    def start_clock(self) -> None:
        """Set the timeline's zero, and forget what was seen before."""
        self._zero = time.monotonic()
        self.fired = set()
        self._seen = {("message", message.ts) for message in self._parents()}

    @property
    def seconds(self) -> float:
        """Time since the timeline's zero."""
        return time.monotonic() - self._zero

    def note(self, text: str) -> None:
        """Add a step that the caller made happen."""
        step = Step(seconds=self.seconds, text=text)
        self.steps.append(step)
        self._tell(step)

    def wait(self, until: Callable[[], bool], *, seconds: float) -> bool:
        """Watch until the condition holds; False when it does not within the time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._look()
            if until():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def page(self, fault: str) -> Message | None:
        """Return the newest message about a fault that came after the timeline's zero, in its present state."""
        pages = [message for message in self.pages() if names(message, fault)]
        return pages[-1] if pages else None

    def pages(self) -> tuple[Message, ...]:
        """Return every message that began after the timeline's zero."""
        return tuple(message for message in self._parents() if ("message", message.ts) not in self._seen)

    def _parents(self) -> tuple[Message, ...]:
        return tuple(message for message in self._slack.messages if not message.thread_ts)

    def _look(self) -> None:
        self._look_at_alerts()
        for message in self.pages():
            state = "resolved" if is_resolved(message) else "delivered"
            self._once(message.ts, state, f"Slack stand-in: {state}: {message.text.splitlines()[0]}")

    def _look_at_alerts(self) -> None:
        try:
            alerts = self._prometheus.alerts()
        except EnvironmentProblem:
            return  # a busy moment, or it is being restarted; the next look is a quarter of a second away
        self.firing = frozenset(alert.name for alert in alerts if alert.state == "firing") - {conventions.HEARTBEAT}
        self.fired |= self.firing
        for alert in alerts:
            if alert.name != conventions.HEARTBEAT:
                self._once(f"alert {_where(alert)}", alert.state, f"Prometheus: {_where(alert)} {alert.state}")

    def _once(self, what: str, state: str, text: str) -> None:
        if (what, state) not in self._seen:
            self._seen.add((what, state))
            self.note(text)


def names(message: Message, fault: str) -> bool:
    """Say whether a message is about a fault: what it is about stands in its first line, other faults may stand below."""
    return fault in message.text.partition("\n")[0]


def is_resolved(message: Message) -> bool:
    """Say whether a message has been updated to resolved."""
    return "RESOLVED" in message.text


def _where(alert: Alert) -> str:
    place = next((alert.labels[word] for word in ("pod", "server", "gpu", "model") if alert.labels.get(word)), "")
    return f"{alert.name} ({place})" if place else alert.name
