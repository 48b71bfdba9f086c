"""Prints `alerts/alertmanager.yml`: who is told, what is grouped, and which cause hides which symptom.

Pages go to the pager at once, tickets after a while, and of `info` nobody is told. While the pager does not deliver,
pages go straight to Slack, when `alertmanager.slack_api_url_file` says how (`render.fallback`). The user's own routes
(`alertmanager.extra_file`) come first, and the pager has what they take as well.
"""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog, Family, Fault, Inhibition, Severity
from atlas_ops.render import fallback, yamltext
from atlas_ops.settings import Settings
from atlas_ops.settings.own_routes import NOBODY, PAGER

_OF_HARDWARE = {"matchers": [f'{c.FAMILY}="{Family.HARDWARE.value}"'], "group_by": ["alertname", c.SEVERITY, "node"]}
"""Hardware has no model; there the node stands in."""
_MOST_ALERTS = 4_000
"""Of one group in one webhook: at 4 kB each, more than our largest has, they stay below what the pager takes, and what is
larger Alertmanager would not send again. It says how many it left out, and tells of them when others are over."""


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return Alertmanager's configuration (0.25 and later)."""
    own = settings.alertmanager.own
    document: dict[str, yamltext.Value] = {
        **own.others,
        "route": _route(settings),
        "inhibit_rules": [
            *(_inhibition(fault, inhibition) for fault in catalog.faults for inhibition in fault.inhibits),
            *own.inhibit_rules,
        ],
        "receivers": [
            {"name": PAGER, "webhook_configs": [_webhook(settings)]},
            {"name": NOBODY},
            *fallback.receivers(settings.alertmanager),
            *own.receivers,
        ],
    }
    return {"alerts/alertmanager.yml": yamltext.dump(document)}


def _webhook(settings: Settings) -> dict[str, yamltext.Value]:
    webhook: dict[str, yamltext.Value] = {
        "url": f"{settings.links.pager}/webhook",
        "send_resolved": True,
        "max_alerts": _MOST_ALERTS,
    }
    if settings.pager.webhook_token_file:
        authorization: yamltext.Value = {"credentials_file": settings.pager.webhook_token_file}
        webhook["http_config"] = {"authorization": authorization}
    return webhook


def _route(settings: Settings) -> yamltext.Value:
    own = settings.alertmanager.own

    def scaled(seconds: float) -> str:
        return promql.duration(max(1.0, settings.parameters.timing.hold(seconds)))

    return {
        "receiver": PAGER,
        # One incident for each model and cause.
        "group_by": ["alertname", c.SEVERITY, "namespace", "model"],
        "group_wait": scaled(10),
        "group_interval": scaled(60),
        "repeat_interval": "4h",
        # The first that matches counts.
        "routes": [
            *own.routes,
            _heartbeat(scaled),
            *fallback.routes(settings.alertmanager, pager=PAGER, nobody=NOBODY),
            {"matchers": [_of(Severity.INFO)], "receiver": NOBODY},
            _tickets(scaled),
            _OF_HARDWARE,
            # What an own route has taken does not fall back to the root.
            *([{"receiver": PAGER}] if own.routes else []),
        ],
    }


def _heartbeat(scaled: Callable[[float], str]) -> yamltext.Value:
    return {
        "matchers": [f'alertname="{c.HEARTBEAT}"'],
        "group_wait": "0s",
        "group_interval": scaled(60),
        "repeat_interval": scaled(60),
    }


def _tickets(scaled: Callable[[float], str]) -> yamltext.Value:
    """Return the route of what can wait for the morning: collected for longer, and told again once a day."""
    return {
        "matchers": [_of(Severity.TICKET)],
        "group_wait": scaled(120),
        "group_interval": scaled(900),
        "repeat_interval": "24h",
        "routes": [_OF_HARDWARE],
    }


def _of(severity: Severity) -> str:
    return f'{c.SEVERITY}="{severity.value}"'


def _inhibition(fault: Fault, inhibition: Inhibition) -> yamltext.Value:
    source = [f'alertname="{fault.name}"']
    source += [f'{label}!=""' for label in inhibition.named]
    target = [f'alertname=~"{"|".join(inhibition.targets)}"']
    if inhibition.source_variant:
        source.append(f'{c.VARIANT}="{inhibition.source_variant}"')
    if inhibition.target_variant:
        target.append(f'{c.VARIANT}="{inhibition.target_variant}"')
    return {"source_matchers": source, "target_matchers": target, "equal": list(inhibition.equal)}
