"""Where the links of an alert lead; the one place that knows these addresses. Used by the other renderers."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Family, Fault, Rule
from atlas_ops.render.dashboards import panels, variables
from atlas_ops.settings import Settings

INCIDENT = "incident"
"""The dashboard that shows everything about the labels of one alert."""
BOARD_OF_FAMILY = {
    Family.LATENCY: "latency",
    Family.CAPACITY: "capacity-cost",
    Family.AVAILABILITY: "server",
    Family.HARDWARE: "gpu-node",
    Family.DRIFT: "drift",
    Family.COST: "capacity-cost",
    Family.BLINDNESS: "atlas",
}
"""The dashboard with the panels that the faults of a family are judged by."""
_CHOICES = {
    "latency": variables.OF_MODELS,
    "capacity-cost": variables.OF_MODELS,
    "server": variables.OF_SERVERS,
    "gpu-node": variables.OF_GPUS,
    "drift": variables.OF_DRIFT,
    "atlas": variables.OF_WATCHERS,
    INCIDENT: variables.OF_INCIDENTS,
}
"""{dashboard that alerts lead to: its variables}."""


def uid(board: str) -> str:
    """Return the uid of a dashboard of ours by its name."""
    return f"{c.DASHBOARD_UID_PREFIX}{board}"


def runbook(fault: Fault, settings: Settings) -> str:
    """Return the address of the runbook of a fault, at the section that says what to do."""
    if settings.links.runbooks:
        return f"{settings.links.runbooks}/{fault.name}.html#mitigation"
    return f"{settings.links.pager}/runbooks/{fault.name}#mitigation"


def dashboard(rule: Rule, fault: Fault, settings: Settings) -> str:
    """Return the address of all that is known about an alert: a template that chooses what the alert is about."""
    return f"{_board(INCIDENT, settings)}?var-{variables.ALERT}={fault.name}{_chosen(rule, INCIDENT)}"


def chart(rule: Rule, fault: Fault, settings: Settings) -> str:
    """Return the address of the panel that a fault is judged by, with a template as for `dashboard`."""
    board, panel = BOARD_OF_FAMILY[fault.family], panels.panel_id(panels.of_fault(fault))
    return f"{_board(board, settings)}?viewPanel={panel}{_chosen(rule, board)}"


def _board(name: str, settings: Settings) -> str:
    return f"{settings.links.grafana}/d/{uid(name)}/{uid(name)}"


def _chosen(rule: Rule, board: str) -> str:
    # A label may be empty on some alerts of a rule, and an empty choice would select nothing.
    return "".join(
        f"{{{{ with $labels.{label} }}}}&var-{name}={{{{ . | urlquery }}}}{{{{ end }}}}"
        for name in _CHOICES[board]
        if (label := variables.LABELS[name]) in rule.labels
    )
