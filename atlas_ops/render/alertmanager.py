"""Prints `alerts/alertmanager.yml`: who is told, what is grouped, and which cause hides which symptom."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Catalog, Family, Fault, Inhibition
from atlas_ops.render import yamltext
from atlas_ops.settings import Settings

_PAGER = "atlas-pager"


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return Alertmanager's configuration (0.25 and later)."""
    document: dict[str, yamltext.Value] = {
        "route": _route(settings),
        "inhibit_rules": [_inhibition(fault, inhibition) for fault in catalog.faults for inhibition in fault.inhibits],
        "receivers": [
            {
                "name": _PAGER,
                "webhook_configs": [{"url": f"{settings.links.pager}/webhook", "send_resolved": True}],
            }
        ],
    }
    return {"alerts/alertmanager.yml": yamltext.dump(document)}


def _route(settings: Settings) -> yamltext.Value:
    timing = settings.parameters.timing

    def scaled(seconds: float) -> str:
        return promql.duration(max(1.0, timing.hold(seconds)))

    return {
        "receiver": _PAGER,
        # One incident for each model and cause; hardware has no model, there the node stands in.
        "group_by": ["alertname", "severity", "namespace", "model"],
        "group_wait": scaled(10),
        "group_interval": scaled(60),
        "repeat_interval": "4h",
        "routes": [
            {
                "matchers": [f'alertname="{conventions.HEARTBEAT}"'],
                "group_wait": "0s",
                "group_interval": scaled(60),
                "repeat_interval": scaled(60),
                "receiver": _PAGER,
            },
            {
                "matchers": [f'{conventions.FAMILY}="{Family.HARDWARE.value}"'],
                "group_by": ["alertname", "severity", "node"],
                "receiver": _PAGER,
            },
        ],
    }


def _inhibition(fault: Fault, inhibition: Inhibition) -> yamltext.Value:
    source = [f'alertname="{fault.name}"']
    target = [f'alertname=~"{"|".join(inhibition.targets)}"']
    if inhibition.source_variant:
        source.append(f'{conventions.VARIANT}="{inhibition.source_variant}"')
    if inhibition.target_variant:
        target.append(f'{conventions.VARIANT}="{inhibition.target_variant}"')
    return {"source_matchers": source, "target_matchers": target, "equal": list(inhibition.equal)}
