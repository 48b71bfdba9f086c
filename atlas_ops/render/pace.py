"""Which rules are evaluated with every scrape, and which every other minute: looking less often costs less.

Nobody waits for a ticket, and a fault with long windows changes little within a minute. What is recorded for such rules alone
is recorded as seldom. Called by `render.rules` and `render.autoscalers`, which put the two sorts into
groups of their own.
"""

from __future__ import annotations

import re
from itertools import chain

from atlas_ops.catalog.model import Catalog, Fault, Rule, Severity
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render import unseen

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(?::[a-zA-Z0-9_]+)+")
"""The name of a recording: it has colons, as nothing else in PromQL has."""


def groups(timing: Timing) -> tuple[tuple[str, float, bool], ...]:
    """Return the groups of a file: the ending of the name, the seconds between evaluations, whether its rules are unhurried."""
    return ("", timing.evaluation_seconds, False), ("-unhurried", timing.unhurried_seconds, True)


def unhurried(rule: Rule, fault: Fault) -> bool:
    """Return whether a look every other minute is enough for this alert."""
    return fault.unhurried or rule.severity is Severity.TICKET


def urgent_recordings(catalog: Catalog) -> frozenset[str]:
    """Return the names of the recordings that alerts of the other sort read, also by way of another recording.

    Those that are unhurried themselves, and what only they read, are none of them.
    """
    recordings = [recording for fault in catalog.faults for recording in fault.recordings]
    read_by = {one.name: _names(one.expr) for one in recordings if not one.unhurried}
    alerts = (
        unseen.expression(rule, fault) for fault in catalog.faults for rule in fault.rules if not unhurried(rule, fault)
    )
    found: set[str] = set()
    new = set(chain.from_iterable(map(_names, alerts)))
    while new:
        found |= new
        new = set(chain.from_iterable(read_by.get(name, ()) for name in new)) - found
    return frozenset(found & read_by.keys())


def _names(expr: str) -> set[str]:
    return set(_NAME.findall(expr))
