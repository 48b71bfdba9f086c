"""What Prometheus's rule manager makes of an alert's expression: pending, firing, kept firing, and over.

Called by `replay` with the results of one rule at every evaluation. The tests compare it with promtool's own rule manager.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from atlas_ops.prometheus import Course
from atlas_ops.rehearsal.rules import Rule

RESEND_HORIZON_SECONDS = 240.0
"""How long Alertmanager believes the last word of a Prometheus that is away (four times its resend delay of a minute)."""
_PLACEHOLDER = re.compile(r"\{\{-?\s*\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)\s*-?\}\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Firing:
    """One alert, from when it fires until it is over. Unix seconds; `end` is None for one that fires at the last look."""

    name: str
    labels: Mapping[str, str]
    start: float
    end: float | None

    def fires_at(self, time: float) -> bool:
        """Whether it fires at a moment."""
        return self.start <= time and (self.end is None or time < self.end)

    @property
    def severity(self) -> str:
        """What its label says; empty where it has none."""
        return self.labels.get("severity", "")


@dataclass(slots=True)
class _State:
    """Prometheus's `rules.Alert`, as far as it decides what fires."""

    active_since: float | None = None
    firing_since: float | None = None
    absent_since: float | None = None
    before: float | None = None
    """Since when it fired before a restart of Prometheus, as long as it does not fire again."""
    believed_until: float = 0.0
    """Until then Alertmanager goes on with what fired before."""


def firings(
    rule: Rule, courses: Iterable[Course], evaluations: Sequence[float], restarts: Iterable[float] = ()
) -> list[Firing]:
    """Return every firing of a rule. `restarts` are times of evaluations that are the first ones of a new Prometheus."""
    begun = set(restarts)
    found: list[Firing] = []
    by_labels: dict[tuple[tuple[str, str], ...], set[float]] = {}
    for course in courses:
        # Two series may become the same alert; Prometheus refuses that, here either keeps it active.
        by_labels.setdefault(_labels(rule, course.labels), set()).update(round(time, 3) for time in course.times)
    for labels, active in by_labels.items():
        spans = _spans(rule, active, evaluations, begun)
        found += [Firing(name=rule.name, labels=dict(labels), start=start, end=end) for start, end in spans]
    return found


def _spans(
    rule: Rule, active: set[float], evaluations: Sequence[float], restarts: set[float]
) -> list[tuple[float, float | None]]:
    state = _State()
    spans: list[tuple[float, float | None]] = []
    previous = 0.0
    for now in evaluations:
        if now in restarts:
            state = _restarted(state, previous)
        over = _step(state, rule, now, active=now in active)
        if over is not None:
            spans.append((over, now))
        if state.before is not None and now >= state.believed_until:
            spans.append((state.before, state.believed_until))
            state.before = None
        previous = now
    last = state.firing_since if state.firing_since is not None else state.before
    return [*spans, (last, None)] if last is not None else spans


def _restarted(state: _State, previous: float) -> _State:
    """Begin anew: pending time is forgotten, for no `for` is long enough to be restored (`--rules.alert.for-grace-period`).

    `previous` is the last evaluation before.
    """
    if state.firing_since is not None:
        return _State(before=state.firing_since, believed_until=previous + RESEND_HORIZON_SECONDS)
    return _State(before=state.before, believed_until=state.believed_until)


def _step(state: _State, rule: Rule, now: float, *, active: bool) -> float | None:
    """Take in one evaluation; return since when an alert fired that is over now."""
    if active:
        state.absent_since = None
        state.active_since = now if state.active_since is None else state.active_since
        if state.firing_since is None and now - state.active_since >= rule.for_seconds - 1e-6:
            state.firing_since = now if state.before is None else state.before
            state.before = None
        return None
    if state.firing_since is not None and rule.keep_firing_seconds > 0:
        state.absent_since = now if state.absent_since is None else state.absent_since
        if now - state.absent_since < rule.keep_firing_seconds - 1e-6:
            return None
    over = state.firing_since
    state.active_since = state.firing_since = state.absent_since = None
    return over


def _labels(rule: Rule, labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the labels of the alert. Of templates, `{{ $labels.name }}` is filled in; others stay as they are."""
    own = {name: value for name, value in labels.items() if name != "__name__"}
    told = {name: _PLACEHOLDER.sub(lambda found: labels.get(found[1], ""), text) for name, text in rule.labels}
    # A label that turns out empty is none.
    return tuple(sorted((name, value) for name, value in {**own, **told, "alertname": rule.name}.items() if value))
