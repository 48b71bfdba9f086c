"""Keeps a page firing while nobody can see what it is about. Called by `render.rules` for every rule.

The exporter's death would end the series, and with them the alert (`catalog.faults.blindness.unseen`).
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.faults.blindness.unseen import PAGES_UNSEEN
from atlas_ops.catalog.model import Fault, Rule, Severity
from atlas_ops.catalog.parameters import Timing

_NO_MEASUREMENT = "-1e300"
"""Below every value that a rule can measure: the value of an alert that is only held is -Inf."""


def is_held(rule: Rule) -> bool:
    """Say whether an alert of the rule is held while its exporter is away: a page about something on a host or a model.

    What is found of a feature is told by the watcher of drift, which goes on without exporters.
    """
    on = c.HOST_NAME in rule.labels or c.MODEL in rule.labels
    return rule.severity is Severity.PAGE and on and c.FEATURE not in rule.labels


def expression(rule: Rule, fault: Fault) -> str:
    """Return the rule's expression; for a page, what it held when sight was lost belongs to it."""
    if not is_held(rule):
        return rule.expr
    variant = f"{c.VARIANT}={promql.quote(rule.variant)}" if rule.variant else ""
    objective = f"{c.OBJECTIVE}={promql.quote(rule.objective)}" if rule.objective else ""
    held = promql.select(PAGES_UNSEEN, f'alertname="{fault.name}"', variant, objective)
    # Inf instead of NaN: some engines that speak PromQL drop NaN.
    return f"{rule.expr}\nor\nmax by ({', '.join(rule.labels)}) ({held}) - Inf"


def summary(rule: Rule) -> str:
    """Return the summary, which for an alert that is only held tells no number as if it had been measured."""
    if not is_held(rule):
        return rule.summary
    what = c.HOST_NAME if c.HOST_NAME in rule.labels else c.MODEL
    blind = f"It fired when the exporter that watches {{{{ $labels.{what} }}}} stopped answering, and nobody has seen it since."
    return f"{{{{ if lt $value {_NO_MEASUREMENT} }}}}{blind}{{{{ else }}}}{rule.summary}{{{{ end }}}}"


def keep_firing_seconds(rule: Rule, timing: Timing) -> float:
    """Return `keep_firing_for`: until the recording of another group has noticed, an evaluation may find nothing."""
    return max(rule.keep_firing_seconds, 2 * timing.evaluation_seconds) if is_held(rule) else rule.keep_firing_seconds
