"""Prints `alerts/<family>.yaml`: the recording and alert rules of each family, as Prometheus 2.42 and later load them."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Catalog, Family, Fault, Recording, Rule
from atlas_ops.render import links, pace, unseen, yamltext
from atlas_ops.settings import Settings


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return one rule file for each family that has faults."""
    families = [family for family in Family if catalog.of_family(family)]
    return {f"alerts/{family.value}.yaml": _file(family, catalog, settings) for family in families}


def _file(family: Family, catalog: Catalog, settings: Settings) -> str:
    faults, timing = catalog.of_family(family), settings.parameters.timing
    urgent = pace.urgent_recordings(catalog)
    groups: list[yamltext.Value] = [
        {"name": f"atlas-{family.value}{ending}", "interval": promql.duration(seconds), "rules": rules}
        for ending, seconds, unhurried in pace.groups(timing)
        if (rules := [one for fault in faults for one in _rules(fault, settings, urgent, unhurried=unhurried)])
    ]
    return yamltext.dump({"groups": groups})


def _rules(fault: Fault, settings: Settings, urgent: frozenset[str], *, unhurried: bool) -> list[yamltext.Value]:
    """Return the rules of a fault that are evaluated every other minute, or its other ones.

    A recording stands before what reads it: Prometheus evaluates a group in order, so an alert sees this round's values.
    """
    recordings = [one for one in fault.recordings if unhurried == (one.name not in urgent)]
    alerts = [one for one in fault.rules if unhurried == pace.unhurried(one, fault)]
    return [*map(_recording, recordings), *(_alert(rule, fault, settings) for rule in alerts)]


def _recording(recording: Recording) -> yamltext.Value:
    return {"record": recording.name, "expr": recording.expr}


def _alert(rule: Rule, fault: Fault, settings: Settings) -> yamltext.Value:
    alert: dict[str, yamltext.Value] = {"alert": fault.name, "expr": unseen.expression(rule, fault)}
    if rule.for_seconds:
        alert["for"] = promql.duration(rule.for_seconds)
    keep = unseen.keep_firing_seconds(rule, settings.parameters.timing)
    if keep:
        alert["keep_firing_for"] = promql.duration(keep)
    alert["labels"] = _labels(rule, fault)
    alert["annotations"] = {
        "summary": unseen.summary(rule),
        "description": fault.meaning,
        "impact": fault.impact,
        "runbook_url": links.runbook(fault, settings),
        "dashboard_url": links.dashboard(rule, fault, settings),
        "panel_url": links.chart(rule, fault, settings),
    }
    return alert


def _labels(rule: Rule, fault: Fault) -> dict[str, yamltext.Value]:
    labels: dict[str, yamltext.Value] = {
        conventions.SEVERITY: rule.severity.value,
        conventions.FAMILY: fault.family.value,
    }
    if rule.variant:
        labels[conventions.VARIANT] = rule.variant
    if rule.objective:
        # Label values are Go templates; the user's pattern is plain text.
        labels[conventions.OBJECTIVE] = rule.objective.replace("{{", '{{ "{{" }}')
    for word, label in conventions.ALERT_LABELS.items():
        if word != label and label in rule.labels:
            # A label that turns out empty is dropped by Prometheus, so a bare host gets no `pod`.
            labels[word] = f"{{{{ $labels.{label} }}}}"
    return labels
