"""How rules of others do on our scenarios, by names that are not ours. Called by `rehearse`, told by `foreign_report`.

An alert notices a fault when it begins to fire while the fault is on and was silent in the calm before. It is scored twice:
with what a stock installation publishes (vLLM's own page, dcgm-exporter's default counters), and with everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atlas_ops.expressions.metrics import metrics
from atlas_ops.rehearsal.alerting import Firing
from atlas_ops.rehearsal.play import Play
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.verdict import LATE_SECONDS
from atlas_ops.simulator import Scenario

STOCK, ALL = "stock", "all"
_WAKING = ("page", "critical", "")
"""Severities that wake somebody; a rule without one does, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What fired of the rules of others in one run, with one of the two kinds of installation."""

    scenario: str
    seed: int
    installation: str
    expected: str | None
    model_minutes: float
    noticed: tuple[str, ...] = ()
    """Alerts of a severity that wakes somebody, begun while the fault was on."""
    after: float | None = None
    """Seconds from the fault to the first of them."""
    others: tuple[str, ...] = ()
    """The same of lower severities."""
    false: tuple[str, ...] = ()
    """Times that somebody would have been woken for nothing: in the calm, or in what only looks like a fault."""
    fired: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    """Metrics that the rules read and that were there."""


def hear(
    scenario: Scenario, seed: int, play: Play, found: Sequence[Firing], installation: str, present: frozenset[str]
) -> Heard:
    """Say what was heard in a run."""
    wakes = [firing for firing in found if firing.severity in _WAKING]
    began = {firing.name for firing in found if firing.start < play.fault_from}
    during = [firing for firing in found if _during(firing, play) and firing.name not in began]
    waking = sorted((firing.start, firing.name) for firing in during if firing in wakes)
    real = scenario.expected_fault is not None
    false = [firing.name for firing in wakes if not real or firing.start < play.fault_from]
    return Heard(
        scenario=scenario.name,
        seed=seed,
        installation=installation,
        expected=scenario.expected_fault,
        model_minutes=play.minutes,
        noticed=tuple(dict.fromkeys(name for _, name in waking)) if real else (),
        after=waking[0][0] - play.fault_from if waking and real else None,
        others=tuple(sorted({firing.name for firing in during if firing not in wakes})) if real else (),
        false=tuple(false),
        fired=frozenset(firing.name for firing in found),
        present=present,
    )


def _during(firing: Firing, play: Play) -> bool:
    return play.fault_from <= firing.start <= play.fault_to + LATE_SECONDS


def never(rules: Sequence[Rule], heard: Iterable[Heard]) -> dict[str, frozenset[str]]:
    """Return {alert: metrics that it lacks}, of those alerts that never fired and of whose metrics there is not a single one."""
    known = list(heard)
    present = frozenset[str]().union(*(one.present for one in known))
    fired = frozenset[str]().union(*(one.fired for one in known))
    return {
        rule.name: read
        for rule in rules
        if rule.alert and rule.name not in fired and (read := needed(rule, rules)) and not read & present
    }


def needed(rule: Rule, rules: Sequence[Rule]) -> frozenset[str]:
    """Return the metrics that a rule reads, by itself or through recordings."""
    recorded = {one.name: one for one in rules if not one.alert}
    found: set[str] = set()
    waiting, done = set(metrics(rule.expr)), set[str]()
    while waiting:
        name = waiting.pop()
        done.add(name)
        if name in recorded:
            waiting |= metrics(recorded[name].expr) - done
        else:
            found.add(name)
    return frozenset(found)
