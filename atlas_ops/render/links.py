"""Where the links of an alert lead; the one place that knows these addresses. Used by the other renderers and `check`."""

from __future__ import annotations

from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Catalog, Family, Fault, Rule
from atlas_ops.settings import Settings

OVERVIEW = f"{conventions.DASHBOARD_UID_PREFIX}overview"
"""The uid of the overview dashboard, which has one panel for each fault."""
FIRST_FAULT_PANEL = 100
"""Ids below it belong to the rows and the general panels of the dashboard."""


def runbook(fault: Fault, settings: Settings) -> str:
    """Return the address of the runbook of a fault, at the section that says what to do."""
    return f"{settings.links.pager}/runbooks/{fault.name}#mitigation"


def panel_id(fault: Fault, catalog: Catalog) -> int:
    """Return the id of the panel of a fault on the overview dashboard: a hundred for each family, in the catalog's order."""
    place = [known.name for known in catalog.of_family(fault.family)].index(fault.name)
    return FIRST_FAULT_PANEL * (1 + list(Family).index(fault.family)) + place


def dashboard(rule: Rule, fault: Fault, catalog: Catalog, settings: Settings) -> str:
    """Return the address of the panel of a fault, with a template that selects the model of the rule's alert, if it has one."""
    address = f"{settings.links.grafana}/d/{OVERVIEW}/atlas-overview?viewPanel={panel_id(fault, catalog)}"
    if conventions.MODEL in rule.labels:
        # Another rule of the fault may leave no model, and an empty one would select nothing.
        address += "{{ with $labels.model }}&var-model={{ . | urlquery }}{{ end }}"
    return address
