"""Where a message leads: the incident's page, dashboards at its time, Prometheus, the silences. Pure; called by `slack.message`."""

from __future__ import annotations

from urllib.parse import quote

from atlas_ops.catalog import conventions
from atlas_ops.errors import AtlasError
from atlas_ops.pager.deeds import matchers
from atlas_ops.pager.incident import Incident
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Link

_AROUND_SECONDS = 1800.0
"""How much before and after an incident its dashboards show: half an hour tells what was usual."""


def links(incident: Incident, *, pager_url: str, alertmanager_url: str, act: bool, runbook: bool) -> blocks.Links:
    """Return the links of an incident. `act`: whether its page is where one acts, because there are no buttons.

    `runbook`: whether that page shows one.
    """
    lead = incident.lead
    page = f"{pager_url}/incidents/{incident.id}"
    return blocks.links(
        (
            Link("Acknowledge or silence", f"{page}#act" if act else ""),
            Link("Runbook" if runbook else "Incident", page),
            Link("Dashboard", _then(lead.annotations.get("dashboard_url", ""), incident)),
            Link("Chart", _then(lead.annotations.get("panel_url", ""), incident)),
            Link("Prometheus", lead.generator_url),
            Link("Silence page", _silence_page(incident, alertmanager_url)),
        )
    )


def _then(url: str, incident: Incident) -> str:
    """Return the address of one of our dashboards as it was at the time of the incident; any other address as it is."""
    head = incident.headline
    if f"/d/{conventions.DASHBOARD_UID_PREFIX}" not in url or "?" not in url:
        return url
    end = "now" if head.until is None else f"{(head.until + _AROUND_SECONDS) * 1000:.0f}"
    return f"{url}&from={(head.since - _AROUND_SECONDS) * 1000:.0f}&to={end}"


def _silence_page(incident: Incident, alertmanager_url: str) -> str:
    """Return Alertmanager's page for a new silence with this incident's labels; empty when there is nothing to silence."""
    try:
        labels = matchers.of(incident)
    except AtlasError:
        return ""
    if not alertmanager_url:
        return ""
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in labels.items()}
    wanted = ", ".join(f'{name}="{value}"' for name, value in quoted.items())
    return f"{alertmanager_url}/#/silences/new?filter={quote(f'{{{wanted}}}', safe='')}"
